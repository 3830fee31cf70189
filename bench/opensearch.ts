// Both engines on the same real embeddings, in one run: what each finds against the exact nearest, without a filter and
// with filters that let about 6 % through, and how long a search takes. Of OpenSearch also its index on disk and in
// memory, and what filling it, as `npm run engine -- switch` does, costs the embedded engine's searches meanwhile.
// A PostgreSQL and a cluster of its own, started and ended here.
// `npm run bench -- opensearch [--passages=N] [--queries=N] [--shards=N] [--nodes=1|3] [--seconds=S]`: up to N passages, as
// many as are embedded after at most S seconds (opensearch/embeddings.ts keeps them for the next run).
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import type { Pool } from '../api/src/database/pool.ts'
import { readAddress } from '../api/src/index/engines/opensearch/address.ts'
import { Cluster } from '../api/src/index/engines/opensearch/cluster.ts'
import { searchedIndex } from '../api/src/index/engines/opensearch/mapping.ts'
import { startOpenSearchIndex } from '../api/src/index/engines/opensearch/opensearch.ts'
import type { Index, IndexFilter } from '../api/src/index/port.ts'
import { startOpenSearchCluster, startOpenSearchNode } from '../api/test/opensearch-node.ts'
import { type Bar, begin, type Figure, finish, spread } from './harness.ts'
import { DIMENSIONS, embeddedTexts, embedQuestions, embedTexts } from './opensearch/embeddings.ts'
import { nearestOf } from './opensearch/nearest.ts'
import { prepareNodes } from './opensearch/nodes.ts'
import { sizeOf } from './opensearch/size.ts'
import { passagesAlone } from './scale/passages.ts'
import { measuredIndex } from './scale/server.ts'
import { recall } from './scale/truth.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '100000' },
    queries: { type: 'string', default: '300' },
    shards: { type: 'string', default: '3' },
    nodes: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '3600' },
  },
})
const TOP = 10
/** Collections with about as many passages each; three of them are 6 %. */
const COLLECTIONS = 50
const nodes = Number(values.nodes)
const shards = Number(values.shards)
const name = nodes === 1 ? 'opensearch' : `opensearch-${nodes}-nodes`
const run = begin(name, ['@opensearch-project/opensearch', 'faiss-node', 'onnxruntime-node'])
const asked = Number(values.queries)
await embedTexts(Number(values.passages) + asked, Number(values.seconds))
const embedded = embeddedTexts()
const count = Math.min(Number(values.passages), embedded.texts.length - asked)
const vectors = embedded.vectors.subarray(0, count * DIMENSIONS)
// The next ones are not in the index: they are asked for.
const questions = await embedQuestions(embedded.texts.slice(count, count + asked))
if (count < 2_000) throw new Error(`${count} passages are too few for filters of 6 %: give it more --seconds`)
console.log(`${count} passages, ${questions.length} questions`)

await using stack = new AsyncDisposableStack()
await prepareNodes()
const servers = stack.use(await (nodes === 1 ? startOpenSearchNode() : startOpenSearchCluster(nodes)))
const real = { texts: embedded.texts.slice(0, count), vectors }
const library = { collections: COLLECTIONS, perDocument: 20, real }
const { pool, configOf } = await passagesAlone(count, stack, library)
const places = await placesOf(pool)
const faiss = stack.use(await measuredIndex(configOf('a'), pool))
await faiss.settled()

/** Which passages each lets through, said twice: to the engines, and to the exact search. */
const collections = [...new Set(places.map(({ collection }) => collection))].sort((a, b) => a - b)
const few = new Set([5, 17, 41].flatMap((n) => collections[n] ?? []))
const documents = [...new Set(places.map(({ document }) => document))]
const named = new Set(documents.filter((_, i) => i % 17 === 5))
const filters: { name: string; filter: IndexFilter; allowed: (passage: number) => boolean }[] = [
  { name: 'everything', filter: { kind: 'collections', keys: collections }, allowed: () => true },
  {
    name: '3 of 50 collections',
    filter: { kind: 'collections', keys: [...few] },
    allowed: (passage) => few.has(places[passage]?.collection ?? 0),
  },
  {
    name: 'every 17th document',
    filter: { kind: 'documents', keys: [...named] },
    allowed: (passage) => named.has(places[passage]?.document ?? 0),
  },
]
const [everything] = filters
if (everything === undefined) throw new Error('there is always a filter')

