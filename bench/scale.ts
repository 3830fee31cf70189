// The index alone at 100,000, 300,000 and 1,000,000 passages of 384 dimensions: searches one by one and in batches, what
// it finds against the definition, memory, disk, building, a new server from a shared checkpoint, adding while searching.
// In the same run: one thread summing the same floats, hashing the same bytes, FAISS reading the same files.
// Options: --sizes=100000,300000,1000000 --queries=N
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { Config } from '../api/src/config.ts'
import type { Pool } from '../api/src/database/pool.ts'
import type { IndexQuery } from '../api/src/index/port.ts'
import { type Bar, begin, type Figure, finish, median, quantile, spread } from './harness.ts'
import { addDocuments } from './scale/adding.ts'
import { DIMENSIONS, passagesAlone } from './scale/passages.ts'
import { atOnce, checkpointSize, hashOnce, measuredIndex, oneByOne } from './scale/server.ts'
import { sumFloats } from './scale/sum.ts'
import { nearestByDefinition, recall } from './scale/truth.ts'
import { underNativeEnvironment } from './search/bare-faiss.ts'
import { clusteredVectors } from './search/library.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '100000,300000,1000000' },
    queries: { type: 'string', default: '300' },
  },
})
const BATCH = 20
const TRUTH = 20
const ADDED = 10_000

const run = begin('scale', ['faiss-node', 'pg'])
const figures: Record<string, Figure> = {}
const bars: Bar[] = []
for (const size of values.sizes.split(',').map(Number)) {
  await at(size)
  // After each: who stops it early keeps what was measured.
  finish(run, figures, bars)
}

async function at(size: number): Promise<void> {
  await using stack = new AsyncDisposableStack()
  console.log(`${size}: making the passages`)
  const { folder, pool, configOf, text } = await passagesAlone(size, stack)
  console.log(`${size}: building from the tables`)
  const config = configOf('a')
  const a = stack.use(await measuredIndex(config, pool))
  let peak = 0
  const sampler = setInterval(() => {
    peak = Math.max(peak, a.memory().bytes)
  }, 250)
  await a.settled()
  clearInterval(sampler)
  const checkpoint = checkpointSize(config.indexDir)
  const steady = a.memory().bytes

  console.log(`${size}: searching`)
  const filters = await filtersOf(pool)
  const vectors = Array.from(clusteredVectors(Number(values.queries), DIMENSIONS, 3), ([, vector]) =>
    vector.slice(),
  )
  const ask = (filter: IndexQuery['filter'], words: boolean) =>
    vectors.map((vector): IndexQuery => ({ text: words ? text.question() : '', vector, limit: 10, filter }))
  await oneByOne(a.index, ask(filters.everything, true).slice(0, 50))
  const vectorsOnly = await oneByOne(a.index, ask(filters.everything, false))
  const alone = await oneByOne(a.index, ask(filters.everything, true))
  const few = await oneByOne(a.index, ask(filters.few, true))
  const batches = await atOnce(
    a.index,
    [...ask(filters.everything, true), ...ask(filters.everything, true)],
    BATCH,
  )

  console.log(`${size}: against the definition`)
  const asked = vectors.slice(0, TRUTH)
  const right = nearestByDefinition(asked, size, DIMENSIONS, 10)
  const nearest = async (filter: IndexQuery['filter']) => {
    const found: number[][] = []
    for (const vector of asked) {
      const { candidates } = await a.index.search({ text: '', vector, limit: 10, filter })
      found.push(candidates.map(({ passageId }) => passageId - filters.firstId))
    }
    return found
  }
  const allRight = recall(await nearest(filters.everything), right)
  const fewRight = recall(
    await nearest(filters.few),
    await nearestOf(pool, asked, filters.fewIds, filters.firstId),
  )

  console.log(`${size}: a new server`)
  const bytes = checkpointSize(config.indexDir)
  const bare = JSON.parse(
    underNativeEnvironment(
      [path.join(import.meta.dirname, 'scale/bare.ts'), ...bytes.files.slice(1)],
      'pipe',
    ),
  ) as { readMs: number; searchMs: number[] }
  const hashMs = await hashOnce(bytes.files)
  await sharedThere(path.join(folder, 'storage/blobs/index/manifests'))
  const b = await newServer(configOf('b'), pool)
  console.log(`${size}: adding while searching`)
  const adding = addDocuments(pool, ADDED, text)
  const during: number[] = []
  while (!adding.done()) during.push(...(await oneByOne(a.index, ask(filters.everything, true).slice(0, 20))))
  const addedMs = await adding.finished

  const sums = sumFloats(size * DIMENSIONS)

  figures[`at${size}`] = {
    searchMs: { alone: tail(alone), meaningOnly: tail(vectorsOnly), onePercentVisible: tail(few) },
    batchesOf20: { ms: tail(batches.ms), perSecond: batches.perSecond },
    bareFaissMs: spread(bare.searchMs),
    sumOfTheFloatsMs: spread(sums),
    recallAt10: { everything: allRight, onePercentVisible: fewRight, queries: TRUTH },
    adding: { documents: ADDED, ms: addedMs, searchMs: tail(during) },
    buildMs: a.readyMs,
    newServerMs: { ready: b.readyMs, hashOnce: hashMs, faissReadOnce: bare.readMs },
    bytesPerPassage: { checkpoint: checkpoint.bytes / size, memory: steady / size },
    memoryMb: {
      ...{ steady: steady / 2 ** 20, whileReplaced: peak / 2 ** 20 },
      ...{ vectors: checkpoint.vectorBytes / 2 ** 20, postings: checkpoint.postingBytes / 2 ** 20 },
    },
  }
  const held = checkpoint.vectorBytes + checkpoint.postingBytes
  bars.push(
    bar(
      `${size}: FAISS scan over one thread's sum of the floats`,
      median(bare.searchMs) / median(sums),
      1.3,
      '×',
    ),
    bar(`${size}: p99 alone`, quantile(alone, 0.99), 100, 'ms'),
    { ...bar(`${size}: recall@10`, allRight, 1, ''), better: 'more' },
    { ...bar(`${size}: recall@10, 1 % visible`, fewRight, 1, ''), better: 'more' },
    bar(`${size}: p50 with 1 % visible over all visible`, median(few) / median(alone), 1.05, '×'),
    bar(`${size}: p99 while adding over p99`, quantile(during, 0.99) / quantile(alone, 0.99), 2, '×'),
    bar(`${size}: new server over hashing and reading once`, b.readyMs / (hashMs + bare.readMs), 1.3, '×'),
    bar(`${size}: memory over vectors and postings`, steady / held, 1.25, '×'),
    bar(`${size}: memory while it is replaced`, peak / held, 2.2, '×'),
  )
  if (size === 1_000_000) bars.push(bar(`${size}: new server ready`, b.readyMs / 1000, 60, 's'))
}

