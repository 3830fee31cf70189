// Lets a few through at a time. When a thousand answers end together, they must not take every connection of the
// pool: searches, sign-ins and new questions wait at the same door, and not for longer than the pool's time-out.
export interface Gate {
  /** Runs `work` when its turn comes, first come, first served. */
  pass<T>(work: () => Promise<T>): Promise<T>
}

/** @param width how many at a time */
export function createGate(width: number): Gate {
  const waiting: (() => void)[] = []
  let inside = 0
  return {
    async pass(work) {
      // Who leaves hands the place on, so that nobody slips in between.
      if (inside === width) await new Promise<void>((resolve) => waiting.push(resolve))
      else inside++
      try {
        return await work()
      } finally {
        const next = waiting.shift()
        if (next === undefined) inside--
        else next()
      }
    },
  }
}