console.log('filling OpenSearch while the embedded engine is asked')
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const began = performance.now()
const cluster = startOpenSearchIndex(configOf('a'), servers.url, pino({ level: 'warn' }), { shards })
stack.defer(() => cluster.close())
const beside: number[] = []
while (!cluster.status().ready) {
  for (const { text, vector } of questions.slice(0, 5)) {
    const started = performance.now()
    await faiss.index.search({ text, vector, filter: everything.filter, limit: TOP })
    beside.push(performance.now() - started)
  }
  await sleep(200)
}
const fillSeconds = (performance.now() - began) / 1000
delay.disable()
const delayMs = (share: number) => delay.percentile(share) / 1e6
console.log(`filled in ${fillSeconds.toFixed(0)} s`)

const engines: readonly (readonly [string, Index])[] = [
  ['embedded', faiss.index],
  ['opensearch', cluster],
]
// The first searches are slower than all others, of a JVM above all.
await measure(everything)
const results: Record<string, Figure> = {}
const recalls = new Map<string, number>()
for (const filter of filters) {
  const { share, byEngine } = await measure(filter)
  results[filter.name] = { share, ...byEngine }
  for (const [engine, { recallAt10 }] of Object.entries(byEngine)) {
    recalls.set(`${engine} ${filter.name}`, recallAt10)
    console.log(`  ${filter.name}, ${engine}: recall ${recallAt10.toFixed(4)}`)
  }
}
const client = new Cluster(servers.url)
const place = { alias: readAddress(servers.url).name, shards }
const size = await sizeOf(client, (await searchedIndex(client, place))?.name ?? '')
await client.close()

const bar = (filter: string, limit: number): Bar => ({
  bar: `OpenSearch: recall@10 of ${count} real embeddings, ${filter}`,
  ...{ value: recalls.get(`opensearch ${filter}`) ?? Number.NaN, limit, unit: '', better: 'more' },
})
finish(
  run,
  {
    ...{ passages: count, questions: questions.length, shards, nodes },
    text: 'names and one-line descriptions of Debian packages, words and meanings of WordNet; questions are what such a text says, of texts that are not in the index',
    results,
    fill: {
      ...{ seconds: fillSeconds, passagesPerSecond: count / fillSeconds },
      eventLoopDelayMs: { p50: delayMs(50), p99: delayMs(99), max: delay.max / 1e6 },
      embeddedSearchMsMeanwhile: spread(beside),
    },
    index: { ...size, diskBytesPerPassage: size.diskBytes / count },
  },
  [bar('everything', 0.98), bar('3 of 50 collections', 1), bar('every 17th document', 1)],
)

/** By meaning alone for recall, as people search for times; one question after the other, the engines by turns. */
async function measure({ filter, allowed }: (typeof filters)[number]) {
  const right = questions.map(({ vector }) => nearestOf(vector, vectors, allowed, TOP))
  const measured = engines.map(([engine, index]) => ({
    ...{ engine, index, found: [] as number[][] },
    ms: { meaning: [] as number[], fused: [] as number[] },
  }))
  const numbers = new Map(places.map(({ id }, n) => [id, n]))
  for (const { text, vector } of questions)
    for (const { index, found, ms } of measured)
      for (const method of ['meaning', 'fused'] as const) {
        const started = performance.now()
        const { candidates } = await index.search({ text, vector, filter, limit: TOP, method })
        ms[method].push(performance.now() - started)
        if (method === 'meaning') found.push(candidates.map(({ passageId }) => numbers.get(passageId) ?? -1))
      }
  return {
    share: places.filter((_, passage) => allowed(passage)).length / count,
    byEngine: Object.fromEntries(
      measured.map(({ engine, found, ms }) => [
        engine,
        {
          recallAt10: recall(found, right),
          searchMs: { meaning: spread(ms.meaning), fused: spread(ms.fused) },
        },
      ]),
    ),
  }
}

/** Where each passage is, by its number. */
async function placesOf(pool: Pool): Promise<{ id: number; document: number; collection: number }[]> {
  const { rows } = await pool.query<{ id: string; document: number; collection: number }>(
    `SELECT p.id, d.key AS document, c.key AS collection FROM passages p
     JOIN document_versions v ON v.id = p.version_id JOIN documents d ON d.id = v.document_id
     JOIN collections c ON c.id = d.collection_id ORDER BY p.id`,
  )
  return rows.map(({ id, ...place }) => ({ id: Number(id), ...place }))
}
