// How many parts a process sends to S3 at a time, over all its uploads: this is what bounds the memory they take.

export class PartSlots {
  #free: number
  readonly #queue = new Set<() => void>()

  constructor(slots: number) {
    this.#free = slots
  }

  /** In the order of asking. @returns what gives the slot back, to be called once @throws the signal's reason */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#wait(signal)
    return () => {
      const [next] = this.#queue
      // From hand to hand: nobody who comes later can take it in between.
      if (next !== undefined) next()
      else this.#free++
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const turn = () => {
        this.#queue.delete(turn)
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = () => {
        this.#queue.delete(turn)
        reject(signal.reason)
      }
      this.#queue.add(turn)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }
}
