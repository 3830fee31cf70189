// The product as the streams benchmark needs it: PostgreSQL with its usual safety, one API process, the scripted
// model in a process of its own, people, and documents to answer from.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { parseConfig } from '../../api/src/config.ts'
import { migrate } from '../../api/src/database/migrate.ts'
import { createLog } from '../../api/src/log.ts'
import { startEmbedder } from '../../api/src/models/embedder.ts'
import { generationDigest } from '../../api/src/models/generation.ts'
import { sessionCookie } from '../../api/test/server.ts'
import { freePort, startPostgres } from '../../local/postgres.ts'
import { descendants, ROOT } from '../harness.ts'
import { fillLibrary } from '../search/library.ts'
import type { Target } from './clients.ts'

const MODEL_DIR = process.env.MODEL_DIR ?? path.join(ROOT, '.native/models')

export interface AskedStream {
  readonly answerId: string
  readonly target: Target
}

export interface Product extends AsyncDisposable {
  readonly passages: number
  /** Processes to account for, by name. */
  pids(): Record<string, number>
  /** Knobs for every answer from now on, as in `rate=20&tokens=100`. */
  model(knobs: Readonly<Record<string, string | number | boolean>>): Promise<void>
  /** That many questions, each in a chat of its own, answered from now on. */
  ask(count: number): Promise<AskedStream[]>
  stop(asked: readonly AskedStream[]): Promise<void>
  /**
   * Milliseconds from the model's writing of a token to its arrival here, one stream, 15 tokens/s; through the web
   * server's pipe with `web`, which is null when it is not built.
   */
  latency(tokens: number, through: 'api' | 'web'): Promise<number[] | null>
  /** Milliseconds from the question's POST to the model's receiving the request, one connection; what finds nothing is left out. */
  firstRequest(count: number): Promise<number[]>
}

