// The parent's side: one errand at a time, each in a process of its own, none of which can hold up or end the server.
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import type { Logger } from 'pino'
import { awsEnvironment, type Config, childEnvironment, compileCache, deriveKey } from '../../config.ts'
import type { Pool } from '../../database/pool.ts'
import type { Outcome, Task } from './messages.ts'
import { cutByOwn } from './publish.ts'
import { releaseTerm } from './term.ts'

const PROGRAM = path.join(import.meta.dirname, 'process.ts')
const AGAIN_MS = 30_000
const STOP_MS = 5_000

export interface Courier {
  /** Before the index is loaded. @returns names of files whose hash is known. Never rejects: it is logged, and done without. */
  fetch(): Promise<readonly string[]>
  /** There is a new checkpoint in the local folder. Returns at once; what fails is tried again. */
  publish(): void
  close(): Promise<void>
}

export function createCourier(config: Config, pool: Pool, log: Logger): Courier {
  const macKey = deriveKey(config, 'checkpoint')
  const owner = randomUUID()
  const { databaseUrl, databaseCa, storage, home, indexDir, logLevel, release } = config
  const told = { databaseUrl, databaseCa, storage, home, indexDir, logLevel, release }
  const stop = new AbortController()
  let child: ChildProcess | null = null
  let running: Promise<void> | null = null
  let due = false
  let again: NodeJS.Timeout | undefined

  function send(errand: Task['errand']): Promise<Outcome> {
    return new Promise((resolve) => {
      const started = fork(PROGRAM, [], {
        serialization: 'advanced',
        env: childEnvironment({ ...compileCache(), ...awsEnvironment() }),
        execArgv: [],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
      child = started
      const settle = (outcome: Outcome) => {
        if (child === started) child = null
        resolve(outcome)
      }
      started.on('message', (outcome: Outcome) => settle(outcome))
      started.on('error', (err) => settle({ kind: 'failed', reason: err.name }))
      started.on('exit', (code, signal) => settle({ kind: 'failed', reason: `${code ?? signal}` }))
      const task: Task = { config: told, macKey, errand }
      started.send(task, () => {})
    })
  }

  async function publish(): Promise<void> {
    for (due = true; due && !stop.signal.aborted; ) {
      due = false
      const outcome = config.sharedCheckpoints ? await send({ kind: 'publish', owner }) : await onlyCut()
      if (outcome.kind !== 'failed') continue
      log.warn({ reason: outcome.reason }, 'a checkpoint was not published and is tried again')
      again = setTimeout(begin, AGAIN_MS).unref()
      return
    }
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
    async fetch() {
      if (!config.sharedCheckpoints) return []
      const outcome = await send({ kind: 'fetch' })
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
      const last = child
      last?.send('stop', () => {})
      const timer = setTimeout(() => last?.kill('SIGKILL'), STOP_MS)
      await running
      clearTimeout(timer)
      await releaseTerm(pool, owner).catch((err: unknown) =>
        log.debug({ err }, 'the lease was not given back'),
      )
    },
  }
}
