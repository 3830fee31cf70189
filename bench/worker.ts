// What the model endpoint adds: the deployed bundle in workerd, with an answer token for every request, beside the same
// scripted model asked directly, turn by turn in one run. Client and model are this process, for both alike.
// `npm run bench -- worker [--answers=N] [--streams=N] [--aborts=N]`
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent, type IncomingMessage, request as send } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { importJWK, SignJWT } from 'jose'
import { ENDPOINT_PATHS, TOKEN_ALGORITHM, TOKEN_TYPES } from '../contract/model-endpoint.ts'
import { type ModelRequest, requestHash } from '../contract/request-hash.ts'
import { makeKeys } from '../worker/local/key-pairs.ts'
import { answerScripted } from '../worker/local/scripted.ts'
import { startWorkerd } from '../worker/local/workerd.ts'
import { startWorkersAi } from '../worker/local/workers-ai.ts'
import { bundleWorker, readConfiguration } from '../worker/local/wrangler.ts'
import { begin, cpuMs, finish, median, quantile, spread } from './harness.ts'

const { values } = parseArgs({
  options: {
    answers: { type: 'string', default: '400' },
    streams: { type: 'string', default: '10' },
    aborts: { type: 'string', default: '60' },
  },
})
const WARM_UP = 50
const TOKENS_PER_STREAM = 200
const AUDIENCE = 'https://models.example.org'
/** A prompt with passages has about this size. */
const PROMPT = 'Terraces are described in the following passages. '.repeat(300)

const MODELS = {
  short: 'scripted?tokens=1',
  paced: `scripted?tokens=${TOKENS_PER_STREAM}&rate=100&stamp`,
  endless: 'scripted?tokens=100000&rate=50',
} as const
type Model = keyof typeof MODELS

const run = begin('worker', ['wrangler', 'workerd', 'jose'])
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-worker-'))
const { file, bytes } = await bundleWorker(folder)
const keys = await makeKeys()
const signingKey = await importJWK(keys.LLAMMA_SIGNING_KEY, TOKEN_ALGORITHM)
const ai = await startWorkersAi(answerScripted)
const worker = await startWorkerd({
  configuration: await readConfiguration(),
  bundle: file,
  bindings: {
    AUDIENCE,
    TOKEN_KEYS: keys.TOKEN_KEYS,
    RECEIPT_KEY: keys.RECEIPT_KEY,
    MODELS: Object.fromEntries(Object.entries(MODELS).map(([name, scripted]) => [name, [scripted]])),
    REQUESTS_PER_MINUTE: 1_000_000,
  },
  aiPort: ai.port,
  storage: path.join(folder, 'ledger'),
})
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

interface Prepared {
  readonly url: string
  readonly headers: Record<string, string>
  readonly body: string
}

/** As the Worker itself asks the model. */
function direct(model: Model): Prepared {
  const inputs = { messages: [{ role: 'user', content: PROMPT }], max_tokens: 100_000, stream: true }
  return {
    url: `http://127.0.0.1:${ai.port}/run`,
    headers: { 'cf-consn-model-id': MODELS[model] },
    body: JSON.stringify({ inputs, options: {} }),
  }
}

async function throughWorker(model: Model): Promise<Prepared> {
  const request: ModelRequest = { model, messages: [{ role: 'user', content: PROMPT }] }
  const now = Math.floor(Date.now() / 1_000)
  const claims = { model, max_tokens: 100_000, prompt: await requestHash(request) }
  const token = await new SignJWT({
    ...claims,
    iss: 'https://terrace.example.org',
    aud: AUDIENCE,
    sub: 'bench',
  })
    .setProtectedHeader({
      alg: TOKEN_ALGORITHM,
      typ: TOKEN_TYPES.answer,
      kid: String(keys.LLAMMA_SIGNING_KEY.kid),
    })
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + 60)
    .sign(signingKey)
  return {
    url: worker.url + ENDPOINT_PATHS.completions,
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ ...request, stream: true }),
  }
}

