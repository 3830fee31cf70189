// What a page tells the server of an answer that it is getting itself: the text so far, and that it is still there. Each
// push renews the page's lease on the answer. Arriving text drives them as much as timers do: a tab in the background
// has its timers slowed down to one a second, later to one a minute.

/** Milliseconds. */
export const PUSHES = {
  /** At most this often while text arrives. */
  interval: 500,
  /** At least this often: the lease is four times as long (contract with chats.push). */
  heartbeat: 5_000,
  /** A push that got no reply by then is given up: the next one carries what it carried. */
  patience: 8_000,
} as const

export interface PushDeps {
  /** `start`: offset of the text in the answer, UTF-16 units. Throws when it did not arrive. */
  readonly push: (start: number, text: string, signal: AbortSignal) => Promise<Pushed>
  /** It did arrive, and will not be taken. */
  readonly isRefusal: (error: unknown) => boolean
  /** The answer is not this page's any more. */
  readonly onLost: () => void
  /** Somebody wants it to stop. */
  readonly onStop: () => void
  readonly onReached: (reached: boolean) => void
}

export interface Pushed {
  readonly owned: boolean
  readonly stop: boolean
  /** It was given up, since the page was not heard of, and its whole text will be taken all the same. Builds before this say nothing. */
  readonly late?: boolean
}

export interface Pushes {
  add(text: string): void
  close(): void
}

export function startPushes(deps: PushDeps): Pushes {
  let acknowledged = 0
  /** What the server has not said that it has. */
  let unsaid = ''
  let sentAt = performance.now()
  let sending = false
  /** Nothing in parts is taken any more: it is only asked whether the whole still is. */
  let late = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const closed = new AbortController()

  async function send(): Promise<void> {
    sending = true
    sentAt = performance.now()
    const sent = late ? '' : unsaid
    const given = new AbortController()
    const patience = setTimeout(() => given.abort(), PUSHES.patience)
    try {
      const signal = AbortSignal.any([given.signal, closed.signal])
      const { owned, stop, late: isLate = false } = await deps.push(acknowledged, sent, signal)
      if (closed.signal.aborted) return
      late = isLate
      acknowledged += sent.length
      unsaid = unsaid.slice(sent.length)
      deps.onReached(true)
      if (!owned && !late) deps.onLost()
      else if (stop) deps.onStop()
    } catch (error) {
      if (closed.signal.aborted) return
      if (deps.isRefusal(error)) deps.onLost()
      else deps.onReached(false)
    } finally {
      clearTimeout(patience)
      sending = false
      plan()
    }
  }

  function plan(): void {
    clearTimeout(timer)
    if (sending || closed.signal.aborted) return
    const due = sentAt + (unsaid === '' || late ? PUSHES.heartbeat : PUSHES.interval)
    const wait = due - performance.now()
    if (wait > 0) timer = setTimeout(plan, wait)
    else void send()
  }

  plan()
  return {
    add(text) {
      unsaid += text
      plan()
    },
    close() {
      closed.abort()
      clearTimeout(timer)
    },
  }
}