/** Until the builder has put its checkpoint where others take it from. */
async function sharedThere(manifests: string): Promise<void> {
  while (!existsSync(manifests) || !readdirSync(manifests).some((name) => name.endsWith('.json')))
    await sleep(100)
}

/** From nothing on its own disk. It is gone again before anything else is measured. */
async function newServer(config: Config, pool: Pool): Promise<{ readyMs: number }> {
  await using server = await measuredIndex(config, pool)
  if (!server.tookShared) throw new Error('the new server did not begin with a shared checkpoint')
  return { readyMs: server.readyMs }
}

function bar(name: string, value: number, limit: number, unit: string): Bar {
  return { bar: name, value, limit, unit, better: 'less' }
}

function tail(ms: readonly number[]) {
  return { p50: quantile(ms, 0.5), p95: quantile(ms, 0.95), p99: quantile(ms, 0.99), n: ms.length }
}

/** Everything; every hundredth document, and the numbers (from 0) of its passages. */
async function filtersOf(pool: Pool) {
  const { rows: collections } = await pool.query<{ key: number }>('SELECT key FROM collections')
  const { rows: documents } = await pool.query<{ key: number }>(
    'SELECT key FROM documents WHERE key % 100 = 7',
  )
  const keys = documents.map(({ key }) => key)
  const { rows: first } = await pool.query<{ id: string }>('SELECT min(id) AS id FROM passages')
  const { rows: ids } = await pool.query<{ id: string }>(
    `SELECT p.id FROM passages p JOIN documents d ON d.current_version_id = p.version_id WHERE d.key = ANY($1::int[])`,
    [keys],
  )
  const firstId = Number(first[0]?.id)
  return {
    firstId,
    everything: { kind: 'collections' as const, keys: collections.map(({ key }) => key) },
    few: { kind: 'documents' as const, keys },
    fewIds: ids.map(({ id }) => Number(id) - firstId),
  }
}

/** The ten nearest of a few passages, from their rows. */
async function nearestOf(
  pool: Pool,
  queries: readonly Float32Array[],
  numbers: readonly number[],
  firstId: number,
) {
  const { rows } = await pool.query<{ id: string; vector: Buffer }>(
    'SELECT passage_id AS id, vector FROM passage_vectors WHERE passage_id = ANY($1::bigint[])',
    [numbers.map((number) => number + firstId)],
  )
  const vectors = rows.map(({ id, vector }) => ({
    number: Number(id) - firstId,
    vector: new Float32Array(new Uint8Array(vector).buffer),
  }))
  return queries.map((query) =>
    vectors
      .map(({ number, vector }) => ({
        number,
        score: vector.reduce((sum, x, d) => sum + x * (query[d] ?? 0), 0),
      }))
      .sort((a, b) => b.score - a.score)
      .slice(0, 10)
      .map(({ number }) => number),
  )
}
