// One embedder for several versions at once: its passages go in one at a time of each version in turn, so that a
// short version's few passages don't stand behind all those that long ones keep ready. The embedder itself is given no
// more than its threads can hold; whatever else waits, waits here.
import type { Embedder } from '../models/port.ts'

export type PassageEmbedder = Pick<Embedder, 'embed' | 'window'>

interface Waiting {
  readonly go: () => void
}

export class EmbedderShares {
  readonly #embedder: PassageEmbedder
  readonly #atOnce: number
  /** Of each share whose passages wait, in the order of their turns. */
  readonly #turns = new Set<Waiting[]>()
  #running = 0

  /** @param atOnce passages that the embedder is given at a time. Default: a little less than a version keeps ready */
  constructor(embedder: PassageEmbedder, atOnce = Math.max(1, embedder.window - 2)) {
    this.#embedder = embedder
    this.#atOnce = atOnce
  }

  /** The embedder, for one version. */
  share(): PassageEmbedder {
    const own: Waiting[] = []
    return {
      window: this.#embedder.window,
      embed: async (text, kind, signal) => {
        await this.#turn(own, signal)
        try {
          return await this.#embedder.embed(text, kind, signal)
        } finally {
          this.#running--
          this.#next()
        }
      },
    }
  }

  #turn(own: Waiting[], signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const waiting: Waiting = {
        go: () => {
          signal?.removeEventListener('abort', abort)
          resolve()
        },
      }
      const abort = () => {
        own.splice(own.indexOf(waiting), 1)
        if (own.length === 0) this.#turns.delete(own)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      own.push(waiting)
      this.#turns.add(own)
      this.#next()
    })
  }

  #next(): void {
    for (const own of this.#turns) {
      if (this.#running >= this.#atOnce) return
      // To the end of the line, or out of it.
      this.#turns.delete(own)
      const waiting = own.shift()
      if (own.length > 0) this.#turns.add(own)
      this.#running++
      waiting?.go()
    }
  }
}
