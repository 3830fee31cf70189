// One answer that this page gets from the model endpoint itself, from the offer to the end: streams, tells the server what
// it has, and says how it ended. Whatever does not work before the first token is the server's to write; from then on,
// and after the end, this is a watch like any other. Free of React and of the network, as watch-answer.ts.
//
// A page that goes away says nothing: its lease lapses, and the answer is interrupted with what had been pushed.
import { createCitationMapper } from '../../../../contract/citations.ts'
import type { EndpointErrorCode } from '../../../../contract/endpoint-errors.ts'
import { createPieceCleaner } from '../../../../contract/pieces.ts'
import { type AnswerEvent, type AnswerView, applyEvent, applySnapshot, eventId, hasEnded } from '../answer.ts'
import type { AnswerPath, AnswerWatch, Connection } from '../watch-answer.ts'
import { createEndpointReader, errorCode } from './endpoint-events.ts'
import { withPatience } from './patience.ts'
import { type Pushed, startPushes } from './pushes.ts'

/** Milliseconds. */
export const DIRECT = {
  /** The server ends its search after 15 s, and waits 8 s for a database that is away. */
  preparing: 30_000,
  /** The endpoint itself limits a model's silence: who says nothing for this long is not it. */
  firstToken: 150_000,
  /** From then on: a connection that is dead without a word would hold the answer, and its chat, for ever. */
  silence: 60_000,
  firstRetry: 500,
  lastRetry: 5_000,
  /** How long an end is tried to be told, and one try of it. */
  retries: 30_000,
  telling: 8_000,
} as const

/** What the server gives a page that is to get an answer itself. */
export interface Offer {
  /** The attempt's number. */
  readonly attempt: number
  readonly url: string
  /** For this request, once. */
  readonly token: string
  /** Sent unchanged: the token is bound to it. */
  readonly request: object
  /** How many passages the model is given: numbers up to this are citations. */
  readonly passages: number
}

export interface Finish {
  /** As the model said it: the receipt is for this text. */
  readonly text: string
  readonly receipt: string | null
  readonly ending: 'done' | 'stopped' | 'failed'
  /** When it failed. */
  readonly code?: EndpointErrorCode
}

/** All but `isRefusal` throw when the network fails, the server refuses, or a signal that they are given aborts. */
export interface DirectDeps {
  /** Null: a server writes it, or it has ended. */
  readonly prepare: (signal: AbortSignal) => Promise<Offer | null>
  readonly request: (offer: Offer, signal: AbortSignal) => Promise<Response>
  readonly push: (start: number, text: string, signal: AbortSignal) => Promise<Pushed>
  readonly finish: (finish: Finish, signal: AbortSignal) => Promise<unknown>
  /** Has the server write it. */
  readonly relay: (signal: AbortSignal) => Promise<unknown>
  /** Has whoever writes it stop. */
  readonly stop: (signal: AbortSignal) => Promise<unknown>
  /** Whether the server itself said no, so that trying again is of no use. */
  readonly isRefusal: (error: unknown) => boolean
  /** The answer as stored; null when it no longer exists for this viewer. */
  readonly snapshot: () => Promise<AnswerView | null>
  readonly watch: (view: AnswerView) => AnswerWatch
  /** Called when the page goes away, for good or into the browser's back/forward cache. */
  readonly onLeave: (listener: () => void) => () => void
  /** A server writes it, and nobody watches it here any more: who comes back watches it anew. */
  readonly onClosed: () => void
  /** The endpoint can't be reached from here: other answers need not try. */
  readonly onUnreachable: () => void
}

/** `close` only leaves it: it goes on until it has ended, or is a server's; then the watch of that is closed, for good. */
export interface DirectAnswer extends AnswerWatch {
  /** Ends it here and now. @returns false when that is the server's to do */
  stop(): boolean
}

type Outcome = 'watch' | 'relay' | 'unreachable' | Finish
/** Why the page has let go of the stream. */
type Reason = 'stopped' | 'lost' | 'left' | 'late'

