// Starts the whole product for a test, as a person does (`npm start`), with a data folder and ports of its own.
//   await using terrace = await startTerrace()
// Ends with everything stopped and the folder removed; pass `home` to keep it and start again on it.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../../local/postgres.ts'
import { processesOf } from './processes.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const READY_MS = 240_000

export interface TerraceOptions {
  /** Data folder; a temporary one by default. */
  readonly home?: string
  /** More of the environment, e.g. MODELS or DATABASE_URL; an empty string takes a variable away. */
  readonly env?: Readonly<Record<string, string>>
  readonly webPort?: number
  readonly apiPort?: number
}

export interface RunningTerrace extends AsyncDisposable {
  /** The page: http://localhost:PORT */
  readonly url: string
  readonly apiUrl: string
  readonly home: string
  /** Undefined once there is an owner. */
  readonly setupLink: string | undefined
  readonly setupToken: string | undefined
  /** The process that `npm start` is. */
  readonly process: ChildProcess
  /** From the start of the process until it said that it is ready, in milliseconds. */
  readonly readyAfterMs: number
  /** Everything it has printed. */
  output(): string
  /** Process ids of everything that belongs to it, by name: main, postgres-keeper, postgres, api, index, ingest, web. */
  processes(): Readonly<Record<string, readonly number[]>>
  /** SIGTERM; resolves with the exit code when it is gone. */
  stop(): Promise<number | null>
}

/** Thrown when it ends before it is ready; `output` is what it said. */
export class DidNotStart extends Error {
  readonly code: number | null
  readonly output: string
  constructor(code: number | null, output: string) {
    super(`Terrace ended with ${code} before it was ready:\n${output}`)
    this.code = code
    this.output = output
  }
}

export async function startTerrace(options: TerraceOptions = {}): Promise<RunningTerrace> {
  const home = options.home ?? temporaryHome()
  const webPort = options.webPort ?? (await freePort())
  const apiPort = options.apiPort ?? (await freePort())
  const since = performance.now()
  const child = spawn(process.execPath, [path.join(ROOT, 'local/start.mjs')], {
    cwd: ROOT,
    env: environment({
      ...options.env,
      TERRACE_HOME: home,
      PORT: String(webPort),
      API_PORT: String(apiPort),
    }),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const clean = () => {
    if (options.home === undefined) rmSync(home, { recursive: true, force: true })
  }

  const deadline = Date.now() + READY_MS
  while (!/^ {2}Stop /m.test(output)) {
    if (child.exitCode !== null || child.signalCode !== null) {
      clean()
      throw new DidNotStart(child.exitCode, output)
    }
    if (Date.now() > deadline) {
      child.kill('SIGTERM')
      await exited
      clean()
      throw new Error(`Terrace was not ready after ${READY_MS / 1000} s:\n${output}`)
    }
    await sleep(20)
  }
  const readyAfterMs = performance.now() - since
  const setupLink = /(http\S+\/setup\?token=\S+)/.exec(output)?.[1]

  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    return exited
  }
  return {
    url: /runs at (\S+)/.exec(output)?.[1] ?? `http://localhost:${webPort}`,
    apiUrl: `http://127.0.0.1:${apiPort}`,
    home,
    setupLink,
    setupToken: setupLink ? (new URL(setupLink).searchParams.get('token') ?? undefined) : undefined,
    process: child,
    readyAfterMs,
    output: () => output,
    processes: () => processesOf(home),
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      clean()
    },
  }
}

/** A data folder that PostgreSQL's user can reach (mkdtemp's are 0700). */
export function temporaryHome(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-home-'))
  chmodSync(folder, 0o711)
  return folder
}

/** The caller's environment without what would steer the product somewhere else. */
function environment(extra: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const ours =
    /^(DATABASE_|AUTH_SECRET$|SETUP_TOKEN$|MODELS$|PUBLIC_URL$|HOST$|STORAGE$|INDEX_|NODE_ENV$|VITEST|npm_)/
  const base = Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)))
  // A language model that happens to run on this machine is not part of the test.
  return { ...base, OLLAMA_DISCOVERY: '0', ...extra }
}
