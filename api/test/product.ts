// The API and the ingest process as they really run, on a database of a test's own, to be stopped and killed:
//
//   await using product = await startProduct()
//   const owner = await product.person({ role: 'owner' })
//   await product.api.kill('SIGKILL'); await product.startApi()
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/postgres.ts'
import type { Config } from '../src/config.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { client, type Person, person } from './server.ts'

const SOURCE = path.resolve(import.meta.dirname, '../src')

export interface RunningProcess {
  readonly pid: number
  /** Ends it and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>
}

export interface Product extends AsyncDisposable {
  readonly db: TestDatabase
  readonly config: Config
  readonly home: string
  readonly url: string
  readonly api: RunningProcess
  readonly ingest: RunningProcess
  readonly anonymous: Pick<Person, 'api' | 'fetch'>
  person(who?: Parameters<typeof person>[3]): Promise<Person>
  /** After it was killed. Resolves when it is ready. */
  startApi(): Promise<void>
  startIngest(): Promise<void>
  /** Everything that both processes have written, of all their lives. */
  output(): string
}

export interface ProductOptions {
  /** Default: one of its own. Stays the caller's. */
  readonly db?: TestDatabase
  /** Default false: started by hand. */
  readonly withoutIngest?: boolean
  /** Added to, or over, the environment of both. */
  readonly env?: Record<string, string>
}

/** Without weights unless `env.MODEL_DIR` says where they are: search goes by words. */
export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const stack = new AsyncDisposableStack()
  const db = options.db ?? stack.use(await testDatabase())
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-product-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))
  const port = await freePort()
  const env = {
    DATABASE_URL: db.url,
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    MODEL_DIR: path.join(home, 'models'),
    AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
    SETUP_TOKEN: 'test-setup-token-0123456789',
    PORT: String(port),
    INGEST_THREADS: '1',
    LOG_LEVEL: 'debug',
    ...options.env,
  }
  const config = db.config(home, env)
  const url = `http://127.0.0.1:${port}`
  const written: string[] = []
  let api: (RunningProcess & { alive(): boolean }) | undefined
  let ingest: (RunningProcess & { alive(): boolean }) | undefined
  const running = (which: RunningProcess | undefined) => {
    if (which === undefined) throw new Error('this process was not started')
    return which
  }
  const product: Product = {
    db,
    config,
    home,
    url,
    get api() {
      return running(api)
    },
    get ingest() {
      return running(ingest)
    },
    anonymous: client(url, config, undefined),
    person: (who) => person(url, config, db, who ?? {}),
    async startApi() {
      api = start('main.ts', env, written)
      while (!(await ready(url))) {
        if (!api.alive()) throw new Error(`the API ended:\n${written.join('').slice(-2_000)}`)
        await sleep(100)
      }
    },
    async startIngest() {
      const from = written.length
      ingest = start('ingest/process.ts', env, written)
      while (!written.slice(from).some((text) => /"name":"ingest".*"msg":"ready"/.test(text))) {
        if (!ingest.alive()) throw new Error(`ingest ended:\n${written.join('').slice(-2_000)}`)
        await sleep(20)
      }
    },
    output: () => written.join(''),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
  stack.defer(() => Promise.all([api?.kill('SIGKILL'), ingest?.kill('SIGKILL')]).then(() => {}))
  try {
    await Promise.all([product.startApi(), options.withoutIngest ? undefined : product.startIngest()])
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
  return product
}

async function ready(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`)).status === 200
  } catch {
    return false
  }
}

function start(
  program: string,
  env: Readonly<Record<string, string>>,
  written: string[],
): RunningProcess & { alive(): boolean } {
  const child: ChildProcess = spawn(process.execPath, [path.join(SOURCE, program)], {
    env: { PATH: process.env.PATH ?? '', TERRACE_SUPERVISED: '1', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) written.push(`${line}\n`)
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => written.push(text))
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const alive = () => child.exitCode === null && child.signalCode === null
  return {
    pid: child.pid ?? 0,
    alive,
    async kill(signal) {
      if (alive()) child.kill(signal)
      await exited
    },
  }
}
