// The event streams that are open on this server, by person. One person can't take all of a server's; and when the
// log says that a person's sessions changed, theirs end, so that whoever still has a session comes back in a few seconds and
// whoever signed out, or was removed, is told so.
import { AppError } from '../errors.ts'

/** A browser has three at a time, however many tabs (DESIGN §5); this is many browsers and scripts. */
export const STREAMS_PER_PERSON = 100

export class OpenStreams {
  readonly #people = new Map<string, Set<AbortController>>()

  /** @returns what to call when the stream is over @throws AppError TOO_MANY_REQUESTS */
  admit(userId: string, stream: AbortController): () => void {
    const streams = this.#people.get(userId) ?? new Set()
    if (streams.size >= STREAMS_PER_PERSON) throw new AppError('TOO_MANY_REQUESTS', { seconds: 10 })
    this.#people.set(userId, streams.add(stream))
    return () => {
      streams.delete(stream)
      if (streams.size === 0 && this.#people.get(userId) === streams) this.#people.delete(userId)
    }
  }

  get count(): number {
    let count = 0
    for (const streams of this.#people.values()) count += streams.size
    return count
  }

  /** Ends a person's streams without their `return` event: their clients ask again. */
  end(userId: string): void {
    for (const stream of this.#people.get(userId) ?? []) stream.abort()
  }
}
