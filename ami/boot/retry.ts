// Time, and pauses between tries.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../aws/port.ts'

export type { Clock }

/** Never jumps: while a server boots its clock is set right, by hours at times. */
export const STEADY_CLOCK: Clock = {
  now: () => new Date(performance.timeOrigin + performance.now()),
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, signal && { signal })
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
  },
}

/** Milliseconds of the next pause: each up to twice as long as the one before, and by chance a part shorter, since servers boot together. */
export function* pauses(first: number, longest: number): Generator<number, never> {
  for (let ms = first; ; ms = Math.min(ms * 2, longest)) yield ms * (0.75 + Math.random() / 4)
}

/** What cannot become better by trying again. */
export class Hopeless extends Error {
  override readonly name = 'Hopeless'
}

export interface Trying {
  readonly clock: Clock
  /** Milliseconds from the first try, after which there is no other one. */
  readonly patienceMs: number
  /** Of the pauses; default 1 s and 30 s. */
  readonly firstMs?: number
  readonly longestMs?: number
  /** Told of each failure that is not the last one. */
  readonly onFailure?: (error: Error) => void
}

/**
 * Tries until it goes well.
 * @throws what the last try threw, when patience ends; at once when that is Hopeless
 */
export async function retry<T>(
  { clock, patienceMs, firstMs = 1_000, longestMs = 30_000, onFailure }: Trying,
  work: () => Promise<T>,
): Promise<T> {
  const until = clock.now().getTime() + patienceMs
  for (const pause of pauses(firstMs, longestMs)) {
    try {
      return await work()
    } catch (error) {
      const left = until - clock.now().getTime()
      if (!(error instanceof Error) || error instanceof Hopeless || left <= 0) throw error
      onFailure?.(error)
      await clock.sleep(Math.min(pause, left))
    }
  }
  throw new Error('there is always another pause')
}
