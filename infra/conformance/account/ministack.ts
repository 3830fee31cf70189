// The emulator, as a process of its own on a free port of 127.0.0.1. It remembers nothing: what is not reset is gone when it
// ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../../local/postgres.ts'
import { program } from '../conformance.ts'

const PATIENCE_MS = 60_000
const STOP_MS = 10_000

export interface Ministack extends AsyncDisposable {
  readonly endpoint: string
}

/** @throws Error with what it wrote, when it does not answer */
export async function startMinistack(): Promise<Ministack> {
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const child = spawn(program('ministack'), [], {
    env: {
      PATH: process.env.PATH,
      TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN ?? '',
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      LOG_LEVEL: 'WARNING',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8_000)
    })
  const exited = once(child, 'exit')
  const ministack: Ministack = {
    endpoint,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      if ((await Promise.race([exited, sleep(STOP_MS, 'late')])) === 'late') child.kill('SIGKILL')
      await exited
    },
  }
  for (const until = Date.now() + PATIENCE_MS; ; await sleep(50)) {
    if (await isMinistack(endpoint)) return ministack
    if (child.exitCode === null && Date.now() < until) continue
    await ministack[Symbol.asyncDispose]()
    throw new Error(`the emulator did not start:\n${log}`)
  }
}

/** Whether that is what answers there. */
export async function isMinistack(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(`${endpoint}/_ministack/health`, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    return false
  }
}

/** Everything in it is gone then. */
export async function resetMinistack(endpoint: string): Promise<void> {
  const { ok, status } = await fetch(`${endpoint}/_ministack/reset`, { method: 'POST' })
  if (!ok) throw new Error(`the emulator can’t be reset: ${status}`)
}
