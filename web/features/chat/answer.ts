// The chat's room: questions, streamed answers, their citations, what a chat ranges over.
// answer.ts is what the page knows of one answer and how each event of its stream changes that: a pure reducer,
// so that a reload, a reconnect, a second attempt and a poll all end in the same text.
import type { ErrorCode, ErrorDetail } from '../../../contract/errors.ts'
import type { AttemptState } from '../../../contract/stages.ts'

export interface Citation {
  readonly number: number
  readonly passageId: number
  readonly documentId: string
  /** Empty when it may not be shown. */
  readonly documentName: string
  readonly versionId: string
  readonly readingId: number
  readonly page: number
  /** UTF-16 code units in the page's text, end exclusive. */
  readonly charStart: number
  readonly charEnd: number
  /** Null when the passage may no longer be shown. */
  readonly quote: string | null
  readonly available: boolean
}

export interface AnswerError {
  readonly code: ErrorCode
  /** The API's own sentence, for a code that this page does not know yet. */
  readonly message: string
  readonly detail: ErrorDetail
}

/** What `chats.watch` yields. Offsets are UTF-16 code units of the attempt's text. */
export type AnswerEvent =
  | {
      readonly type: 'state'
      readonly attempt: number
      readonly state: AttemptState
      readonly passages?: number | undefined
      /** What is searched for besides the question. */
      readonly query?: string | undefined
    }
  | { readonly type: 'reset'; readonly attempt: number }
  | { readonly type: 'text'; readonly attempt: number; readonly start: number; readonly text: string }
  | {
      readonly type: 'end'
      readonly state: AttemptState
      readonly error: AnswerError | null
      readonly citations: readonly Citation[]
      readonly text: string
      readonly behind: boolean
      /** Of a server of an older build it is not there. */
      readonly wordsOnly?: 'engine-away' | null
      readonly unverified: boolean
    }

export interface AnswerView {
  readonly attempt: number
  readonly state: AttemptState
  readonly text: string
  /** How many passages the model reads; null until that is known. */
  readonly passages: number | null
  /** What is searched for besides the question, as a model has written it out; null when nothing is. */
  readonly query: string | null
  readonly citations: readonly Citation[]
  readonly error: AnswerError | null
  /** The newest changes may be missing in it. */
  readonly behind: boolean
  /** Why it was searched for by words only; null when nothing was away. */
  readonly wordsOnly: 'engine-away' | null
  /** Nobody but a page vouches for the text: no receipt came with it. */
  readonly unverified: boolean
  /** Text is missing between what is here and what came: the stream has to be asked again from `eventId`. */
  readonly gap: boolean
}

const ENDED: ReadonlySet<AttemptState> = new Set(['done', 'stopped', 'interrupted', 'failed'])

export function hasEnded(state: AttemptState): boolean {
  return ENDED.has(state)
}

export function freshAnswer(attempt: number): AnswerView {
  const nothing = {
    text: '',
    passages: null,
    query: null,
    error: null,
    behind: false,
    wordsOnly: null,
    unverified: false,
    gap: false,
  }
  return { attempt, state: 'waiting', citations: [], ...nothing }
}

/** The id after which the stream continues: what the server's tracked events carry. */
export function eventId(view: AnswerView): string {
  return `${view.attempt}:${view.text.length}`
}

/** The attempt that a tracked id belongs to, or null when it is not one of ours. */
export function attemptOf(id: string): number | null {
  const match = /^(\d+):\d+$/.exec(id)
  return match ? Number(match[1]) : null
}

/**
 * One event of the stream, `id` its tracked id. Events of an older attempt and text that is already here are
 * dropped, so replays after a reconnect change nothing.
 */
export function applyEvent(view: AnswerView, event: AnswerEvent, id: string): AnswerView {
  const attempt = event.type === 'end' ? (attemptOf(id) ?? view.attempt) : event.attempt
  if (attempt < view.attempt) return view
  // A newer attempt began; its `reset` may have been missed by a reconnect.
  const current = attempt > view.attempt ? freshAnswer(attempt) : view
  switch (event.type) {
    case 'reset':
      return current === view && view.text === '' ? view : current === view ? freshAnswer(attempt) : current
    case 'state': {
      if (hasEnded(current.state)) return current
      const { state, passages = current.passages, query = current.query } = event
      return { ...current, state, passages, query }
    }
    case 'text':
      return appendText(current, event.start, event.text)
    case 'end':
      return {
        ...current,
        state: event.state,
        error: event.error,
        citations: event.citations,
        text: event.text,
        behind: event.behind,
        wordsOnly: event.wordsOnly ?? null,
        unverified: event.unverified,
        gap: false,
      }
  }
}

function appendText(view: AnswerView, start: number, text: string): AnswerView {
  if (hasEnded(view.state)) return view
  const known = view.text.length
  if (start > known) return { ...view, gap: true }
  const fresh = text.slice(known - start)
  if (fresh === '') return view
  return { ...view, text: view.text + fresh, state: 'streaming', gap: false }
}

/** What `chats.get` says, laid over what the stream said: the further one wins, and an end is an end. */
export function applySnapshot(view: AnswerView, snapshot: AnswerView): AnswerView {
  if (snapshot.attempt > view.attempt) return snapshot
  if (snapshot.attempt < view.attempt || hasEnded(view.state)) return view
  if (hasEnded(snapshot.state)) return snapshot
  if (snapshot.text.length > view.text.length || view.gap)
    return { ...snapshot, passages: view.passages, query: view.query }
  return { ...view, state: further(view.state, snapshot.state) }
}

const ORDER: readonly AttemptState[] = ['waiting', 'searching', 'reading', 'streaming']

function further(a: AttemptState, b: AttemptState): AttemptState {
  return ORDER.indexOf(b) > ORDER.indexOf(a) ? b : a
}
