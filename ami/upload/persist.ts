// Trying again: which errors pass by themselves, and how long one waits for that.
// The EBS client tries nothing again itself (aws/connect.ts): this is the only layer.
import type { Clock } from '../../aws/port.ts'
import { AwsProblem, statusOf } from '../../aws/problems.ts'

const FIRST_MS = 500
const LONGEST_MS = 15_000

/** `slow`: AWS wants fewer calls. `again`: nothing is known about the call, or it was AWS's own mistake. */
export type Passing = 'slow' | 'again'

export function passing(error: unknown): Passing | undefined {
  if (error instanceof AwsProblem) {
    if (error.kind === 'throttled') return 'slow'
    return error.kind === 'unreachable' ? 'again' : undefined
  }
  if (!(error instanceof Error)) return undefined
  if (error.name === 'ConcurrentLimitExceededException') return 'slow'
  const status = statusOf(error)
  if (status === 503) return 'slow'
  return typeof status === 'number' && status >= 500 ? 'again' : undefined
}

/** A snapshot that was just begun may not be known yet to those who take its blocks (coldsnap #43). */
export const isUnknown = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ResourceNotFoundException'

export const isInvalid = (error: unknown): boolean =>
  error instanceof Error && error.name === 'ValidationException'

/** Milliseconds before the next try: twice as long each time, up to 15 s, and no two callers at once. @param tries so far, at least 1 */
export function pause(tries: number): number {
  const longest = Math.min(FIRST_MS * 2 ** Math.min(tries - 1, 10), LONGEST_MS)
  return longest * (0.5 + Math.random() / 2)
}

/**
 * One call that may be made as often as one likes.
 * @param patienceMs from the first failure on
 * @throws what it threw last
 */
export async function persist<T>(
  clock: Clock,
  patienceMs: number,
  signal: AbortSignal | undefined,
  isPassing: (error: unknown) => boolean,
  call: () => Promise<T>,
): Promise<T> {
  let until: number | undefined
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted()
    try {
      return await call()
    } catch (error) {
      until ??= clock.now().getTime() + patienceMs
      if (!isPassing(error) || clock.now().getTime() >= until) throw error
      await clock.sleep(pause(tries), signal)
    }
  }
}
