// The API as the process that units and supervisors start, and a way to its database that can be cut.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { API_PATHS } from '../../contract/ports.ts'
import { freePort } from '../../local/postgres.ts'
import type { TestDatabase } from './database.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
export const SECRET = 'a-secret-that-no-log-may-show-0123456789'
export const TOKEN = 'a-setup-token-that-no-log-may-show'

export interface Api extends AsyncDisposable {
  readonly url: string
  readonly process: ChildProcess
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stdout(): string
  stderr(): string
}

export async function startApi(env: Record<string, string>): Promise<Api> {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-contract-'))
  const port = await freePort()
  const child = spawn(process.execPath, [path.join(ROOT, 'api/src/main.ts')], {
    cwd: home,
    env: {
      PATH: process.env.PATH,
      STORAGE: `file:${home}/storage`,
      TERRACE_HOME: home,
      AUTH_SECRET: SECRET,
      SETUP_TOKEN: TOKEN,
      TERRACE_RELEASE: 'contract-test',
      PORT: String(port),
      // When the test run itself is killed, nothing of it stays behind.
      TERRACE_SUPERVISED: '1',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  )
  return {
    url: `http://127.0.0.1:${port}`,
    process: child,
    exited,
    stdout: () => stdout,
    stderr: () => stderr,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
      rmSync(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

export interface Health {
  status: number
  body: {
    ready: boolean
    reasons: string[]
    database: string
    storage: string
    index: unknown
    models: unknown
  }
}

export async function readyz(api: Api): Promise<Health | null> {
  try {
    const response = await fetch(api.url + API_PATHS.readyz)
    return { status: response.status, body: (await response.json()) as Health['body'] }
  } catch {
    return null
  }
}

/** Asks until the answer suits; how long that takes is not this test's business. */
export async function until(api: Api, suits: (health: Health) => boolean): Promise<Health> {
  for (;;) {
    const health = await readyz(api)
    if (health !== null && suits(health)) return health
    if (api.process.exitCode !== null) throw new Error(`the API exited:\n${api.stderr()}\n${api.stdout()}`)
    await sleep(50)
  }
}

/** A way to the test's PostgreSQL that can be cut: nothing new gets through, what is open is torn down. */
export async function cuttableLine(
  db: TestDatabase,
): Promise<{ url: string; cut(): void; mend(): void } & AsyncDisposable> {
  const target = new URL(db.url)
  const open = new Set<net.Socket>()
  let up = true
  const server = net.createServer((from) => {
    from.on('error', () => {})
    if (!up) return from.destroy()
    const to = net.connect(Number(target.port), target.hostname)
    to.on('error', () => {})
    for (const socket of [from, to]) {
      open.add(socket)
      socket.once('close', () => open.delete(socket))
    }
    from.pipe(to).pipe(from)
    from.once('close', () => to.destroy())
    to.once('close', () => from.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const url = new URL(db.url)
  url.port = String(address !== null && typeof address === 'object' ? address.port : 0)
  const cut = () => {
    up = false
    for (const socket of open) socket.destroy()
  }
  return {
    url: url.href,
    cut,
    mend() {
      up = true
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve))
      cut()
      await closed
    },
  }
}
