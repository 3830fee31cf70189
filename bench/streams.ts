// How many answers one API process streams while it saves them, against a bare tRPC subscription server on the same
// machine in the same run; how old a token is when it arrives.
// `npm run bench -- streams [--quick]`. Takes about eight minutes. PostgreSQL, the scripted model and the clients share
// the cores with what is measured; their CPU is stated apart.
import { type ChildProcess, fork } from 'node:child_process'
import path from 'node:path'
import { type Bar, begin, cpuMs, type Figure, finish, quantile, ROOT, type Run, spread } from './harness.ts'
import type { Measured, Target } from './streams/clients.ts'
import { type Product, startProduct } from './streams/product.ts'

const quick = process.argv.includes('--quick')
const RATE = 20
const GAP_MS = 150
/** A server holds its streams when gaps stay below the bar and nearly all tokens arrive in time. */
const SHARE = 0.95
const WINDOW = quick ? 3_000 : 6_000

interface Probe {
  readonly streams: number
  readonly measured: Measured
  /** Of one core, in the window. */
  readonly serverCpu: number
  readonly postgresCpu: number | null
  readonly modelCpu: number | null
}

const holds = ({ measured }: Probe) =>
  (measured.gaps[1] ?? 0) <= GAP_MS &&
  measured.tokens / measured.seconds / measured.streams >= RATE * SHARE &&
  measured.lost === 0

