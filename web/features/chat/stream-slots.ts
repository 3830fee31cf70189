// How many answer streams one browser holds open. HTTP/1.1 allows six connections to an origin, shared by every
// tab: one carries events, uploads and requests need the rest. So at most `STREAM_SLOTS` answers stream, counted
// with Web Locks over all tabs; a tab without a slot asks for the text once a second instead.
// A tab that a person turns to takes a slot from another one, so that what they look at is what streams.

export const STREAM_SLOTS = 2

export interface StreamSlot {
  /** Settles when the slot was released or another tab has taken it. */
  readonly gone: Promise<void>
  release(): void
}

export interface StreamSlots {
  /** A free slot, or with `steal` another tab's; null when there is none. */
  take(options: { steal: boolean }): Promise<StreamSlot | null>
}

/**
 * @param locks undefined where the browser offers none (plain http from another machine): then every visible
 *   tab may stream, which only many windows side by side would notice.
 */
export function streamSlots(locks: LockManager | undefined, count: number = STREAM_SLOTS): StreamSlots {
  if (locks === undefined) return { take: async () => unlimitedSlot() }
  return {
    async take({ steal }) {
      for (let n = 0; n < count; n++) {
        const slot = await hold(locks, nameOf(n), { ifAvailable: true })
        if (slot !== null) return slot
      }
      if (!steal) return null
      return hold(locks, nameOf(Math.floor(Math.random() * count)), { steal: true })
    },
  }
}

function nameOf(n: number): string {
  return `terrace-answer-stream-${n}`
}

function hold(locks: LockManager, name: string, options: LockOptions): Promise<StreamSlot | null> {
  return new Promise((resolve) => {
    const released = Promise.withResolvers<void>()
    const gone = Promise.withResolvers<void>()
    const held = locks.request(name, options, (lock) => {
      if (lock === null) {
        resolve(null)
        return
      }
      resolve({ gone: gone.promise, release: () => released.resolve() })
      return released.promise
    })
    // Rejects when another tab steals the lock, and when the page may not ask for one (no slot then).
    held
      .catch(() => undefined)
      .then(() => {
        gone.resolve()
        resolve(null)
      })
  })
}

function unlimitedSlot(): StreamSlot {
  const gone = Promise.withResolvers<void>()
  return { gone: gone.promise, release: () => gone.resolve() }
}
