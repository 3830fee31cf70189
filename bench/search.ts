// Searches through tRPC over HTTP at 100,000 passages of 384 dimensions: distinct questions, no result cache, words,
// meaning and permissions included. Generator and PostgreSQL share the cores; their CPU is stated apart. In the same
// run: the bare embedder and bare FAISS.
// Options: --passages=N --questions=N (at one connection) --growth=N (for memory; 0 skips it)
import { Agent } from 'node:http'
import { parseArgs } from 'node:util'
import { parseConfig } from '../api/src/config.ts'
import { createLog } from '../api/src/log.ts'
import { startEmbedder } from '../api/src/models/embedder.ts'
import { generationDigest } from '../api/src/models/generation.ts'
import { type Bar, begin, finish, quantile, spread } from './harness.ts'
import { bareFaiss } from './search/bare-faiss.ts'
import { fillLibrary } from './search/library.ts'
import { type Cpu, type SearchServer, searchServer } from './search/server.ts'
import type { TextMaker } from './search/text.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '100000' },
    questions: { type: 'string', default: '1500' },
    growth: { type: 'string', default: '10000' },
  },
})
const passages = Number(values.passages)
const count = Number(values.questions)
const growth = Number(values.growth)
const CROWD = 32

const run = begin('search', ['fastify', '@trpc/server', 'faiss-node', 'onnxruntime-node', 'pg'])
await using server = await searchServer()

const config = parseConfig({
  ...{ DATABASE_URL: server.databaseUrl, STORAGE: 'file:/nowhere', AUTH_SECRET: 'x'.repeat(32) },
  MODEL_DIR: process.env.MODEL_DIR ?? '.native/models',
})
const embedder = await startEmbedder(config, { threads: 1, log: createLog(config, 'bench') })
if (embedder === null) throw new Error('no embedder weights: npm run models')

console.log(`making ${passages} passages`)
const { text } = await fillLibrary(server.databaseUrl, {
  passages,
  generation: { digest: generationDigest(embedder.identity), key: embedder.identity },
  userId: server.userId,
})
const bareEmbedding = await measure(300, text, (question) => embedder.embed(question, 'query'))
await embedder.close()
const bare = bareFaiss(passages)

console.log('first start: from the tables')
const rebuilt = await server.start(text.question())
console.log(`second start: from a checkpoint`)
await checkpointWritten(server)
await server.stop()
const restarted = await server.start(text.question())

console.log('one connection')
const single = new Agent({ keepAlive: true, maxSockets: 1 })
await measure(200, text, (question) => server.search(question, single))
const alone = await measured(server, () =>
  measure(count, text, (question) => server.search(question, single)),
)

console.log(`${CROWD} connections`)
const many = new Agent({ keepAlive: true, maxSockets: CROWD })
await crowd(server, many, text, 200)
const together = await measured(server, () => crowd(server, many, text, count * 3))

const memory = growth > 0 ? await grow(server, single, text, growth) : null
single.destroy()
many.destroy()
await server.stop()

const perRequest = (cpu: Cpu, requests: number) => (cpu.api + cpu.index) / requests
const rate = (count * 3) / (together.ms / 1000)
const bars: Bar[] = [
  bar('CPU of API + index per search, alone', perRequest(alone.cpu, count), 18, 'ms'),
  bar('p50 at one connection', quantile(alone.result, 0.5), 19, 'ms'),
  bar('p95 at one connection', quantile(alone.result, 0.95), 26, 'ms'),
  bar(`CPU of API + index per search, ${CROWD} connections`, perRequest(together.cpu, count * 3), 12.5, 'ms'),
  { ...bar(`searches per second, ${CROWD} connections`, rate, 140, '1/s'), better: 'more' },
  bar('searching again after the API starts', restarted.searched, 3_000, 'ms'),
]
if (memory !== null)
  bars.push(
    bar('PSS of API + index, idle', memory.after / 2 ** 20, 800, 'MB'),
    bar('growth per question', (memory.after - memory.before) / growth, 2_048, 'bytes'),
  )
