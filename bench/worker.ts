// What the model endpoint adds, on both ways to it: *direct*, as a page streams from it with its token, and *relayed*, as
// Terrace asks it and passes the answer on; beside the same scripted model asked without it (*bare*), turn by turn in one
// run. The deployed bundle runs in workerd; model, Terrace and PostgreSQL are processes of their own, this one is the client.
// `npm run bench -- worker [--answers=N] [--streams=N] [--aborts=N]`
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Bar, begin, cpuMs, finish, median, quantile, spread } from './harness.ts'
import { bare, type Model, startEndpoint } from './worker/endpoint.ts'
import { startModel } from './worker/model.ts'
import { createReader } from './worker/reader.ts'
import { startRelay } from './worker/relay.ts'

const { values } = parseArgs({
  options: {
    answers: { type: 'string', default: '400' },
    streams: { type: 'string', default: '10' },
    aborts: { type: 'string', default: '60' },
  },
})
const answers = Number(values.answers)
const streams = Number(values.streams)
const aborts = Number(values.aborts)
const WARM_UP = 50
const RELAY_WARM_UP = 10
const TOKENS_PER_STREAM = 200
/** A prompt with passages has about this size. */
const PROMPT = 'Terraces are described in the following passages. '.repeat(300)

const run = begin('worker', ['wrangler', 'workerd', 'jose', 'fastify', '@trpc/server', 'undici'])
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-worker-'))
const { figures, bars } = await measure().finally(() => rmSync(folder, { recursive: true, force: true }))
finish(run, figures, bars)

async function measure() {
  await using stack = new AsyncDisposableStack()
  const model = await startModel()
  stack.defer(() => model.close())
  const endpoint = stack.use(await startEndpoint(folder, model.port))
  const reader = createReader()
  stack.defer(() => reader.close())
  const asBare = (name: Model) => bare(model.port, name, PROMPT)
  const asPage = (name: Model) => endpoint.prepare(name, PROMPT)

  const cpuAtFirst = cpuMs(endpoint.pid)
  const first = { bare: [] as number[], direct: [] as number[] }
  for (let i = 0; i < WARM_UP + answers; i++) {
    const without = await reader.firstBytes(asBare('short'))
    const through = await reader.firstBytes(await asPage('short'))
    if (i < WARM_UP) continue
    first.bare.push(without)
    first.direct.push(through)
  }
  const cpuBefore = cpuMs(endpoint.pid)
  const fast = { bare: [] as number[], direct: [] as number[] }
  for (let i = 0; i < streams; i++) {
    fast.bare.push(...(await reader.ages(asBare('fast'))))
    fast.direct.push(...(await reader.ages(await asPage('fast'))))
  }
  const cpuPerToken = (cpuMs(endpoint.pid) - cpuBefore) / (streams * TOKENS_PER_STREAM)

  // The other way needs all of Terrace: it is started only now, so that what stands above has the machine to itself.
  const relay = stack.use(await startRelay(endpoint))
  const firstText: number[] = []
  const firstAge = { direct: [] as number[], relayed: [] as number[] }
  for (let i = 0; i < RELAY_WARM_UP + answers / 4; i++) {
    const direct = await reader.ages(await asPage('stamped'))
    const relayed = await relay.answer('stamped')
    if (i < RELAY_WARM_UP) continue
    firstAge.direct.push(...direct)
    firstAge.relayed.push(...relayed.ages)
    firstText.push(relayed.firstText)
  }
  const slow = { direct: [] as number[], relayed: [] as number[] }
  const merged: number[] = []
  for (let i = 0; i < streams / 2; i++) {
    slow.direct.push(...(await reader.ages(await asPage('slow'))))
    slow.relayed.push(...(await relay.answer('slow')).ages)
    merged.push(...(await relay.answer('fast')).ages)
  }
  const heard = { direct: [] as number[], relayed: [] as number[] }
  for (let i = 0; i < aborts; i++) {
    heard.direct.push(await reader.abort(await asPage('endless'), model))
    heard.relayed.push(await relay.stop(model))
  }

  const bars: Bar[] = [
    bar('added to the first token, p50', median(first.direct) - median(first.bare), 5, 'ms'),
    bar('added to each token, p50', median(fast.direct) - median(fast.bare), 1, 'ms'),
    bar('bundle', endpoint.bundleBytes / 1_000, 150, 'kB'),
    bar('direct: abort reaches the model, p95', quantile(heard.direct, 0.95), 100, 'ms'),
    bar('relayed: stop reaches the model, p95', quantile(heard.relayed, 0.95), 100, 'ms'),
  ]
  const figures = {
    promptBytes: PROMPT.length,
    firstTokenMs: { bare: spread(first.bare), direct: spread(first.direct) },
    tokenAgeMs: { bare: spread(fast.bare), direct: spread(fast.direct) },
    workerCpuMsPerShortAnswer: (cpuBefore - cpuAtFirst) / (WARM_UP + answers),
    workerCpuMsPerToken: cpuPerToken,
    /** From here on with all of Terrace running, the client included. */
    besideTerrace: {
      firstTokenAgeMs: { direct: spread(firstAge.direct), relayed: spread(firstAge.relayed) },
      tokenAgeAt15PerSecondMs: { direct: spread(slow.direct), relayed: spread(slow.relayed) },
      /** Frames leave at most every 50 ms: at this pace most tokens wait for theirs. */
      tokenAgeAt100PerSecondMs: { relayed: spread(merged) },
      questionToFirstTextMs: { relayed: spread(firstText) },
      abortToModelMs: { direct: spread(heard.direct), relayed: spread(heard.relayed) },
    },
  }
  return { figures, bars }
}

function bar(name: string, value: number, limit: number, unit: string): Bar {
  return { bar: name, value, limit, unit, better: 'less' }
}
