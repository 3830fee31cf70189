// One attempt that this server owns, from its question to its saved end: what happens on the way is noted for those who
// look from elsewhere, a database that is away is waited for, and an end is saved for sure.
import { setTimeout as sleep } from 'node:timers/promises'
import { databaseIsAway } from '../database/away.ts'
import { AppError } from '../errors.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { type AnswerDeps, type AnswerSink, answerQuestion, citedPassages, type Progress } from './answer.ts'
import { type AttemptEnd, saveEnd } from './attempt-end.ts'
import { saveProgress } from './attempts.ts'
import type { ChunkWriter } from './chunks.ts'
import { loadContext } from './context.ts'
import type { Gate } from './gate.ts'
import type { LiveAttempt, Offered } from './live.ts'
import { countEnd, waitForWords } from './measure.ts'

/** Ends are tried for about half a minute. */
const SAVE_TRIES = 16
const SAVE_PAUSE_MS = 250
/** Milliseconds between one look for an answer's passages and the next while the database is away: 10 s in all. */
const AWAY_PAUSES_MS = [250, 500, 1_000, 1_500, 2_000, 2_250, 2_500]

export interface Writing extends AnswerDeps {
  readonly metrics: Metrics
  readonly serverId: string
  readonly chunks: ChunkWriter
  readonly gate: Gate
}

/** Writes one attempt to its end. @throws when its end could not be saved */
export async function writeAttempt(
  deps: Writing,
  attempt: LiveAttempt,
  { askedAt, offered }: { readonly askedAt: number | null; readonly offered: Offered | undefined },
): Promise<void> {
  const { pool, log, serverId, chunks, gate, metrics } = deps
  const wait = waitForWords(metrics, askedAt)
  const progress: Progress = { model: '', passages: [], used: [], behind: false, wordsOnly: null }
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
      const context = { ...(await loadContext(pool, attempt)), ...(offered === undefined ? {} : { offered }) }
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
    wordsOnly: progress.wordsOnly,
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
