// Follows one running answer to its end, whatever happens on the way: streams while this tab is visible and has
// a slot, asks once a second while it has none, rests while nobody looks, and comes back after any break at the
// offset it had. Free of React and of the network, so that every way of breaking can be played in a test.
import { type AnswerEvent, type AnswerView, applyEvent, applySnapshot, eventId, hasEnded } from './answer.ts'
import type { StreamSlot, StreamSlots } from './stream-slots.ts'

/** Milliseconds. */
export const WATCH = {
  poll: 1_000,
  /** A hidden tab keeps its stream this long: people switch to and fro. */
  hiddenGrace: 10_000,
  firstRetry: 500,
  lastRetry: 15_000,
} as const

export interface StreamHandlers {
  onEvent(event: AnswerEvent, id: string): void
  /** The server closed the stream. */
  onClose(): void
  onError(): void
}

export interface PageAttention {
  visible(): boolean
  /** True once for each time that a person turned to this page. */
  turnedTo(): boolean
  onChange(listener: () => void): () => void
}

export interface WatchDeps {
  /** Streams from after `lastEventId`; returns what ends it. */
  readonly stream: (lastEventId: string, handlers: StreamHandlers) => () => void
  /** The answer as stored; null when it no longer exists for this viewer. Throws when that can't be told. */
  readonly snapshot: () => Promise<AnswerView | null>
  readonly slots: StreamSlots
  readonly page: PageAttention
}

export type Connection = 'connecting' | 'live' | 'polling' | 'hidden' | 'reconnecting' | 'gone' | 'ended'

/** How the text comes: from the model endpoint, from a server, or from a server because the endpoint could not be reached. */
export type AnswerPath = 'direct' | 'relayed' | 'fallback'

export interface AnswerWatch {
  view(): AnswerView
  connection(): Connection
  path(): AnswerPath
  subscribe(listener: () => void): () => void
  close(): void
}

type StreamOutcome = 'closed' | 'failed' | 'gap' | 'taken' | 'hidden'

export function watchAnswer(initial: AnswerView, deps: WatchDeps): AnswerWatch {
  let view = initial
  let connection: Connection = 'connecting'
  const closing = new AbortController()
  const listeners = new Set<() => void>()

  function update(nextView: AnswerView, nextConnection: Connection): void {
    if (closing.signal.aborted || (nextView === view && nextConnection === connection)) return
    view = nextView
    connection = nextConnection
    for (const listener of listeners) listener()
  }

  async function takeSnapshot(): Promise<boolean> {
    try {
      const stored = await deps.snapshot()
      if (stored === null) update(view, 'gone')
      else update(applySnapshot(view, stored), connection)
      return true
    } catch {
      return false
    }
  }

  function stream(slot: StreamSlot): Promise<StreamOutcome> {
    return new Promise((resolve) => {
      let graceTimer: ReturnType<typeof setTimeout> | undefined
      const finish = (outcome: StreamOutcome) => {
        clearTimeout(graceTimer)
        stopListening()
        stopStream()
        closing.signal.removeEventListener('abort', onAbort)
        resolve(outcome)
      }
      const onAbort = () => finish('closed')
      const stopListening = deps.page.onChange(() => {
        clearTimeout(graceTimer)
        if (!deps.page.visible()) graceTimer = setTimeout(() => finish('hidden'), WATCH.hiddenGrace)
      })
      const stopStream = deps.stream(eventId(view), {
        onEvent(event, id) {
          update(applyEvent(view, event, id), 'live')
          if (view.gap) finish('gap')
          else if (hasEnded(view.state)) finish('closed')
        },
        onClose: () => finish('closed'),
        onError: () => finish('failed'),
      })
      closing.signal.addEventListener('abort', onAbort)
      slot.gone.then(() => finish('taken'))
    })
  }

  /** Sleeps; wakes early when the page's attention changes or the watch is closed. */
  function rest(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        stopListening()
        closing.signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = Number.isFinite(milliseconds) ? setTimeout(wake, milliseconds) : undefined
      const stopListening = deps.page.onChange(wake)
      closing.signal.addEventListener('abort', wake)
    })
  }

  async function follow(): Promise<void> {
    let failures = 0
    let stale = false
    const running = () => !closing.signal.aborted && !hasEnded(view.state) && connection !== 'gone'
    while (running()) {
      if (!deps.page.visible()) {
        update(view, 'hidden')
        stale = true
        await rest(Number.POSITIVE_INFINITY)
        continue
      }
      if (stale) {
        stale = !(await takeSnapshot())
        if (!running()) break
        if (stale) {
          update(view, 'reconnecting')
          await rest(retryAfter(++failures))
          continue
        }
      }
      const slot = await deps.slots.take({ steal: deps.page.turnedTo() })
      if (!running()) {
        slot?.release()
        break
      }
      if (slot === null) {
        update(view, 'polling')
        await rest(WATCH.poll)
        stale = true
        continue
      }
      const outcome = await stream(slot)
      slot.release()
      if (!running()) break
      // A stream that closes or skips text without an end is asked again from the offset that is here; what is
      // stored is looked at first, since the answer may have ended or begun anew elsewhere.
      stale = outcome !== 'taken'
      if (outcome === 'failed' || outcome === 'closed') {
        update(view, 'reconnecting')
        await rest(retryAfter(++failures))
      } else failures = 0
    }
    if (hasEnded(view.state)) update(view, 'ended')
  }

  void follow()
  return {
    view: () => view,
    connection: () => connection,
    path: () => 'relayed',
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => closing.abort(),
  }
}

function retryAfter(failures: number): number {
  return Math.min(WATCH.lastRetry, WATCH.firstRetry * 2 ** (failures - 1))
}