/** Measures `targets` with a client process of its own; `during` runs at the window's start and end. */
async function measure(targets: readonly Target[], rampMs: number, pids: Record<string, number>) {
  const client = fork(path.join(ROOT, 'bench/streams/clients.ts'), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const settleMs = 3_000
  const used: Record<string, number> = {}
  const read = (sign: 1 | -1) => {
    for (const [name, pid] of Object.entries(pids)) used[name] = (used[name] ?? 0) + sign * cpuOf(pid)
  }
  const measured = new Promise<Measured>((resolve) =>
    client.once('message', (message) => resolve(message as Measured)),
  )
  client.send({ targets, options: { rampMs, settleMs, windowMs: WINDOW } })
  setTimeout(() => read(-1), rampMs + settleMs)
  setTimeout(() => read(1), rampMs + settleMs + WINDOW)
  const result = await measured
  client.disconnect()
  return { measured: result, cpu: (name: string) => Math.round((100 * (used[name] ?? 0)) / WINDOW) / 100 }
}

/** CPU of a process and, for PostgreSQL, of what it forks. */
function cpuOf(pid: number): number {
  try {
    return cpuMs(pid)
  } catch {
    return 0
  }
}

async function bareProbe(mode: 'trpc' | 'written' | 'sse', streams: number): Promise<Probe> {
  const server = fork(path.join(ROOT, 'bench/streams/bare.ts'), [mode, String(RATE)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const { port } = await new Promise<{ port: number }>((resolve) =>
    server.once('message', (message) => resolve(message as { port: number })),
  )
  const input = encodeURIComponent(JSON.stringify({ json: { id: 'x' } }))
  const targets = Array.from({ length: streams }, () => ({
    port,
    path: mode === 'sse' ? '/' : `/trpc/watch?input=${input}`,
  }))
  const { measured, cpu } = await measure(targets, 2_000, { server: server.pid ?? 0 })
  server.disconnect()
  await gone(server)
  return { streams, measured, serverCpu: cpu('server'), postgresCpu: null, modelCpu: null }
}

async function productProbe(product: Product, streams: number): Promise<Probe> {
  // The model holds its first token until all have asked and are watched: what asking costs is not what is measured.
  const ramp = 2_000
  const knobs = { rate: RATE, stamp: true, tokens: (ramp / 1_000 + 60) * RATE }
  await product.model({ ...knobs, hold: true })
  const asked = await product.ask(streams)
  const released = setTimeout(() => void product.model(knobs), ramp)
  const { measured, cpu } = await measure(
    asked.map(({ target }) => target),
    ramp,
    product.pids(),
  )
  clearTimeout(released)
  const postgres = Object.keys(product.pids()).filter((name) => name.startsWith('postgres'))
  await product.stop(asked)
  return {
    streams,
    measured,
    serverCpu: cpu('api'),
    postgresCpu: postgres.reduce((sum, name) => sum + cpu(name), 0),
    modelCpu: cpu('model'),
  }
}

/** The largest number of streams that holds, to within `step`. */
async function bisect(probe: (streams: number) => Promise<Probe>, from: number, to: number, step: number) {
  const probes: Probe[] = []
  let low = 0
  let high = to
  let next = from
  while (high - low > step) {
    const result = await probe(next)
    probes.push(result)
    console.log(`  ${describe(result)}`)
    if (holds(result)) low = next
    else high = next
    next = Math.round((low + high) / 2 / step) * step
    if (next === low || next === high) break
  }
  return { most: low, probes }
}

function perSecondEach({ measured, streams }: Probe): number {
  return measured.tokens / measured.seconds / streams
}

function describe({ streams, measured, serverCpu, postgresCpu, modelCpu }: Probe): string {
  return `${streams} streams: ${(measured.tokens / measured.seconds / streams).toFixed(1)} tokens/s each, gaps ${measured.gaps.join('/')} ms, ages ${measured.ages.join('/')} ms, server ${serverCpu.toFixed(2)} cores, clients ${(measured.cpuMs / 1_000 / measured.seconds).toFixed(2)}, PostgreSQL ${postgresCpu?.toFixed(2) ?? '-'}, model ${modelCpu?.toFixed(2) ?? '-'}`
}

const figures = (probe: Probe): Record<string, Figure> => ({
  streams: probe.streams,
  tokensPerSecondEach: probe.measured.tokens / probe.measured.seconds / probe.streams,
  framesPerSecond: probe.measured.frames / probe.measured.seconds,
  gapMsP50P95P99Max: probe.measured.gaps,
  tokenAgeMsP50P95P99Max: probe.measured.ages,
  serverCores: probe.serverCpu,
  microsecondsPerToken: (probe.serverCpu * 1e6) / (probe.measured.tokens / probe.measured.seconds),
  clientCores: probe.measured.cpuMs / 1_000 / probe.measured.seconds,
  postgresCores: probe.postgresCpu,
  modelCores: probe.modelCpu,
})

function gone(child: ChildProcess): Promise<unknown> {
  return child.exitCode !== null ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve))
}

const run: Run = begin('streams', ['@trpc/server', 'fastify', 'pg', 'undici', '@ai-sdk/openai-compatible'])
const step = quick ? 200 : 50
console.log('a bare tRPC subscription server:')
const bare = await bisect((streams) => bareProbe('trpc', streams), 500, 1_400, step)
console.log('the same, written by http/subscriptions.ts:')
const written = await bareProbe('written', 1_000)
console.log(`  ${describe(written)}`)
console.log('the API:')
const few = await startProduct(2_000, false)
const { thousand, most, ages, piped } = await (async () => {
  await using product = few
  const ages = (await product.latency(quick ? 60 : 300, 'api')) ?? []
  const piped = await product.latency(quick ? 60 : 300, 'web')
  if (piped === null)
    console.log('  the web server is not built: nothing is measured through it (npm start builds it)')
  const thousand = await productProbe(product, 1_000)
  console.log(`  ${describe(thousand)}`)
  const most = await bisect(
    (streams) => productProbe(product, streams),
    quick ? 600 : 500,
    1_900,
    quick ? 200 : 50,
  )
  return { thousand, most, ages, piped }
})()
const bars: Bar[] = [
  bar('1,000 answer streams: p95 gap', thousand.measured.gaps[1] ?? Number.NaN, GAP_MS, 'ms'),
  {
    ...bar('1,000 answer streams: tokens/s each', perSecondEach(thousand), RATE * SHARE, 'tokens/s'),
    better: 'more',
  },
  {
    ...bar('share of what a bare tRPC subscription server holds', (100 * most.most) / bare.most, 60, '%'),
    better: 'more',
  },
  bar(
    `one stream: from the model to the client${piped === null ? ', without the web server' : ''}, p95`,
    quantile(piped ?? ages, 0.95),
    15,
    'ms',
  ),
]
finish(
  run,
  {
    bareTrpc: { most: bare.most, probes: bare.probes.map(figures) },
    writtenAlone: figures(written),
    api: { most: most.most, thousand: figures(thousand), probes: most.probes.map(figures) },
    tokenAgeMs: { fromTheApi: spread(ages), throughTheWebServer: piped === null ? null : spread(piped) },
  },
  bars,
)

function bar(name: string, value: number, limit: number, unit: string): Bar {
  return { bar: name, value, limit, unit, better: 'less' }
}
