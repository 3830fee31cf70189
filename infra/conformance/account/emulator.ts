// An emulator of AWS, as a process of its own on a free port of 127.0.0.1. It remembers nothing: what is not reset is gone
// when it ends.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../../local/postgres.ts'
import { program } from '../conformance.ts'

const PATIENCE_MS = 60_000
const STOP_MS = 10_000

export interface Emulator extends AsyncDisposable {
  readonly endpoint: string
}

export interface Kind {
  /** In the folder of Python's tools. */
  readonly program: string
  readonly args: (port: number) => readonly string[]
  readonly env: (port: number) => Readonly<Record<string, string>>
  /** Whether that is what answers there. */
  readonly isUp: (endpoint: string) => Promise<boolean>
}

/** @throws Error with what it wrote, when it does not answer */
export async function startEmulator(kind: Kind): Promise<Emulator> {
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const child = spawn(program(kind.program), kind.args(port), {
    env: {
      PATH: process.env.PATH,
      TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN ?? '',
      ...kind.env(port),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-8_000)
    })
  const exited = once(child, 'exit')
  const emulator: Emulator = {
    endpoint,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      if ((await Promise.race([exited, sleep(STOP_MS, 'late')])) === 'late') child.kill('SIGKILL')
      await exited
    },
  }
  for (const until = Date.now() + PATIENCE_MS; ; await sleep(50)) {
    if (await kind.isUp(endpoint)) return emulator
    if (child.exitCode === null && Date.now() < until) continue
    await emulator[Symbol.asyncDispose]()
    throw new Error(`the emulator did not start:\n${log}`)
  }
}

export async function answersAt(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(5_000) })).ok
  } catch {
    return false
  }
}
