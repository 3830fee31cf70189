// How soon other servers see what one has published: two API processes, one of which reads through a replica 1 s
// behind. Documents are uploaded to the first; somebody else, who was told nothing of them, asks the second again and
// again for a word that only the new one has. From the publication's entry in the log (the beginning of its
// transaction) to the answer that has it. Options: --passages=N (in the library) --publications=N --engine=opensearch
// (in a cluster of its own, of --nodes=N, three by default)
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startApi, until } from '../api/test/api-process.ts'
import { MODEL_DIR, spawnIngest } from '../api/test/ingest.ts'
import { startOpenSearchCluster } from '../api/test/opensearch-node.ts'
import { replicatedPostgres } from '../api/test/replica.ts'
import { client, type Person, person } from '../api/test/server.ts'
import { type Bar, begin, finish, quantile, spread } from './harness.ts'
import { generationOf } from './ingest/serving.ts'
import { prepareNodes } from './opensearch/nodes.ts'
import { fillLibrary } from './search/library.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '10000' },
    publications: { type: 'string', default: '200' },
    engine: { type: 'string', default: 'embedded' },
    nodes: { type: 'string', default: '3' },
  },
})
const publications = Number(values.publications)
const BEHIND_S = 1
const SECRET = 'a-benchmark-that-signs-its-own-cookies-0123456789'
/** The last part of a document's word: what the stemmer leaves alone. */
const LETTERS = 'bdfgklmnpqrtvwxz'

interface Seen {
  /** Milliseconds from the log's entry to the answer. */
  readonly words: number
  readonly vectors: number
  readonly searches: number
}

const inCluster = values.engine === 'opensearch'
const run = begin(inCluster ? 'propagation-opensearch' : 'propagation', ['fastify', 'pg'])
const { seen, searches } = await measure()
const words = seen.map((each) => each.words)
const vectors = seen.map((each) => each.vectors)
const bar = (name: string, ms: readonly number[]): Bar => ({
  bar: `${name}, p99 of ${publications}`,
  value: quantile(ms, 0.99),
  limit: 2_000,
  unit: 'ms',
  better: 'less',
})
const figures = (ms: readonly number[]) => ({ ...spread(ms), p99: quantile(ms, 0.99) })
finish(
  run,
  {
    publications,
    ...(inCluster ? { nodes: Number(values.nodes) } : {}),
    replicaBehindS: BEHIND_S,
    byWordsMs: figures(words),
    byMeaningMs: figures(vectors),
    /** What a figure can't be finer than: one search follows the other. */
    searchMs: spread(searches),
    searchesPerPublication: spread(seen.map((each) => each.searches)),
  },
  [bar('found by its words on the other server', words), bar('by its meaning', vectors)],
)

async function measure() {
  await using stack = new AsyncDisposableStack()
  const postgres = stack.use(await replicatedPostgres())
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-bench-'))
  chmodSync(home, 0o755)
  stack.defer(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))
  const { db } = postgres
  const env = {
    DATABASE_URL: db.url,
    STORAGE: `file:${home}/storage`,
    INDEX_CHECKPOINTS: 'shared',
    MODEL_DIR,
    AUTH_SECRET: SECRET,
    LOG_LEVEL: 'warn',
    ...(inCluster ? await clusterFor(stack) : {}),
  }
  const config = db.config(home, env)
  const owner = await person('', config, db, {})
  const other = await person('', config, db, {})
  const { collectionIds, text } = await fillLibrary(postgres.primary.url('terrace'), {
    ...{ passages: Number(values.passages), generation: await generationOf(MODEL_DIR) },
    userId: owner.viewer.userId,
  })
  const collection = collectionIds[0] ?? ''
  await db.pool.query(
    `INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'viewer')`,
    [collection, other.viewer.userId],
  )
  await postgres.caughtUp()
  await postgres.lag(BEHIND_S)
  const first = stack.use(await startApi(env))
  const second = stack.use(await startApi({ ...env, DATABASE_REPLICA_URL: postgres.replica.url('terrace') }))
  for (const api of [first, second]) await until(api, ({ body }) => body.ready)
  // It says at this level that it is ready.
  const ingest = spawnIngest({ ...env, TERRACE_HOME: path.join(home, 'ingest'), LOG_LEVEL: 'info' })
  stack.defer(async () => {
    await ingest.kill('SIGKILL')
  })
  await ingest.ready()
  const uploader: Pick<Person, 'fetch'> = client(first.url, config, owner.cookie)
  const searcher = client(second.url, config, other.cookie).api

  const upload = async (name: string, body: string) => {
    const query = new URLSearchParams({ collection, name })
    const response = await uploader.fetch(`/files?${query}`, { method: 'PUT', body })
    if (response.status !== 201) throw new Error(`upload: ${response.status} ${await response.text()}`)
    return ((await response.json()) as { versionId: string }).versionId
  }
  const searches: number[] = []
  /** Searches until the version is found, by meaning too if that is what is asked. @returns when, by the clock */
  const found = async (versionId: string, query: string, byMeaning: boolean) => {
    for (let times = 1; ; times++) {
      const began = performance.now()
      const result = await searcher.search.passages.query({ query })
      searches.push(performance.now() - began)
      const hit = result.passages.find((each) => each.versionId === versionId)
      if (hit !== undefined && !(byMeaning && hit.withoutVector)) return { at: Date.now(), times }
    }
  }
  const entered = async (versionId: string, op: string) => {
    for (;;) {
      const { rows } = await db.pool.query<{ at: Date }>(
        'SELECT at FROM index_log WHERE version_id = $1 AND op = $2',
        [versionId, op],
      )
      if (rows[0] !== undefined) return rows[0].at.getTime()
      await sleep(2)
    }
  }

  const seen: Seen[] = []
  for (let n = 0; n < publications + 5; n++) {
    const word = `zq${[n & 15, (n >> 4) & 15, (n >> 8) & 15].map((at) => LETTERS[at]).join('')}x`
    const versionId = await upload(`${word}.txt`, `The ${word} of the day. ${text.passage(80)}`)
    const byWords = await found(versionId, `What is the ${word}?`, false)
    const byMeaning = await found(versionId, `What is the ${word}?`, true)
    // The first few find everything cold.
    if (n < 5) continue
    seen.push({
      words: byWords.at - (await entered(versionId, 'publish-words')),
      vectors: byMeaning.at - (await entered(versionId, 'publish-vectors')),
      searches: byWords.times + byMeaning.times,
    })
    if (seen.length % 50 === 0) console.log(`${seen.length} of ${publications}`)
  }
  return { seen, searches }
}

/** What a server is told of a cluster that is started here, and ends with the stack. */
async function clusterFor(stack: AsyncDisposableStack): Promise<Record<string, string>> {
  await prepareNodes()
  const cluster = stack.use(await startOpenSearchCluster(Number(values.nodes)))
  return { INDEX_ENGINE: 'opensearch', OPENSEARCH_URL: cluster.url }
}
