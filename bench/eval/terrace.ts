// A Terrace of its own for one evaluation: PostgreSQL, API with its index process, ingest, in a folder that is removed
// afterwards. Each runs in a process group of its own, so that Ctrl-C reaches only us and all of it is stopped in order;
// should we be killed, each notices and ends by itself.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { parseConfig } from '../../api/src/config.ts'
import { migrate } from '../../api/src/database/migrate.ts'
import { client, type Person, sessionCookie } from '../../api/test/server.ts'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { keeperProgram } from '../../local/database.ts'
import { freePort, postgresUrl } from '../../local/postgres.ts'
import { COMPILE_CACHE } from '../../local/services.ts'
import { ROOT } from '../harness.ts'

export interface EvaluatedTerrace extends AsyncDisposable {
  readonly url: string
  readonly db: pg.Client
  readonly databaseUrl: string
  /** The folder that it leaves nothing of. */
  readonly home: string
  readonly modelDir: string
  /** The owner of what is uploaded. */
  readonly person: Pick<Person, 'api' | 'fetch'>
  /** Another API server on the same database, which is told this too. @returns the same person there, once it is ready */
  beside(env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Pick<Person, 'api'>>
}

/** @throws Error without the embedder's weights, and when a process ends before it is ready */
export async function startTerrace(signal: AbortSignal): Promise<EvaluatedTerrace> {
  const modelDir = process.env.MODEL_DIR || path.join(ROOT, '.native/models')
  if (!existsSync(path.join(modelDir, EMBEDDER_WEIGHTS.folder, EMBEDDER_WEIGHTS.files.model.name)))
    throw new Error(`no embedding model in ${modelDir}: npm run models`)
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-eval-'))
  // PostgreSQL may run as another user.
  chmodSync(home, 0o711)
  stack.defer(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))
  const [databasePort, port] = [await freePort(), await freePort()]
  const password = randomBytes(16).toString('hex')
  const keeper = keeperProgram({ dataDir: path.join(home, 'postgres'), port: databasePort, password })
  const postgres = started(stack, 'PostgreSQL', keeper.command, keeper.env)
  await until(postgres, keeper.ready, signal)
  const databaseUrl = postgresUrl(databasePort, password, 'postgres')
  await migrate({ connectionString: databaseUrl })
  const env = {
    PATH: process.env.PATH ?? '',
    DATABASE_URL: databaseUrl,
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    MODEL_DIR: modelDir,
    AUTH_SECRET: randomBytes(32).toString('hex'),
    LOG_LEVEL: 'warn',
    PORT: String(port),
    TERRACE_SUPERVISED: '1',
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  }
  const url = `http://127.0.0.1:${port}`
  const program = (file: string) => [process.execPath, path.join(ROOT, 'api/src', file)]
  const api = started(stack, 'the API', program('main.ts'), env)
  started(stack, 'ingest', program('ingest/process.ts'), env)
  await until(api, async () => (await fetch(`${url}/readyz`)).ok, signal)
  const db = new pg.Client(databaseUrl)
  // Stopped before it, PostgreSQL cuts the connection.
  db.on('error', () => {})
  await db.connect()
  stack.defer(() => db.end())
  const config = parseConfig(env)
  const cookie = sessionCookie(config, await session(db))
  const person = client(url, config, cookie)
  const running = stack.move()
  return {
    ...{ url, db, databaseUrl, home, modelDir, person },
    async beside(more, signal) {
      const port = await freePort()
      const own = { ...env, ...more, TERRACE_HOME: path.join(home, `beside-${port}`), PORT: String(port) }
      const url = `http://127.0.0.1:${port}`
      const server = started(running, 'the API beside', program('main.ts'), own)
      await until(server, async () => (await fetch(`${url}/readyz`)).ok, signal)
      return client(url, config, cookie)
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  }
}

/** Resolves when everything that was accepted can be found by meaning. @throws Error when a document needs attention */
export async function allSearchable(
  { url, db }: EvaluatedTerrace,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<void> {
  for (;;) {
    const { rows } = await db.query<{ open: number; done: number; bad: string | null; seq: string }>(
      `SELECT (count(*) FILTER (WHERE stage <> 'searchable'))::int AS open,
         (count(*) FILTER (WHERE stage = 'searchable'))::int AS done,
         min(filename || ': ' || error_code) FILTER (WHERE stage = 'attention') AS bad,
         (SELECT seq FROM index_head) AS seq FROM document_versions`,
    )
    const [now] = rows
    if (now?.bad) throw new Error(`a document of the set could not be read: ${now.bad}`)
    onProgress(now?.done ?? 0)
    if (now?.open === 0) {
      const health = (await (await fetch(`${url}/readyz`, { signal })).json()) as { index: { seq: number } }
      if (health.index.seq >= Number(now.seq)) return
    }
    await sleep(250, undefined, { signal })
  }
}

interface Started {
  readonly name: string
  readonly child: ChildProcess
  /** The end of what it wrote. */
  said(): string
}

function started(
  stack: AsyncDisposableStack,
  name: string,
  [command = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): Started {
  const child = spawn(command, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-2_000)
    })
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  stack.defer(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await gone
  })
  return { name, child, said: () => said }
}

async function until(
  { name, child, said }: Started,
  ready: () => Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  while (!(await ready().catch(() => false))) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`${name} ended before it was ready:\n${said()}`)
    await sleep(50, undefined, { signal })
  }
}

async function session(db: pg.Client): Promise<string> {
  const token = randomBytes(24).toString('base64url')
  await db.query(
    "INSERT INTO users (id, name, email, email_verified) VALUES ('eval', 'Evaluation', 'eval@example.org', true)",
  )
  await db.query(
    `INSERT INTO sessions (id, expires_at, token, user_id, updated_at)
     VALUES ('eval', now() + interval '7 days', $1, 'eval', now())`,
    [token],
  )
  return token
}