finish(
  run,
  {
    passages,
    bareEmbeddingMs: spread(bareEmbedding),
    bareFaissMs: bare,
    alone: { questions: count, ms: spread(alone.result), cpuPerSearch: each(alone.cpu, count) },
    crowd: {
      connections: CROWD,
      questions: count * 3,
      ms: spread(together.result),
      perSecond: rate,
      cpuPerSearch: each(together.cpu, count * 3),
    },
    startMs: { fromTables: rebuilt, fromCheckpoint: restarted },
    memoryMb: memory === null ? null : inMb(memory),
    replacements: memory?.replacements ?? null,
    aloneOverBare: perRequest(alone.cpu, count) / (quantile(bareEmbedding, 0.5) + bare.single),
  },
  bars,
)

function bar(name: string, value: number, limit: number, unit: string): Bar {
  return { bar: name, value, limit, unit, better: 'less' }
}

function each(cpu: Cpu, requests: number) {
  return Object.fromEntries(Object.entries(cpu).map(([name, ms]) => [name, ms / requests]))
}

function inMb({ before, after, peak, apiAfter, indexAfter }: Awaited<ReturnType<typeof grow>>) {
  const sizes = { before, after, peak, apiAfter, indexAfter }
  return Object.fromEntries(Object.entries(sizes).map(([name, bytes]) => [name, Math.round(bytes / 2 ** 20)]))
}

/** Milliseconds of each, one after the other. */
async function measure(
  times: number,
  { question }: TextMaker,
  work: (question: string) => Promise<unknown>,
): Promise<number[]> {
  const ms: number[] = []
  for (let i = 0; i < times; i++) {
    const asked = question()
    const began = performance.now()
    await work(asked)
    ms.push(performance.now() - began)
  }
  return ms
}

async function crowd(to: SearchServer, agent: Agent, maker: TextMaker, times: number): Promise<number[]> {
  let left = times
  const ms: number[] = []
  const one = async () => {
    while (left-- > 0) {
      const asked = maker.question()
      const began = performance.now()
      await to.search(asked, agent)
      ms.push(performance.now() - began)
    }
  }
  await Promise.all(Array.from({ length: CROWD }, one))
  return ms
}

async function measured<T>(of: SearchServer, work: () => Promise<T>) {
  const before = of.cpu()
  // An index process that is replaced takes what it used since it was last looked at with it.
  const sampler = setInterval(() => of.cpu(), 500)
  const began = performance.now()
  const result = await work()
  const ms = performance.now() - began
  clearInterval(sampler)
  const after = of.cpu()
  const cpu: Cpu = {
    api: after.api - before.api,
    index: after.index - before.index,
    postgres: after.postgres - before.postgres,
    generator: after.generator - before.generator,
  }
  return { result, ms, cpu }
}

/** Proportional set size before and after that many questions, and the most seen on the way. */
async function grow(of: SearchServer, agent: Agent, maker: TextMaker, questions: number) {
  console.log(`${questions} questions more, for memory`)
  const size = () => {
    const { api, index, pids } = of.memory()
    for (const pid of pids) seen.add(pid)
    return { total: api + index, api, index }
  }
  const seen = new Set<number>()
  const before = size()
  let peak = before.total
  const sampler = setInterval(() => {
    peak = Math.max(peak, size().total)
  }, 250)
  await measure(questions, maker, (question) => of.search(question, agent))
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  clearInterval(sampler)
  const after = size()
  return {
    ...{ before: before.total, after: after.total, peak, apiAfter: after.api, indexAfter: after.index },
    replacements: seen.size - 1,
  }
}

/** The first checkpoint after a rebuild makes the process be replaced: when that is over, it is written. */
async function checkpointWritten(of: SearchServer): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 15_000))
  while (of.memory().pids.length > 1) await new Promise((resolve) => setTimeout(resolve, 500))
}
