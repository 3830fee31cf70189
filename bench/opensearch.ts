// The OpenSearch engine alone, on real embeddings: what it finds against the exact nearest, without a filter and with
// filters that let about 6 % through, how long its searches take, what its index takes on disk and in memory, and how the
// event loop of the process that fills it fares meanwhile. One node, started and ended here; no database.
// `npm run bench -- opensearch [--passages=N] [--queries=N] [--shards=N] [--seconds=S]`: up to N passages, as many as are
// embedded after at most S seconds (opensearch/embeddings.ts keeps them for the next run).
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { Cluster } from '../api/src/index/engines/opensearch/cluster.ts'
import { Searcher } from '../api/src/index/engines/opensearch/search.ts'
import type { IndexFilter } from '../api/src/index/port.ts'
import { startOpenSearchNode } from '../api/test/opensearch-node.ts'
import { nodeFiles } from '../local/opensearch/node-files.ts'
import { type Bar, begin, finish, spread } from './harness.ts'
import { DIMENSIONS, embeddedTexts, embedQuestions, embedTexts } from './opensearch/embeddings.ts'
import { COLLECTIONS, collectionOf, documentOf, fillAlone } from './opensearch/fill.ts'
import { nearestOf } from './opensearch/nearest.ts'
import { sizeOf } from './opensearch/size.ts'
import { recall } from './scale/truth.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '100000' },
    queries: { type: 'string', default: '100' },
    shards: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '3600' },
  },
})
const TOP = 10
const run = begin('opensearch', ['@opensearch-project/opensearch', 'onnxruntime-node'])
const asked = Number(values.queries)
await embedTexts(Number(values.passages) + asked, Number(values.seconds))
const embedded = embeddedTexts()
// The last ones are not in the index: they are asked for.
const count = Math.min(Number(values.passages), embedded.texts.length - asked)
const texts = embedded.texts.slice(0, count)
const vectors = embedded.vectors.subarray(0, count * DIMENSIONS)
const questions = await embedQuestions(embedded.texts.slice(-asked))
if (count < 2_000) throw new Error(`${count} passages are too few for filters of 6 %: give it more --seconds`)
console.log(`${count} passages, ${questions.length} questions`)

const { java, classPath } = await nodeFiles((line) => console.log(line))
Object.assign(process.env, { OPENSEARCH_JAVA: java, OPENSEARCH_CLASS_PATH: classPath })
await using node = await startOpenSearchNode()
const cluster = new Cluster(node.url)
const delay = monitorEventLoopDelay({ resolution: 1 })
delay.enable()
const began = performance.now()
const known = await fillAlone(cluster, Number(values.shards), { texts, vectors })
const fillSeconds = (performance.now() - began) / 1000
delay.disable()
const delayMs = (share: number) => delay.percentile(share) / 1e6

/** Which passages each lets through, said twice: to the cluster, and to the exact search. */
const few = new Set([5, 17, 41])
const documents = Array.from({ length: documentOf(count - 1) }, (_, i) => i + 1).filter(
  (key) => key % 17 === 0,
)
const named = new Set(documents)
const all = Array.from({ length: COLLECTIONS }, (_, i) => i + 1)
const filters: { name: string; filter: IndexFilter; allowed: (passage: number) => boolean }[] = [
  { name: 'everything', filter: { kind: 'collections', keys: all }, allowed: () => true },
  {
    name: '3 of 50 collections',
    filter: { kind: 'collections', keys: [...few] },
    allowed: (passage) => few.has(collectionOf(passage)),
  },
  {
    name: 'every 17th document',
    filter: { kind: 'documents', keys: documents },
    allowed: (passage) => named.has(documentOf(passage)),
  },
]
const searcher = new Searcher(cluster)
const results = new Map<string, Awaited<ReturnType<typeof measure>>>()
// A JVM's first searches are slower than all others.
await measure(filters[0]?.filter ?? { kind: 'collections', keys: all }, () => true)
for (const { name, filter, allowed } of filters) {
  results.set(name, await measure(filter, allowed))
  console.log(`  ${name}: recall ${results.get(name)?.recallAt10.toFixed(4)}`)
}
const size = await sizeOf(cluster, known.index)
await cluster.close()

const recallOf = (name: string) => results.get(name)?.recallAt10 ?? 0
const bar = (name: string, limit: number): Bar => ({
  // The issue asks for 100,000: with fewer a bar that is met says less.
  bar: `recall@10 of ${count} real embeddings, ${name}`,
  ...{ value: recallOf(name), limit, unit: '', better: 'more' },
})
finish(
  run,
  {
    ...{ passages: count, questions: questions.length, shards: Number(values.shards), nodes: 1 },
    text: 'names and one-line descriptions of Debian packages; questions are descriptions that are not in the index',
    results: Object.fromEntries(results),
    fill: {
      ...{ seconds: fillSeconds, passagesPerSecond: count / fillSeconds },
      eventLoopDelayMs: { p50: delayMs(50), p99: delayMs(99), max: delay.max / 1e6 },
    },
    index: { ...size, diskBytesPerPassage: size.diskBytes / count },
  },
  [bar('everything', 0.98), bar('3 of 50 collections', 1), bar('every 17th document', 1)],
)

/** By meaning alone for recall, as people search for times; one question after the other. */
async function measure(filter: IndexFilter, allowed: (passage: number) => boolean) {
  const found: number[][] = []
  const right: number[][] = []
  const ms = { meaning: [] as number[], fused: [] as number[] }
  for (const { text, vector } of questions) {
    for (const method of ['meaning', 'fused'] as const) {
      const started = performance.now()
      const candidates = await searcher.search({ text, vector, filter, limit: TOP, method }, known)
      ms[method].push(performance.now() - started)
      if (method === 'meaning') found.push(candidates.slice(0, TOP).map(({ passageId }) => passageId))
    }
    right.push(nearestOf(vector, vectors, allowed, TOP))
  }
  const share = Array.from({ length: count }, (_, passage) => passage).filter(allowed).length / count
  return {
    ...{ share, recallAt10: recall(found, right) },
    searchMs: { meaning: spread(ms.meaning), fused: spread(ms.fused) },
  }
}
