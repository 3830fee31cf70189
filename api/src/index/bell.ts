// Who follows something waits between two looks until it is told of more, and no longer than a poll: what tells it may be lost.
import { setTimeout as sleep } from 'node:timers/promises'

export class Bell {
  #rung = false
  #heard: (() => void) | undefined

  /** Ends the wait that is under way, or else the next one at once. */
  ring(): void {
    this.#rung = true
    this.#heard?.()
  }

  /** Before a look: what is rung from then on may tell of more than the look finds. */
  silence(): void {
    this.#rung = false
  }

  /** Until it is rung, the time is over, or the signal aborts. @param ms milliseconds */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#rung) return
    const rung = new Promise<void>((resolve) => {
      this.#heard = resolve
    })
    const timer = new AbortController()
    const over = sleep(ms, undefined, { signal: AbortSignal.any([signal, timer.signal]) })
    await Promise.race([rung, over.catch(() => {})])
    timer.abort()
    this.#heard = undefined
  }
}
