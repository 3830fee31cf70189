// From the end of an upload's request to the first search that finds its text, through the real API, index process
// and ingest process.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { parseConfig } from '../../api/src/config.ts'
import { spawnIngest } from '../../api/test/ingest.ts'
import { sessionCookie } from '../../api/test/server.ts'
import { freePort } from '../../local/postgres.ts'
import { fillLibrary } from '../search/library.ts'
import { searchServer } from '../search/server.ts'
import type { TextMaker } from '../search/text.ts'

export interface WordsOptions {
  readonly passages: number
  readonly uploads: number
  readonly modelDir: string
  readonly generation: { readonly digest: string; readonly key: object }
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
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-bench-'))
  const secret = randomBytes(32).toString('hex')
  const port = await freePort()
  const env = {
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    MODEL_DIR: options.modelDir,
    AUTH_SECRET: secret,
    PORT: String(port),
    LOG_LEVEL: 'info',
  }
  await using server = await searchServer({ ...env, LOG_LEVEL: 'warn' })
  const config = parseConfig({ ...env, DATABASE_URL: server.databaseUrl })
  const { text, collectionIds } = await fillLibrary(server.databaseUrl, {
    passages: options.passages,
    generation: options.generation,
    userId: server.userId,
  })
  await server.start(text.question())
  const ingest = spawnIngest({ ...env, DATABASE_URL: server.databaseUrl })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const client = new pg.Client(server.databaseUrl)
  await client.connect()
  try {
    await ingest.ready()
    const token = await sessionToken(client, server.userId)
    const once = async (bytes: number) =>
      await uploadAndFind({
        bytes,
        text,
        url: `http://127.0.0.1:${port}/files?collection=${collectionIds[0]}`,
        headers: { cookie: sessionCookie(config, token), origin: config.publicUrl },
        client,
        search: (question) => server.search(question, agent),
      })
    for (let i = 0; i < 3; i++) await once(2_000)
    const small: Found[] = []
    const megabyte: Found[] = []
    for (let i = 0; i < options.uploads; i++) small.push(await once(2_000))
    for (let i = 0; i < 3; i++) megabyte.push(await once(1_000_000))
    return { small, megabyte }
  } finally {
    agent.destroy()
    await client.end()
    await ingest.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

async function sessionToken(client: pg.Client, userId: string): Promise<string> {
  const { rows } = await client.query<{ token: string }>('SELECT token FROM sessions WHERE user_id = $1', [
    userId,
  ])
  return rows[0]?.token ?? ''
}

interface Upload {
  readonly bytes: number
  readonly text: TextMaker
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly client: pg.Client
  readonly search: (question: string) => Promise<string>
}

let uploads = 0

/** Looks once a millisecond whether the words are published, then searches until they are found. */
async function uploadAndFind({ bytes, text, url, headers, client, search }: Upload): Promise<Found> {
  const mark = `zyx${(++uploads).toString(36)}${randomBytes(3).toString('hex')}`
  const parts: string[] = [`The mark of this text is ${mark}.`]
  for (let size = 0; size < bytes; size += parts.at(-1)?.length ?? 1) parts.push(text.passage(80))
  const body = parts.join('\n\n').slice(0, bytes)
  const response = await fetch(`${url}&name=${mark}.txt`, { method: 'PUT', headers, body })
  if (response.status !== 201) throw new Error(`upload: ${response.status} ${await response.text()}`)
  const began = performance.now()
  const { versionId } = (await response.json()) as { versionId: string }
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