export function answerDirectly(initial: AnswerView, deps: DirectDeps): DirectAnswer {
  /** What is known; `shown` is already stopped when a person has stopped it and the server has yet to say so. */
  let view = initial
  let shown = initial
  let connection: Connection = 'connecting'
  let path: AnswerPath = 'direct'
  let reason: Reason | null = null
  let raw = ''
  let inner: AnswerWatch | null = null
  let settled = false
  const letGo = new AbortController()
  const listeners = new Set<() => void>()

  function update(nextView: AnswerView, nextConnection: Connection = connection): void {
    view = nextView
    const stopped = reason === 'stopped' && !hasEnded(view.state)
    const nextShown: AnswerView = stopped ? { ...view, state: 'stopped' } : view
    connection = nextConnection
    shown = nextShown
    for (const listener of listeners) listener()
  }

  const apply = (event: AnswerEvent) => update(applyEvent(view, event, eventId(view)))

  function end(why: Reason): void {
    reason ??= why
    letGo.abort()
  }

  async function outcome(): Promise<Outcome> {
    apply({ type: 'state', attempt: view.attempt, state: 'searching' })
    let offer: Offer | null
    try {
      // A search takes seconds: who stops or leaves does not wait for it.
      offer = await withPatience(DIRECT.preparing, deps.prepare, letGo.signal)
    } catch {
      if (reason === 'left') return 'watch'
      if (reason !== 'stopped') return 'relay'
      // It may be a server's by now.
      await withPatience(DIRECT.telling, deps.stop).catch(() => undefined)
      return stoppedHere()
    }
    if (offer === null) return 'watch'
    const { attempt, passages } = offer
    apply({ type: 'state', attempt, state: 'reading', passages })
    return stream(offer)
  }

  async function stream(offer: Offer): Promise<Outcome> {
    let tooLate = setTimeout(() => end('late'), DIRECT.firstToken)
    const pushes = startPushes({
      ...deps,
      onLost: () => end('lost'),
      onStop: () => stop(),
      onReached: (reached) => update(view, reached ? 'live' : 'reconnecting'),
    })
    const text = createPieceCleaner()
    const citations = createCitationMapper(offer.passages)
    const show = (fresh: string) => {
      if (fresh === '') return
      apply({ type: 'text', attempt: offer.attempt, start: view.text.length, text: fresh })
      pushes.add(fresh)
    }
    try {
      letGo.signal.throwIfAborted()
      const response = await deps.request(offer, letGo.signal)
      if (!response.ok || response.body === null) {
        // Without a code of the endpoint's it was not the endpoint that said no.
        const code = errorCode(await response.json().catch(() => null))
        return code === null ? 'unreachable' : 'relay'
      }
      const read = createEndpointReader()
      const reader = response.body.getReader()
      let receipt: string | null = null
      for (;;) {
        const { done, value } = await reader.read()
        // The last thing before the end is the receipt: with it nothing of the text is missing.
        if (done) return receipt === null ? broken('MODEL_INTERRUPTED') : finished(receipt)
        let fresh = ''
        for (const event of read(value)) {
          if (event.type === 'text') {
            raw += event.text
            fresh += citations.push(text.push(event.text))
          } else if (event.type === 'receipt') receipt = event.receipt
          else {
            show(event.type === 'done' ? fresh + citations.end() : fresh)
            void reader.cancel().catch(() => undefined)
            return event.type === 'done' ? finished(receipt) : broken(event.code)
          }
        }
        if (raw !== '') {
          clearTimeout(tooLate)
          tooLate = setTimeout(() => end('late'), DIRECT.silence)
        }
        show(fresh)
      }
    } catch {
      if (reason === null) return raw === '' ? 'unreachable' : broken('MODEL_INTERRUPTED')
      if (reason === 'late') return raw === '' ? 'unreachable' : broken('MODEL_INTERRUPTED')
      return reason === 'stopped' ? stoppedHere() : 'watch'
    } finally {
      clearTimeout(tooLate)
      pushes.close()
      update(view, 'live')
    }
  }

  const finished = (receipt: string | null): Outcome =>
    raw === '' ? 'relay' : { text: raw, receipt, ending: 'done' }
  const broken = (code: EndpointErrorCode): Outcome =>
    raw === '' ? 'relay' : { text: raw, receipt: null, ending: 'failed', code }
  const stoppedHere = (): Outcome => ({ text: raw, receipt: null, ending: 'stopped' })

  /** The server is told, or is not there for a while: then the lease ends it, and the watch says how. */
  async function tell(what: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    const since = performance.now()
    for (let wait: number = DIRECT.firstRetry; ; wait = Math.min(wait * 2, DIRECT.lastRetry)) {
      try {
        await withPatience(DIRECT.telling, what)
        return
      } catch (error) {
        const over = performance.now() - since + wait > DIRECT.retries
        if (over || deps.isRefusal(error)) return
        update(view, 'reconnecting')
        await new Promise((resolve) => setTimeout(resolve, wait))
      }
    }
  }

  async function run(): Promise<void> {
    const stopListening = deps.onLeave(() => {
      // Nothing that this page still says may look like an end that somebody chose.
      if (!settled) reason = 'left'
      letGo.abort()
    })
    const result = await outcome()
    settled = true
    if (result === 'unreachable') deps.onUnreachable()
    if (result === 'relay' || result === 'unreachable') {
      path = 'fallback'
      update(view)
      await tell(deps.relay)
    } else {
      if (result !== 'watch') await tell((signal) => deps.finish(result, signal))
      path = 'relayed'
      const stored = await withPatience(DIRECT.telling, deps.snapshot).catch(() => undefined)
      if (stored === null) update(view, 'gone')
      else if (stored !== undefined) update(applySnapshot(view, stored))
    }
    stopListening()
    if (connection === 'gone') return
    if (hasEnded(view.state)) update(view, 'ended')
    else follow()
  }

  function follow(): void {
    const watch = deps.watch(view)
    inner = watch
    const take = () => update(watch.view(), watch.connection())
    watch.subscribe(take)
    take()
  }

  function stop(): boolean {
    if (inner !== null || (settled && reason !== 'stopped')) return false
    end('stopped')
    update(view)
    return true
  }

  void run()
  return {
    view: () => shown,
    connection: () => connection,
    path: () => path,
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    stop,
    close() {
      // A watch that nobody looks at would keep one of this browser's few streams.
      if (inner === null || hasEnded(view.state)) return
      inner.close()
      deps.onClosed()
    },
  }
}
