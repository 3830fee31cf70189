// The parent's side: one errand at a time, each in a process of its own, none of which can hold up or end the server.
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { Logger } from 'pino'
import { awsEnvironment, type Config, childEnvironment, compileCache, deriveKey } from '../../config.ts'
import type { Pool } from '../../database/pool.ts'
import type { FetchOptions } from './fetch.ts'
import type { Outcome, Progress, Task } from './messages.ts'
import { Patience } from './patience.ts'
import { cutByOwn } from './publish.ts'
import { releaseTerm } from './term.ts'

const PROGRAM = path.join(import.meta.dirname, 'process.ts')
const AGAIN_MS = 30_000
/** Failures in a row after which another server has its turn to build, and time in which it can begin. */
const MOST_FAILURES = 10
const REST_MS = 15 * 60_000
const STOP_MS = 5_000

export interface Courier {
  /**
   * Before the index is loaded. `whole`: because the checkpoints that are here turned out to be damaged.
   * @returns names of files whose hash is known; none when no checkpoint was brought. Never rejects: it is logged, and
   * done without.
   */
  fetch(options?: FetchOptions): Promise<readonly string[]>
  /** There is a new checkpoint in the local folder. Returns at once; what fails is tried again. */
  publish(): void
  close(): Promise<void>
}

export interface CourierOptions {
  /** Milliseconds that a fetch may take for nothing. Default 60,000. */
  readonly graceMs?: number
  /** Milliseconds until what was not published is tried again. Default 30,000. */
  readonly againMs?: number
}

export function createCourier(
  config: Config,
  pool: Pool,
  log: Logger,
  options: CourierOptions = {},
): Courier {
  const macKey = deriveKey(config, 'checkpoint')
  const owner = randomUUID()
  const { databaseUrl, databaseCa, databaseAuth, storage, home, indexDir, logLevel, release } = config
  const told = { databaseUrl, databaseCa, databaseAuth, storage, home, indexDir, logLevel, release }
  const stop = new AbortController()
  const errands = new Map<ChildProcess, Promise<Outcome>>()
  let running: Promise<void> | null = null
  let due = false
  let again: NodeJS.Timeout | undefined
  let failures = 0
  /** performance.now() */
  let restUntil = 0

  function send(errand: Task['errand']): Promise<Outcome> {
    const child = fork(PROGRAM, [], {
      serialization: 'advanced',
      env: childEnvironment({ ...compileCache(), ...awsEnvironment() }),
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const patience = errand.kind === 'fetch' ? endWhenSlow(child) : null
    const outcome = new Promise<Outcome>((resolve) => {
      child.on('message', (message: Outcome | Progress) => {
        if (message.kind === 'progress') patience?.received(message.bytes)
        else resolve(message)
      })
      child.on('error', (err) => resolve({ kind: 'failed', reason: err.name }))
      child.on('exit', (code, signal) => resolve({ kind: 'failed', reason: `${code ?? signal}` }))
    }).finally(() => {
      patience?.ends()
      errands.delete(child)
    })
    errands.set(child, outcome)
    const task: Task = { config: told, macKey, errand }
    child.send(task, () => {})
    return outcome
  }

  /** What it has fetched by then is swept away (../making.ts), and the index does without. */
  function endWhenSlow(child: ChildProcess): Patience {
    return new Patience((bytes) => {
      log.warn({ bytes }, 'fetching a shared checkpoint takes too long and is given up')
      child.kill('SIGKILL')
    }, options.graceMs)
  }

  async function publish(): Promise<void> {
    for (due = true; due && !stop.signal.aborted && performance.now() >= restUntil; ) {
      due = false
      const outcome = config.sharedCheckpoints ? await send({ kind: 'publish', owner }) : await onlyCut()
      if (outcome.kind !== 'failed') {
        failures = 0
        continue
      }
      log.warn({ reason: outcome.reason }, 'a checkpoint was not published and is tried again')
      again = setTimeout(begin, (await restsAfterFailure()) ? REST_MS : (options.againMs ?? AGAIN_MS)).unref()
      return
    }
  }

  /** Who fails again and again (a damaged disk, no way to the store) must not keep the lease by trying. */
  async function restsAfterFailure(): Promise<boolean> {
    failures++
    if (failures % MOST_FAILURES !== 0) return false
    restUntil = performance.now() + REST_MS
    await releaseTerm(pool, owner).catch((err: unknown) => log.debug({ err }, 'the lease was not given back'))
    return true
  }

  /** Without a shared store there is nothing to send: a statement or two, no errand. */
  async function onlyCut(): Promise<Outcome> {
    try {
      await cutByOwn({ pool, dir: config.indexDir, owner, log })
      return { kind: 'published', published: 'nothing' }
    } catch (err) {
      log.warn({ err }, 'the log was not cut')
      return { kind: 'failed', reason: err instanceof Error ? err.name : 'error' }
    }
  }

  function begin(): void {
    clearTimeout(again)
    due = true
    running ??= publish().finally(() => {
      running = null
    })
  }

  return {
    async fetch({ whole } = { whole: false }) {
      if (!config.sharedCheckpoints || stop.signal.aborted) return []
      const outcome = await send({ kind: 'fetch', whole })
      if (outcome.kind === 'failed')
        log.warn({ reason: outcome.reason }, 'starting without a shared checkpoint')
      if (outcome.kind !== 'fetched' || outcome.fetched === null) return []
      log.info({ seq: outcome.fetched.seq }, 'took a shared checkpoint')
      return outcome.fetched.verified
    },
    publish: begin,
    async close() {
      stop.abort(new Error('the server is stopping'))
      clearTimeout(again)
      for (const child of errands.keys()) child.send('stop', () => {})
      const timer = setTimeout(() => {
        for (const child of errands.keys()) child.kill('SIGKILL')
      }, STOP_MS)
      await Promise.all([running, ...errands.values()])
      clearTimeout(timer)
      await releaseTerm(pool, owner).catch((err: unknown) =>
        log.debug({ err }, 'the lease was not given back'),
      )
    },
  }
}