/** @param meaning false: search goes by words only, so that every question finds what it was made from */
export async function startProduct(passages: number, meaning: boolean): Promise<Product> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-'))
  chmodSync(folder, 0o755)
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), password: 'bench' })
  stack.defer(() => postgres.stop())
  const databaseUrl = postgres.url('postgres')
  await migrate({ connectionString: databaseUrl })
  const db = new pg.Client(databaseUrl)
  await db.connect()
  stack.defer(() => db.end())

  const model = await startModel()
  stack.defer(() => stopped(model.child))
  const port = await freePort()
  const environment = {
    DATABASE_URL: databaseUrl,
    STORAGE: `file:${folder}/storage`,
    TERRACE_HOME: folder,
    MODEL_DIR: meaning ? MODEL_DIR : folder,
    AUTH_SECRET: randomBytes(32).toString('hex'),
    LOG_LEVEL: 'warn',
    PORT: String(port),
    MODELS: JSON.stringify([
      {
        ...{
          id: 'm',
          name: 'Scripted',
          type: 'openai-compatible',
          url: `${model.url}/v1`,
          model: 'scripted',
        },
        // Held until all have asked.
        firstTokenSeconds: 600,
      },
    ]),
  }
  const config = parseConfig(environment)
  const people = await everyone(db, (token) => sessionCookie(config, token))
  const embedder = await startEmbedder(
    { ...config, modelDir: MODEL_DIR },
    { threads: 1, log: createLog({ ...config, logLevel: 'silent' }, 'bench') },
  )
  if (embedder === null) throw new Error('no embedder weights: npm run models')
  const { collectionIds } = await fillLibrary(databaseUrl, {
    passages,
    generation: { digest: generationDigest(embedder.identity), key: embedder.identity },
    userId: 'bench-0',
  })
  await embedder.close()
  await db.query(
    `INSERT INTO collection_members (collection_id, user_id, role)
     SELECT c, u.id, 'viewer' FROM unnest($1::uuid[]) c, users u WHERE u.id <> 'bench-0'`,
    [collectionIds],
  )
  const question = await questions(db)
  const api = await startApi(environment, port)
  stack.defer(() => stopped(api))

  const web = await startWeb(folder, port)
  if (web !== null) stack.defer(() => stopped(web.child))

  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  stack.defer(() => agent.destroy())
  const call = async (
    procedure: string,
    input: unknown,
    cookie = people(0),
  ): Promise<Record<string, string>> => {
    const body = await post(agent, port, `/trpc/${procedure}`, cookie, config.publicUrl, { json: input })
    return (body as { result: { data: { json: Record<string, string> } } }).result.data.json
  }
  let asked = 0
  const ask = async (): Promise<AskedStream> => {
    const cookie = people(asked++)
    const chat = await call('chats.create', { collectionIds }, cookie)
    const input = { chatId: chat.id, text: question(), requestId: randomUUID() }
    const { answerId = '' } = await call('chats.ask', input, cookie)
    const watched = encodeURIComponent(JSON.stringify({ json: { answerId } }))
    return { answerId, target: { port, path: `/trpc/chats.watch?input=${watched}`, cookie } }
  }
  const script = (knobs: object) =>
    fetch(`${model.url}/script`, { method: 'POST', body: JSON.stringify(knobs) })

  const started = stack.move()
  return {
    passages,
    pids: () => ({
      api: api.pid ?? 0,
      model: model.child.pid ?? 0,
      ...Object.fromEntries(
        descendants(postgres.process.pid ?? 0).map(({ pid }) => [`postgres ${pid}`, pid]),
      ),
    }),
    async model(knobs) {
      await script(knobs)
    },
    ask: (count) => inParallel(Array.from({ length: count }, () => ask)),
    async stop(asked) {
      await inParallel(
        asked.map(
          ({ answerId, target }) =>
            () =>
              call('chats.stop', { answerId }, target.cookie),
        ),
      )
      for (;;) {
        const { rows } = await db.query('SELECT 1 FROM attempts WHERE ended_at IS NULL LIMIT 1')
        if (rows.length === 0) break
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      await db.query('DELETE FROM chats')
      await db.query('DELETE FROM rate_limits')
    },
    async latency(tokens, through) {
      if (through === 'web' && web === null) return null
      await script({ stamp: true, rate: 15, tokens })
      const { target } = await ask()
      return ages(
        web === null || through === 'api'
          ? target
          : { ...target, port: web.port, path: `/api${target.path}` },
      )
    },
    async firstRequest(count) {
      await script({ text: 'Yes.' })
      const single = new Agent({ keepAlive: true, maxSockets: 1 })
      const waits: number[] = []
      for (let i = 0; i < count; i++) {
        const chat = await call('chats.create', { collectionIds })
        const input = { json: { chatId: chat.id, text: question(), requestId: randomUUID() } }
        const at = performance.timeOrigin + performance.now()
        await post(single, port, '/trpc/chats.ask', people(0), config.publicUrl, input)
        // What finds nothing asks no model: after two seconds nobody waits for that any more.
        let arrived = 0
        for (let looked = 0; arrived < at && looked < 40; looked++) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          const requests = (await (await fetch(`${model.url}/requests`)).json()) as { at: number }[]
          arrived = requests.at(-1)?.at ?? 0
        }
        if (arrived >= at) waits.push(arrived - at)
      }
      single.destroy()
      return waits
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function startModel(): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, [path.join(ROOT, 'api/test/scripted-model.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const line = await new Promise<Buffer>((resolve) => child.stdout?.once('data', resolve))
  const { port } = JSON.parse(String(line)) as { port: number }
  return { child, url: `http://127.0.0.1:${port}` }
}

async function startApi(environment: Record<string, string>, port: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [path.join(ROOT, 'api/src/main.ts')], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  for (let waited = 0; waited < 60_000; waited += 100) {
    if (child.exitCode !== null) throw new Error(`the API left with ${child.exitCode}`)
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
    if (ready?.ok === true) return child
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the API did not become ready')
}

/** The web server as `npm start` runs it, when it has been built. */
async function startWeb(
  home: string,
  apiPort: number,
): Promise<{ child: ChildProcess; port: number } | null> {
  const folder = path.join(ROOT, 'web/.next/standalone/web')
  if (!existsSync(path.join(folder, 'server.js'))) return null
  const port = await freePort()
  const child = spawn(process.execPath, [path.join(folder, 'server.js')], {
    cwd: folder,
    env: {
      ...{ PATH: process.env.PATH, HOME: home, NODE_ENV: 'production' },
      ...{ API_URL: `http://127.0.0.1:${apiPort}`, HOSTNAME: '127.0.0.1', PORT: String(port) },
      ...{ NEXT_MANUAL_SIG_HANDLE: '1', NEXT_TELEMETRY_DISABLED: '1', TRUSTED_PROXY_HOPS: '0' },
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  for (let waited = 0; waited < 30_000; waited += 100) {
    const alive = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => null)
    if (alive?.ok === true) return { child, port }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error('the web server did not start')
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

/** One person may hold a hundred streams (api/src/http/open-streams.ts). Gives the cookie of the nth, round and round. */
const PEOPLE = 40

async function everyone(db: pg.Client, cookieOf: (token: string) => string) {
  const tokens = Array.from({ length: PEOPLE }, () => randomBytes(24).toString('base64url'))
  await db.query(
    `INSERT INTO users (id, name, email, email_verified)
     SELECT 'bench-' || n, 'Bench', 'bench-' || n || '@example.org', true FROM generate_series(0, $1::int - 1) n`,
    [PEOPLE],
  )
  await db.query(
    `INSERT INTO sessions (id, expires_at, token, user_id, updated_at)
     SELECT 'bench-' || n - 1, now() + interval '1 day', token, 'bench-' || n - 1, now()
     FROM unnest($1::text[]) WITH ORDINALITY t(token, n)`,
    [tokens],
  )
  const cookies = tokens.map(cookieOf)
  return (n: number) => cookies[n % PEOPLE] ?? ''
}

/** Ten words that stand together in a passage: the library's vectors are made up, so the words have to find it. */
async function questions(db: pg.Client): Promise<() => string> {
  const { rows } = await db.query<{ text: string }>(
    'SELECT text FROM passages TABLESAMPLE BERNOULLI (50) LIMIT 3000',
  )
  let next = 0
  return () => {
    const words = (rows[next++ % rows.length]?.text ?? '').split(' ')
    const from = (next * 7) % Math.max(1, words.length - 10)
    return `Why ${words.slice(from, from + 10).join(' ')}?`
  }
}

async function inParallel<T>(work: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  let next = 0
  const worker = async () => {
    for (let i = next++; i < work.length; i = next++) {
      const result = await work[i]?.()
      if (result !== undefined) results.push(result)
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  return results
}

function post(
  agent: Agent,
  port: number,
  at: string,
  cookie: string,
  origin: string,
  body: unknown,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', cookie, origin: new URL(origin).origin }
    const request = httpRequest(
      { agent, port, host: '127.0.0.1', path: at, method: 'POST', headers },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part
        })
        response.on('end', () => {
          if (response.statusCode === 200) return resolve(JSON.parse(text))
          // One person asks for a thousand people here: what meets their rate waits, and is not what is measured.
          if (response.statusCode === 429)
            return setTimeout(() => resolve(post(agent, port, at, cookie, origin, body)), 1_000)
          reject(new Error(`${at}: ${response.statusCode} ${text.slice(0, 300)}`))
        })
      },
    )
    request.on('error', reject)
    request.end(JSON.stringify(body))
  })
}

/** Reads a stream to its end and returns how old each frame's first token was when it came. */
function ages(target: Target): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const found: number[] = []
    const headers = { accept: 'text/event-stream', cookie: target.cookie ?? '' }
    const request = httpRequest(
      { port: target.port, host: '127.0.0.1', path: target.path, headers },
      (response) => {
        response.setEncoding('utf8').on('data', (text: string) => {
          const at = performance.timeOrigin + performance.now()
          if (/"type":"end"/.test(text)) return
          for (const [, stamp] of text.matchAll(/"text":" (\d{13}\.\d{3})/g)) found.push(at - Number(stamp))
        })
        response.on('end', () => resolve(found))
      },
    )
    request.on('error', reject)
    request.end()
  })
}
