// One index process, seen from its parent.
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { awsEnvironment, childEnvironment, compileCache } from '../../config.ts'
import type { FromIndex, IndexConfig, IndexReport, ToIndex } from '../messages.ts'
import type { IndexQuery } from '../port.ts'

const PROGRAM = path.join(import.meta.dirname, '../process.ts')
/** Milliseconds for a last checkpoint, then it is killed. */
const STOP_MS = 20_000

export interface ChildOptions {
  readonly config: IndexConfig
  /** Files of checkpoints that were hashed just now. */
  readonly verified: readonly string[]
  /** Load nothing from checkpoints. */
  readonly rebuild: boolean
  /** Leave FAISS alone. */
  readonly exact: boolean
  readonly onMessage: (child: IndexChild, message: FromIndex) => void
  readonly onExit: (child: IndexChild, how: { code: number | null; signal: string | null }) => void
}

const NOTHING: IndexReport = {
  ready: false,
  position: null,
  caughtUpAt: null,
  busyMs: 0,
  passages: 0,
  vectors: 0,
  documents: 0,
  generation: null,
  dimensions: null,
}

export class IndexChild {
  /** As it last said; `ready` is false before it said anything. */
  report: IndexReport = NOTHING
  engine: string | null = null
  /** Why it should be replaced, once it has said so. */
  worn: string | null = null
  readySince: number | null = null
  readonly #process: ChildProcess
  readonly #exited: Promise<void>
  #alive = true

  constructor({ config, verified, rebuild, exact, onMessage, onExit }: ChildOptions) {
    const options = [...(rebuild ? ['--rebuild'] : []), ...(exact ? ['--exact'] : [])]
    this.#process = fork(PROGRAM, options, {
      serialization: 'advanced',
      env: childEnvironment({
        ...nativeEnvironment(),
        ...compileCache(),
        // Its way into the database, where that is not a password.
        ...(config.databaseAuth.kind === 'iam' ? awsEnvironment() : {}),
      }),
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#exited = new Promise((resolve) => {
      const ended = (code: number | null, signal: string | null) => {
        if (!this.#alive) return
        this.#alive = false
        this.report = NOTHING
        resolve()
        onExit(this, { code, signal })
      }
      this.#process.on('exit', ended)
      this.#process.on('error', () => ended(null, null))
    })
    this.#process.on('message', (message: FromIndex) => {
      if (!this.#alive) return
      if (message.type === 'hello') this.engine = message.engine
      if (message.type === 'worn') this.worn = message.why
      if (message.type === 'report') {
        this.report = message
        this.readySince = message.ready ? (this.readySince ?? performance.now()) : null
      }
      onMessage(this, message)
    })
    this.#send({ type: 'start', config, verified })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  search(batch: number, queries: readonly IndexQuery[]): void {
    this.#send({ type: 'search', batch, queries })
  }

  serve(): void {
    this.#send({ type: 'serve' })
  }

  /** To its `fetch`. */
  fetched(verified: readonly string[]): void {
    this.#send({ type: 'fetched', verified })
  }

  wake(): void {
    this.#send({ type: 'wake' })
  }

  /** For one that no longer answers; its exit is noticed like any other. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Resolves when it is gone. */
  async stop(checkpoint: boolean): Promise<void> {
    if (!this.#alive) return
    this.#send({ type: 'stop', checkpoint })
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_MS)
    await this.#exited
    clearTimeout(timer)
  }

  /** What can't be sent is noticed by the exit that follows. */
  #send(message: ToIndex): void {
    if (this.#alive && this.#process.connected) this.#process.send(message, () => {})
  }
}

/**
 * What native libraries read when they are loaded (figures: docs/decisions/, "FAISS in batches").
 * FAISS reads one query as fast as one thread can read memory: a second thread gains nothing (and idle OpenMP threads spin), large pages
 * gain a quarter to a third (glibc 2.35 and later; others ignore it). OpenBLAS 0.3.21 (Debian 12) takes a slow matrix
 * kernel on processors with AMX; the one for AVX-512 is twice as fast on them.
 */
export function nativeEnvironment(): Record<string, string> {
  return {
    OMP_NUM_THREADS: '1',
    OPENBLAS_NUM_THREADS: '1',
    OMP_WAIT_POLICY: 'PASSIVE',
    GLIBC_TUNABLES: 'glibc.malloc.hugetlb=1',
    ...(hasAvx512() ? { OPENBLAS_CORETYPE: 'SkylakeX' } : {}),
  }
}

function hasAvx512(): boolean {
  if (process.platform !== 'linux' || process.arch !== 'x64') return false
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]?.split(' '))
    return ['avx512f', 'avx512cd', 'avx512bw', 'avx512dq', 'avx512vl'].every((flag) => flags.has(flag))
  } catch {
    return false
  }
}