function open({ url, headers, body }: Prepared, signal?: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, agent, ...(signal === undefined ? {} : { signal }) }
    const outgoing = send(url, options, (reply) => {
      if (reply.statusCode === 200) resolve(reply.setEncoding('utf8'))
      else reject(new Error(`status ${reply.statusCode}`))
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}

/** Milliseconds from the request to the first bytes of the answer. */
async function firstToken(prepared: Prepared): Promise<number> {
  const began = performance.now()
  let first: number | undefined
  for await (const _ of await open(prepared)) first ??= performance.now() - began
  return first ?? Number.NaN
}

/** Milliseconds that each token was under way. */
async function ages(prepared: Prepared): Promise<number[]> {
  const found: number[] = []
  for await (const text of await open(prepared)) {
    const at = performance.timeOrigin + performance.now()
    for (const [, stamp] of String(text).matchAll(/"(?:content|response)":"(\d+\.\d+) "/g))
      found.push(at - Number(stamp))
  }
  return found
}

/** Milliseconds from the reader's going away to the model's hearing of it. */
async function abort(prepared: Prepared): Promise<number> {
  const gone = new AbortController()
  const reply = await open(prepared, gone.signal)
  await new Promise((resolve) => reply.once('data', resolve))
  const request = ai.requests.at(-1)
  reply.on('error', () => {})
  const at = performance.timeOrigin + performance.now()
  gone.abort()
  while (request?.abortedAt === null) await sleep(1)
  return (request?.abortedAt ?? Number.NaN) - at
}

const cpuAtFirst = cpuMs(worker.pid)
const first = { direct: [] as number[], worker: [] as number[] }
for (let i = 0; i < WARM_UP + Number(values.answers); i++) {
  const bare = await firstToken(direct('short'))
  const through = await firstToken(await throughWorker('short'))
  if (i < WARM_UP) continue
  first.direct.push(bare)
  first.worker.push(through)
}
const cpuBefore = cpuMs(worker.pid)
const cpuPerAnswer = (cpuBefore - cpuAtFirst) / (WARM_UP + Number(values.answers))
const under = { direct: [] as number[], worker: [] as number[] }
for (let i = 0; i < Number(values.streams); i++) {
  under.direct.push(...(await ages(direct('paced'))))
  under.worker.push(...(await ages(await throughWorker('paced'))))
}
const cpuPerToken = (cpuMs(worker.pid) - cpuBefore) / (Number(values.streams) * TOKENS_PER_STREAM)
const aborts: number[] = []
for (let i = 0; i < Number(values.aborts); i++) aborts.push(await abort(await throughWorker('endless')))

agent.destroy()
await worker.close()
await ai.close()
rmSync(folder, { recursive: true, force: true })

finish(
  run,
  {
    promptBytes: PROMPT.length,
    firstTokenMs: { direct: spread(first.direct), worker: spread(first.worker) },
    tokenAgeMs: { direct: spread(under.direct), worker: spread(under.worker) },
    workerCpuMsPerShortAnswer: cpuPerAnswer,
    workerCpuMsPerToken: cpuPerToken,
    abortToModelMs: spread(aborts),
  },
  [
    {
      bar: 'added to the first token, p50',
      value: median(first.worker) - median(first.direct),
      limit: 5,
      unit: 'ms',
      better: 'less',
    },
    {
      bar: 'added to each token, p50',
      value: median(under.worker) - median(under.direct),
      limit: 1,
      unit: 'ms',
      better: 'less',
    },
    { bar: 'bundle', value: bytes / 1_000, limit: 150, unit: 'kB', better: 'less' },
    {
      bar: 'abort reaches the model, p95',
      value: quantile(aborts, 0.95),
      limit: 100,
      unit: 'ms',
      better: 'less',
    },
  ],
)
