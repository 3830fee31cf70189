// Whether an import keeps anybody waiting: one small file from its upload to its words and to its meaning, alone and
// while a thousand files of another person wait, and the same for the importer's own next file. Besides, what a job's
// turn costs while up to 100,000 jobs wait. Options: --passages=N (in the library) --import=N --files=N (measured ones)
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { MODEL_DIR } from '../api/test/ingest.ts'
import { type Bar, begin, type Figure, finish, median, spread } from './harness.ts'
import { type Serving, startServing, type Upload } from './ingest/serving.ts'
import { measureTurns } from './lanes/cost.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '10000' },
    import: { type: 'string', default: '1000' },
    files: { type: 'string', default: '10' },
  },
})
const files = Number(values.files)
const imported = Number(values.import)
const FILE_BYTES = 2_000
/** A browser sends so many at once. */
const AT_ONCE = 2
let made = 0

interface Waited {
  /** Milliseconds from the end of the upload's request. */
  readonly words: number
  readonly searchable: number
  /** Files of the import that got so far meanwhile, and those that still waited for either at the end. */
  readonly wordsMeanwhile: number
  readonly searchableMeanwhile: number
  readonly left: number
}

const run = begin('lanes', ['fastify', 'onnxruntime-node', 'pg', 'pg-boss'])
console.log('what a turn costs')
const turns = await measureTurns([0, 1_000, 10_000, 100_000])
const { alone, other, own } = await measure()

async function measure() {
  await using serving = await startServing({ passages: Number(values.passages), modelDir: MODEL_DIR })
  const bob = await serving.uploadAs('bob')
  for (let i = 0; i < 3; i++) await one(serving, bob, [])
  console.log('one file at a time, nothing else waits')
  const alone: Waited[] = []
  for (let i = 0; i < files; i++) alone.push(await one(serving, bob, []))
  console.log(`${imported} files of another person`)
  const ids: string[] = []
  const other: Waited[] = []
  const own: Waited[] = []
  let left = imported
  const sender = async () => {
    while (left-- > 0) ids.push(await serving.upload(...file(serving), 'import'))
  }
  const sending = Promise.all(Array.from({ length: AT_ONCE }, sender))
  while (ids.length < imported / 4) await sleep(100)
  for (let i = 0; i < files; i++) {
    other.push(await one(serving, bob, ids))
    own.push(await one(serving, serving.upload, ids))
  }
  await sending
  await serving.settled()
  return { alone, other, own }
}

function file({ text }: Serving): [string, string] {
  const parts: string[] = [`File ${++made}.`]
  for (let size = 0; size < FILE_BYTES; size += parts.at(-1)?.length ?? 1) parts.push(text.passage(80))
  return [`file ${made}.txt`, parts.join('\n\n').slice(0, FILE_BYTES)]
}

/** Uploads a file, a drop of its own, and waits until it is searchable by meaning. */
async function one(serving: Serving, upload: Upload, ids: readonly string[]): Promise<Waited> {
  const [name, body] = file(serving)
  const versionId = await upload(name, body, name)
  const began = performance.now()
  const before = await reached(serving, ids)
  const words = await until(serving, versionId, 'words_at')
  const wordsAt = performance.now()
  const atWords = await reached(serving, ids)
  const searchable = await until(serving, versionId, 'searchable_at')
  const searchableAt = performance.now()
  const atSearchable = await reached(serving, ids)
  if (!words || !searchable) throw new Error(`${name} needs attention`)
  return {
    words: wordsAt - began,
    searchable: searchableAt - began,
    wordsMeanwhile: atWords.words - before.words,
    searchableMeanwhile: atSearchable.searchable - before.searchable,
    left: atSearchable.files - atSearchable.searchable,
  }
}

async function until(
  { client }: Serving,
  versionId: string,
  column: 'words_at' | 'searchable_at',
): Promise<boolean> {
  for (;;) {
    const { rows } = await client.query<{ there: boolean; bad: boolean }>(
      `SELECT ${column} IS NOT NULL AS there, stage = 'attention' AS bad FROM document_versions WHERE id = $1`,
      [versionId],
    )
    if (rows[0]?.there || rows[0]?.bad) return rows[0].there
    await sleep(2)
  }
}

async function reached({ client }: Serving, ids: readonly string[]) {
  const { rows } = await client.query<{ words: number; searchable: number }>(
    `SELECT count(words_at)::int AS words, count(searchable_at)::int AS searchable FROM document_versions WHERE id = ANY($1)`,
    [ids],
  )
  return { files: ids.length, words: rows[0]?.words ?? 0, searchable: rows[0]?.searchable ?? 0 }
}

const summary = (waited: readonly Waited[]): Record<string, Figure> => ({
  wordsMs: spread(waited.map(({ words }) => words)),
  searchableMs: spread(waited.map(({ searchable }) => searchable)),
  importedWordsMeanwhile: spread(waited.map(({ wordsMeanwhile }) => wordsMeanwhile)),
  importedSearchableMeanwhile: spread(waited.map(({ searchableMeanwhile }) => searchableMeanwhile)),
  importedLeftAtLeast: Math.min(...waited.map(({ left }) => left)),
})
const ratio = (waited: readonly Waited[], of: 'words' | 'searchable') =>
  median(waited.map((each) => each[of])) / median(alone.map((each) => each[of]))
const most = (waited: readonly Waited[]) =>
  Math.max(...waited.map(({ searchableMeanwhile }) => searchableMeanwhile))
const dearest = turns.map(({ withTurn, without }) => withTurn.p50 / without.p50)
const bars: Bar[] = [
  {
    bar: `files of the import of ${imported} that are searchable before another person's next one, most`,
    value: most(other),
    limit: 20,
    unit: 'files',
    better: 'less',
  },
  {
    bar: "files of the import that are searchable before its own person's next one, most",
    value: most(own),
    limit: 20,
    unit: 'files',
    better: 'less',
  },
  {
    bar: 'a job with a turn while 100,000 wait, times one while none waits (each beside a job without), p50',
    value: (dearest.at(-1) ?? Number.NaN) / (dearest[0] ?? Number.NaN),
    limit: 1.5,
    unit: '×',
    better: 'less',
  },
]
const figures: Record<string, Figure> = {
  alone: { wordsMs: summary(alone).wordsMs ?? null, searchableMs: summary(alone).searchableMs ?? null },
  behindImport: {
    ...summary(other),
    wordsTimesAlone: ratio(other, 'words'),
    searchableTimesAlone: ratio(other, 'searchable'),
  },
  behindOwnImport: {
    ...summary(own),
    wordsTimesAlone: ratio(own, 'words'),
    searchableTimesAlone: ratio(own, 'searchable'),
  },
  turns: Object.fromEntries(
    turns.map(({ waiting, ...cost }) => [
      `${waiting}Waiting`,
      { sentMs: cost.withTurn, sentWithoutMs: cost.without, fetchedMs: cost.fetch },
    ]),
  ),
}
finish(run, figures, bars)
