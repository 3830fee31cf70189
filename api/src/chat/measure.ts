// What is measured of answers: how long their readers wait for the first words, and how they end.
import type { ErrorCode } from '../../../contract/errors.ts'
import type { Metrics } from '../metrics/metrics.ts'

/** What a budget, a right or a limit of the asker's own refused says nothing about how well questions are answered. */
const REFUSALS: readonly ErrorCode[] = [
  'BUDGET_SPENT',
  'BUDGET_NONE',
  'FORBIDDEN',
  'NOT_FOUND',
  'KEY_INVALID',
  'KEY_NOT_ALLOWED',
  'TOO_MANY_REQUESTS',
  'QUESTION_TOO_LONG',
  'MODEL_REFUSED_REQUEST',
]

/** Once for each answer, when its end is saved. */
export function countEnd(
  metrics: Metrics,
  end: {
    readonly state: 'done' | 'stopped' | 'failed'
    readonly error: { readonly code: ErrorCode | string } | null
  },
): void {
  if (end.state !== 'failed') metrics.count('AnswersServed')
  else if (!REFUSALS.some((code) => code === end.error?.code)) metrics.count('AnswersFailed')
}

export interface Wait {
  /** This is shown to the reader now. */
  shown(text: string): void
}

/** @param askedAt performance.now() when the question was taken; null when words of its answer were seen before */
export function waitForWords(metrics: Metrics, askedAt: number | null): Wait {
  let waiting = askedAt
  return {
    shown(text) {
      if (waiting === null || text.trim() === '') return
      metrics.value('TimeToFirstToken', performance.now() - waiting)
      waiting = null
    },
  }
}
