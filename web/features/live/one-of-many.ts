// One event subscription for all tabs of a browser: browsers allow six connections to an origin, and eight tabs
// with a stream each would leave none for anything else.
// The tab that holds the Web Lock subscribes and hands on what it hears; when it closes, the lock goes to the next.

export interface Channel<Event> {
  post: (event: Event) => void
  close: () => void
}

export interface Stage<Event> {
  /** Calls `lead` once this tab is the one, and keeps it so until the signal aborts. */
  elect: (lead: () => void, signal: AbortSignal) => void
  /** Reaches all other tabs. */
  open: (onEvent: (event: Event) => void) => Channel<Event>
}

interface Options<Event> {
  stage: Stage<Event>
  /**
   * Begins a subscription whose first event, at every connection, says that anything may have been missed: the
   * tabs that follow need to hear so as well. @returns how to end it
   */
  subscribe: (onEvent: (event: Event) => void) => () => void
  onEvent: (event: Event) => void
}

/** @returns how to leave */
export function followTogether<Event>({ stage, subscribe, onEvent }: Options<Event>): () => void {
  const leaving = new AbortController()
  const channel = stage.open(onEvent)
  let end: (() => void) | null = null
  stage.elect(() => {
    if (leaving.signal.aborted) return
    end = subscribe((event) => {
      onEvent(event)
      channel.post(event)
    })
  }, leaving.signal)
  return () => {
    end?.()
    channel.close()
    // Last: with it the next tab begins.
    leaving.abort()
  }
}

/** The browser's own means. Null where it has no Web Locks, which is on plain http away from localhost. */
export function browserStage<Event>(name: string): Stage<Event> | null {
  if (!('locks' in navigator) || typeof BroadcastChannel === 'undefined') return null
  return {
    elect(lead, signal) {
      const hold = () =>
        new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => resolve(), { once: true })
          lead()
        })
      // Rejects when the signal aborts while waiting, which is how leaving looks.
      navigator.locks.request(name, { signal }, hold).catch(() => {})
    },
    open(onEvent) {
      const channel = new BroadcastChannel(name)
      channel.onmessage = (message: MessageEvent<Event>) => onEvent(message.data)
      return { post: (event) => channel.postMessage(event), close: () => channel.close() }
    },
  }
}
