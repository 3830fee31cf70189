// The answers that this server is writing. An answer goes on whether or not anybody watches; it ends by itself, by a
// person's stop, by an error, or by this server's end, when another one takes it over (attempts.ts).
import { randomUUID } from 'node:crypto'
import type { Config } from '../config.ts'
import { createPool } from '../database/pool.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { AnswerDeps } from './answer.ts'
import { handBack, renewLeases, takeOverLapsed } from './attempts.ts'
import { createChunkWriter } from './chunks.ts'
import { createGate } from './gate.ts'
import { type AttemptIdentity, LiveAttempt } from './live.ts'
import { listenForAttempts } from './signals.ts'
import { writeAttempt } from './write-attempt.ts'

export interface AnswersDeps extends AnswerDeps {
  readonly config: Config
  readonly metrics: Metrics
}

export interface Answers {
  /** Owner of the attempts that this server begins: goes with them into the database. */
  readonly serverId: string
  /** Begins to write an attempt that was inserted with this server as its owner. Returns at once, never throws. */
  start(attempt: AttemptIdentity): void
  /** The attempt at this answer that this server is writing. */
  live(answerId: string): LiveAttempt | undefined
  /** Stops an attempt if it is written here. */
  stopAttempt(attemptId: string): void
  /** Writes no more: what was under way is saved and handed to other servers. */
  stop(): Promise<void>
}

const RENEW_MS = 1_500
const TAKE_OVER_MS = 1_000
/** With half a second of silence and a new connection this is within a lease. */
const LEASE_STATEMENT_MS = 2_500
/** Of the pool's ten connections, for progress and ends. */
const WRITERS = 3

export function createAnswers(deps: AnswersDeps, options: { serverId?: string } = {}): Answers {
  const { pool, log } = deps
  // A connection of its own: a lease must not lapse because everybody else waits for one of the pool's.
  const leases = createPool(deps.config, {
    name: 'terrace-api-leases',
    max: 1,
    statementMs: LEASE_STATEMENT_MS,
    onError: (err) => log.warn({ err }, 'the connection for leases was lost'),
  })
  const serverId = options.serverId ?? randomUUID()
  const live = new Map<string, LiveAttempt>()
  const byAnswer = new Map<string, LiveAttempt>()
  const chunks = createChunkWriter(pool, log)
  const gate = createGate(WRITERS)
  const running = new Set<Promise<void>>()
  let stopping = false

  function start(identity: AttemptIdentity): void {
    // It is handed back with the others, or its lease lapses.
    if (stopping) return
    const attempt = new LiveAttempt(identity, 'waiting')
    live.set(attempt.id, attempt)
    byAnswer.set(attempt.answerId, attempt)
    const { askedAt = performance.now(), offered } = identity
    const run = writeAttempt({ ...deps, serverId, chunks, gate }, attempt, { askedAt, offered })
      .catch((error: unknown) =>
        log.error({ err: error, attempt: attempt.id }, 'an attempt could not be ended'),
      )
      .finally(() => {
        // When its end could not be saved the lease lapses, and whoever takes over finds what was flushed.
        if (attempt.conclusion === null) attempt.conclude('lost')
        chunks.drop(attempt)
        live.delete(attempt.id)
        if (byAnswer.get(attempt.answerId) === attempt) byAnswer.delete(attempt.answerId)
        running.delete(run)
      })
    running.add(run)
  }

  function stopAttempt(attemptId: string): void {
    const attempt = live.get(attemptId)
    if (attempt === undefined) return
    attempt.stopRequested = true
    attempt.abort()
  }

  async function renew(): Promise<void> {
    if (live.size === 0) return
    const before = [...live.values()]
    const owned = await renewLeases(
      leases,
      serverId,
      before.map(({ id }) => id),
    )
    for (const attempt of before) {
      const state = owned.get(attempt.id)
      if (state?.stopRequested === true) stopAttempt(attempt.id)
      // Another server has it: this one was cut off for longer than a lease, or the chat is gone.
      if (state === undefined && live.has(attempt.id) && attempt.conclusion === null) {
        attempt.conclude('lost')
        attempt.abort()
      }
    }
  }

  async function takeOver(): Promise<void> {
    if (stopping) return
    const { begun, stopped, interrupted } = await takeOverLapsed(leases, serverId, [...live.keys()])
    deps.metrics.count('AnswersServed', stopped)
    deps.metrics.count('AnswersFailed', interrupted)
    for (const attempt of begun) {
      log.warn({ attempt: attempt.id, number: attempt.number }, 'took over an answer that was interrupted')
      start(attempt)
    }
  }

  const renewing = repeat(RENEW_MS, renew, (error) => log.warn({ err: error }, 'leases could not be renewed'))
  const taking = repeat(TAKE_OVER_MS, takeOver, (error) =>
    log.warn({ err: error }, 'looking for interrupted answers failed'),
  )
  const signals = listenForAttempts(deps.config, log, { onStop: stopAttempt, onLapsed: taking.now })

  return {
    serverId,
    start,
    live: (answerId) => byAnswer.get(answerId),
    stopAttempt,
    async stop() {
      stopping = true
      await Promise.all([renewing.stop(), taking.stop(), signals.stop()])
      await chunks.flush().catch((error: unknown) => log.error({ err: error }, 'the last text was not saved'))
      for (const attempt of live.values()) {
        attempt.conclude('lost')
        attempt.abort()
      }
      await Promise.all(running)
      chunks.stop()
      await handBack(pool, serverId).catch((error: unknown) =>
        log.error({ err: error }, 'answers were not handed over; their leases lapse'),
      )
      await leases.end()
    },
  }
}

interface Repeated {
  /** Runs it now, or once more when it is running. */
  now(): void
  stop(): Promise<void>
}

/** Runs `work` every `ms`, one run at a time. */
function repeat(ms: number, work: () => Promise<void>, onError: (error: unknown) => void): Repeated {
  let stopped = false
  let again = false
  let run: Promise<void> | null = null
  const now = () => {
    if (stopped) return
    if (run !== null) {
      again = true
      return
    }
    run = work()
      .catch(onError)
      .finally(() => {
        run = null
        if (!again) return
        again = false
        now()
      })
  }
  const timer = setInterval(now, ms)
  return {
    now,
    async stop() {
      stopped = true
      clearInterval(timer)
      await run
    },
  }
}
