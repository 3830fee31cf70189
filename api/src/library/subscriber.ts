// One browser's news: a queue that can not grow without bound. What is newer replaces what is waiting about the
// same thing, and a reader that is too far behind is told to fetch everything again instead.
import type { Viewer } from '../access/port.ts'
import type { DocumentItem } from './items.ts'

export type LibraryEvent =
  /** `item` is null when the document was deleted. */
  | { type: 'document'; collectionId: string; documentId: string; item: DocumentItem | null }
  /** The list of collections changed, or news may have been missed: fetch again what is shown. */
  | { type: 'collections' }
  /** The chat's title changed, or its place in the list. */
  | { type: 'chat'; chatId: string }

function aboutOf(event: LibraryEvent): string {
  if (event.type === 'document') return `document ${event.documentId}`
  if (event.type === 'chat') return `chat ${event.chatId}`
  return 'collections'
}

export class Subscriber {
  readonly viewer: Viewer
  readonly #limit: number
  readonly #waiting = new Map<string, LibraryEvent>()
  #wake: (() => void) | undefined
  #closed = false

  constructor(viewer: Viewer, limit: number) {
    this.viewer = viewer
    this.#limit = limit
  }

  push(event: LibraryEvent): void {
    if (this.#closed) return
    const about = aboutOf(event)
    if (this.#waiting.size >= this.#limit && !this.#waiting.has(about)) {
      this.#waiting.clear()
      this.#waiting.set('collections', { type: 'collections' })
    } else this.#waiting.set(about, event)
    this.#wake?.()
  }

  /** What is waiting is still read; then the reader's loop ends. */
  close(): void {
    this.#closed = true
    this.#wake?.()
  }

  /** Ends when closed or when the signal aborts. For one reader. */
  async *read(signal: AbortSignal | undefined): AsyncGenerator<LibraryEvent> {
    const abort = () => this.close()
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) this.close()
    try {
      for (;;) {
        const next = this.#waiting.entries().next()
        if (!next.done) {
          const [about, event] = next.value
          this.#waiting.delete(about)
          yield event
        } else if (this.#closed) return
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve
          })
      }
    } finally {
      this.#closed = true
      this.#waiting.clear()
      signal?.removeEventListener('abort', abort)
    }
  }
}
