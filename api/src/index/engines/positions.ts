// Those who wait until the index has applied a position of the log (promise P2).
import { AppError } from '../../errors.ts'
import type { Position } from '../port.ts'

/** Places of different epochs can't be compared: none has reached the other. */
export function hasReached(at: Position | null | undefined, wanted: Position): boolean {
  return at != null && at.epoch === wanted.epoch && at.seq >= wanted.seq
}

export class Positions {
  readonly #checks = new Set<() => void>()

  /** Resolves once `reached` is true, asked at every move; rejects with UNAVAILABLE after `timeoutMs`. */
  async reached(reached: () => boolean, timeoutMs: number): Promise<void> {
    if (reached()) return
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => {
      if (reached()) resolve()
    }
    this.#checks.add(check)
    const timer = setTimeout(() => reject(unavailable('the search index is behind')), timeoutMs)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#checks.delete(check)
    }
  }

  moved(): void {
    for (const check of [...this.#checks]) check()
  }
}

export function unavailable(reason: string): AppError {
  return new AppError('UNAVAILABLE', { reason })
}
