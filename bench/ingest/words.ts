// From the end of an upload's request to the first search that finds its text, through the real API, index process
// and ingest process.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Serving, startServing } from './serving.ts'

export interface WordsOptions {
  readonly passages: number
  readonly uploads: number
  readonly modelDir: string
}

/** Milliseconds from the end of an upload's request. */
export interface Found {
  /** Until the database knows the words. */
  readonly published: number
  /** Until a search answered with them. */
  readonly found: number
}
export interface Words {
  readonly small: readonly Found[]
  readonly megabyte: readonly Found[]
}

export async function wordsLatency(options: WordsOptions): Promise<Words> {
  await using serving = await startServing(options)
  for (let i = 0; i < 3; i++) await uploadAndFind(serving, 2_000)
  const small: Found[] = []
  const megabyte: Found[] = []
  for (let i = 0; i < options.uploads; i++) small.push(await uploadAndFind(serving, 2_000))
  for (let i = 0; i < 3; i++) megabyte.push(await uploadAndFind(serving, 1_000_000))
  return { small, megabyte }
}

let uploads = 0

/** Looks once a millisecond whether the words are published, then searches until they are found. */
async function uploadAndFind({ text, client, search, upload }: Serving, bytes: number): Promise<Found> {
  const mark = `zyx${(++uploads).toString(36)}${randomBytes(3).toString('hex')}`
  const parts: string[] = [`The mark of this text is ${mark}.`]
  for (let size = 0; size < bytes; size += parts.at(-1)?.length ?? 1) parts.push(text.passage(80))
  const versionId = await upload(`${mark}.txt`, parts.join('\n\n').slice(0, bytes))
  const began = performance.now()
  for (;;) {
    const { rows } = await client.query(
      'SELECT 1 FROM document_versions WHERE id = $1 AND words_at IS NOT NULL',
      [versionId],
    )
    if (rows.length > 0) break
    await sleep(1)
  }
  const published = performance.now() - began
  while (!(await search(mark)).includes(versionId));
  const found = performance.now() - began
  // The next one starts with nothing under way.
  for (;;) {
    const { rows } = await client.query(
      "SELECT 1 FROM document_versions WHERE id = $1 AND stage = 'searchable'",
      [versionId],
    )
    if (rows.length > 0) return { published, found }
    await sleep(20)
  }
}
