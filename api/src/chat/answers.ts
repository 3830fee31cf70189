// The answers that this server is writing. An answer goes on whether or not anybody watches; it ends by itself, by a
// person's stop, by an error, or by this server's end, when another one takes it over (attempts.ts).
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import { databaseIsAway } from '../database/away.ts'
import { createPool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { type AnswerDeps, type AnswerSink, answerQuestion, citedPassages, type Progress } from './answer.ts'
import { type AttemptEnd, handBack, renewLeases, saveEnd, saveProgress, takeOverLapsed } from './attempts.ts'
import { type ChunkWriter, createChunkWriter } from './chunks.ts'
import { loadContext } from './context.ts'
import { createGate, type Gate } from './gate.ts'
import { type AttemptIdentity, LiveAttempt } from './live.ts'
import { countEnd, waitForWords } from './measure.ts'
import { listenForAttempts } from './signals.ts'

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
/** Ends are tried for about half a minute. */
const SAVE_TRIES = 16
const SAVE_PAUSE_MS = 250
/** Milliseconds between one look for an answer's passages and the next while the database is away: 10 s in all. */
const AWAY_PAUSES_MS = [250, 500, 1_000, 1_500, 2_000, 2_250, 2_500]

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
    const { askedAt = performance.now() } = identity
    const run = write({ ...deps, serverId, chunks, gate }, attempt, askedAt)
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

interface Writing extends AnswersDeps {
  readonly serverId: string
  readonly chunks: ChunkWriter
  readonly gate: Gate
}

/** Writes one attempt to its end. @throws when its end could not be saved */
async function write(deps: Writing, attempt: LiveAttempt, askedAt: number | null): Promise<void> {
  const { pool, log, serverId, chunks, gate, metrics } = deps
  const wait = waitForWords(metrics, askedAt)
  const progress: Progress = { model: '', passages: [], used: [], behind: false }
  // Progress is for those who look from elsewhere: nobody here waits for it, but its order is kept.
  let noted: Promise<void> = Promise.resolve()
  const note = () => {
    const { state } = attempt
    const { model, passages } = progress
    noted = noted
      .then(() => gate.pass(() => saveProgress(pool, serverId, attempt.id, { state, model, passages })))
      .catch((error: unknown) => log.warn({ err: error, attempt: attempt.id }, 'progress was not saved'))
  }
  const sink: AnswerSink = {
    signal: attempt.signal,
    get length() {
      return attempt.length
    },
    searching: (query) => attempt.setSearching(query),
    reading(passages, model) {
      progress.model = model
      attempt.setState('reading', passages.length)
      note()
    },
    say(text) {
      if (attempt.state !== 'streaming') {
        attempt.setState('streaming')
        note()
      }
      attempt.append(text)
      wait.shown(text)
      chunks.add(attempt)
    },
  }
  let failure: AppError | null = null
  let usage: { inputTokens: number | null; outputTokens: number | null } = {
    inputTokens: null,
    outputTokens: null,
  }
  try {
    usage = await throughAbsence(deps, attempt, async () => {
      const context = await loadContext(pool, attempt)
      progress.model = context.model
      return await answerQuestion(deps, context, sink, progress)
    })
  } catch (error) {
    if (!attempt.stopRequested && attempt.conclusion === null) {
      failure =
        error instanceof AppError
          ? error
          : new AppError('INTERNAL', { requestId: attempt.id }, { cause: error })
      log.warn({ err: error, attempt: attempt.id, code: failure.code }, 'an answer failed')
    }
  }
  if (attempt.conclusion === 'lost') return
  await noted
  chunks.drop(attempt)
  const end: AttemptEnd = {
    state: failure !== null ? 'failed' : attempt.stopRequested ? 'stopped' : 'done',
    text: attempt.read(0),
    citations: citedPassages(progress),
    model: progress.model,
    behind: progress.behind,
    error: failure === null ? null : { code: failure.code, detail: failure.detail },
    ...usage,
  }
  const saved = await saveEndForSure(deps, attempt, end)
  attempt.conclude(saved ? 'ended' : 'lost')
  if (!saved) return
  countEnd(metrics, end)
  // Quotes come with the end.
  if (end.citations.length > 0) wait.shown('quotes')
}

/**
 * Answers a question that was taken although the database goes away for a moment: a restart, a failover. Only until
 * its passages are found; what comes after does not ask the database, and is never said twice.
 */
async function throughAbsence<T>({ log }: Writing, attempt: LiveAttempt, work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      const pause = AWAY_PAUSES_MS[tries - 1]
      const begun = attempt.length > 0 || (attempt.state !== 'waiting' && attempt.state !== 'searching')
      if (begun || pause === undefined || attempt.signal.aborted || !databaseIsAway(error)) throw error
      log.warn({ err: error, attempt: attempt.id, tries }, 'the database is away: an answer waits for it')
      await sleep(pause, undefined, { signal: attempt.signal })
    }
  }
}

/**
 * Saves an end through a database that is away for a while: an answer that is complete is not written again for that.
 * The lease may lapse meanwhile; then saving changes nothing and says so.
 */
async function saveEndForSure(
  { pool, log, serverId, gate }: Writing,
  attempt: LiveAttempt,
  end: AttemptEnd,
): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      return await gate.pass(() => saveEnd(pool, serverId, attempt, end))
    } catch (error) {
      if (tries === SAVE_TRIES || attempt.conclusion !== null) throw error
      log.warn({ err: error, attempt: attempt.id, tries }, 'an end was not saved yet')
      await sleep(SAVE_PAUSE_MS * tries)
    }
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
