// PostgreSQL with its usual safety and one API process, as `npm start` runs them, for the search benchmark.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type Config, parseConfig } from '../../api/src/config.ts'
import { migrate } from '../../api/src/database/migrate.ts'
import { sessionCookie } from '../../api/test/server.ts'
import { freePort, startPostgres } from '../../local/postgres.ts'
import { COMPILE_CACHE } from '../../local/services.ts'
import { cpuMs, descendants, pssBytes, ROOT } from '../harness.ts'

export interface Cpu {
  readonly api: number
  readonly index: number
  readonly postgres: number
  readonly generator: number
}

export interface SearchServer extends AsyncDisposable {
  readonly databaseUrl: string
  readonly userId: string
  /** Starts the API. Milliseconds until it listens, is ready, and has answered a search. */
  start(question: string): Promise<{ ready: number; searched: number }>
  stop(): Promise<void>
  /** One search over everything. @throws Error on any other status than 200 */
  search(question: string, agent: Agent): Promise<string>
  /** CPU milliseconds used so far. */
  cpu(): Cpu
  /** Proportional set sizes in bytes, and the index processes: two while one is replaced. */
  memory(): { api: number; index: number; pids: readonly number[] }
}

export async function searchServer(env: Readonly<Record<string, string>> = {}): Promise<SearchServer> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-'))
  chmodSync(folder, 0o755)
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), password: 'bench' })
  stack.defer(() => postgres.stop())
  const databaseUrl = postgres.url('postgres')
  await migrate({ connectionString: databaseUrl })
  const port = env.PORT === undefined ? await freePort() : Number(env.PORT)
  const environment = {
    DATABASE_URL: databaseUrl,
    STORAGE: `file:${folder}/storage`,
    TERRACE_HOME: folder,
    MODEL_DIR: process.env.MODEL_DIR ?? path.join(ROOT, '.native/models'),
    AUTH_SECRET: randomBytes(32).toString('hex'),
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'warn',
    PORT: String(port),
    TERRACE_SUPERVISED: '1',
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ...env,
  }
  const config = parseConfig(environment)
  const cookie = await session(databaseUrl, config)
  let api: ChildProcess | undefined
  stack.defer(() => stopped(api))
  const search = (question: string, agent: Agent) => searchOnce({ port, cookie, question, agent })
  // An index process that is replaced takes its CPU time with it: what it had used is kept.
  const past = { index: 0, seen: new Map<number, number>() }
  const indexes = () =>
    descendants(api?.pid ?? 0)
      .filter(({ command }) => command.includes('index/process.ts'))
      .map(({ pid }) => pid)
  const started = stack.move()
  return {
    databaseUrl,
    userId: 'bench',
    search,
    async start(question) {
      const began = performance.now()
      api = spawn(process.execPath, [path.join(ROOT, 'api/src/main.ts')], {
        env: { PATH: process.env.PATH, ...environment },
        stdio: ['pipe', 'inherit', 'inherit'],
      })
      await ready(port, api)
      const atReady = performance.now() - began
      const agent = new Agent()
      await search(question, agent)
      agent.destroy()
      return { ready: atReady, searched: performance.now() - began }
    },
    stop: () => stopped(api),
    cpu() {
      const alive = indexes()
      for (const [pid, used] of past.seen)
        if (!alive.includes(pid)) {
          past.index += used
          past.seen.delete(pid)
        }
      for (const pid of alive) past.seen.set(pid, cpuMs(pid))
      const own = process.cpuUsage()
      return {
        api: cpuMs(api?.pid ?? 0),
        index: past.index + [...past.seen.values()].reduce((sum, used) => sum + used, 0),
        postgres: descendants(postgres.process.pid ?? 0).reduce(
          (sum, { pid }) => sum + orNothing(() => cpuMs(pid)),
          0,
        ),
        generator: (own.user + own.system) / 1000,
      }
    },
    memory() {
      const pids = indexes()
      return {
        api: pssBytes(api?.pid ?? 0),
        index: pids.reduce((sum, pid) => sum + orNothing(() => pssBytes(pid)), 0),
        pids,
      }
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/** Of a process that has ended meanwhile. */
function orNothing(read: () => number): number {
  try {
    return read()
  } catch {
    return 0
  }
}

async function session(databaseUrl: string, config: Config): Promise<string> {
  const token = randomBytes(24).toString('base64url')
  const client = new pg.Client(databaseUrl)
  await client.connect()
  await client.query(
    `INSERT INTO users (id, name, email, email_verified) VALUES ('bench', 'Bench', 'bench@example.org', true)`,
  )
  await client.query(
    `INSERT INTO sessions (id, expires_at, token, user_id, updated_at)
     VALUES ('bench', now() + interval '1 day', $1, 'bench', now())`,
    [token],
  )
  await client.end()
  return sessionCookie(config, token)
}

async function ready(port: number, api: ChildProcess): Promise<void> {
  for (;;) {
    if (api.exitCode !== null) throw new Error(`the API left with ${api.exitCode}`)
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null)
    await response?.arrayBuffer()
    if (response?.ok === true) return
    await sleep(20)
  }
}

async function stopped(api: ChildProcess | undefined): Promise<void> {
  if (api === undefined || api.exitCode !== null || api.signalCode !== null) return
  const gone = new Promise((resolve) => api.once('exit', resolve))
  api.kill('SIGTERM')
  await gone
}

interface Asked {
  readonly port: number
  readonly cookie: string
  readonly question: string
  readonly agent: Agent
}

function searchOnce({ port, cookie, question, agent }: Asked): Promise<string> {
  const input = encodeURIComponent(JSON.stringify({ json: { query: question } }))
  const target = { host: '127.0.0.1', port, path: `/trpc/search.passages?input=${input}`, agent }
  return new Promise((resolve, reject) => {
    const request = get({ ...target, headers: { cookie } }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => {
        const body = Buffer.concat(parts).toString()
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`${response.statusCode} ${body.slice(0, 300)}`))
      })
    })
    request.on('error', reject)
  })
}
