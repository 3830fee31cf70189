// An attempt while this server owns it: its text in memory, and who follows it.
// The path of a token ends here and is kept short: append it, mark it for saving, wake the followers.
// A token leaves at once unless a frame left to the same follower in the last 50 ms; what arrives until then leaves
// together. One clock paces all followers: a timer a token would cost more than the token.
import type { AttemptState } from '../../../contract/stages.ts'
import type { SharedToken } from '../models/port.ts'

export interface AttemptIdentity {
  readonly id: string
  /** From 1. */
  readonly number: number
  /** The answer, a message. */
  readonly answerId: string
  /** Whose chat it is. */
  readonly userId: string
  /**
   * performance.now() when its question was taken, on whichever server; null when words of its answer were seen before.
   * Default: now.
   */
  readonly askedAt?: number | null
  /** What one of its person's pages was given before a server got it. */
  readonly offered?: Offered
}

/** A page's token, whose id is the attempt's that it was given for, and the reservation under the same id: the page may have used them. */
export interface Offered extends SharedToken {
  /** Its id in MODELS. */
  readonly model: string
}

/** Why nobody needs to wait for this attempt here any more. */
export type Conclusion = 'ended' | 'lost'

export class LiveAttempt implements AttemptIdentity {
  readonly id: string
  readonly number: number
  readonly answerId: string
  readonly userId: string
  readonly #abort = new AbortController()
  readonly #pieces: string[] = []
  /** Offset of each piece. */
  readonly #starts: number[] = []
  readonly #followers = new Set<Follower>()
  #state: AttemptState
  #passages: number | null = null
  #query: string | null = null
  #length = 0
  #conclusion: Conclusion | null = null
  /** A person asked to stop, from this server or another. */
  stopRequested = false
  /** How much of the text is in the database. */
  savedLength = 0

  constructor(identity: AttemptIdentity, state: AttemptState) {
    this.id = identity.id
    this.number = identity.number
    this.answerId = identity.answerId
    this.userId = identity.userId
    this.#state = state
  }

  /** Aborted when the attempt is to go no further: stopped, lost, or handed over. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }
  get state(): AttemptState {
    return this.#state
  }
  /** How many passages are read; null until that is known. */
  get passages(): number | null {
    return this.#passages
  }
  /** What is searched for besides the question; null when nothing is. */
  get query(): string | null {
    return this.#query
  }
  /** UTF-16 units of the text so far. */
  get length(): number {
    return this.#length
  }
  /** `ended`: how is in the database. `lost`: another server goes on, or may. */
  get conclusion(): Conclusion | null {
    return this.#conclusion
  }

  append(text: string): void {
    this.#pieces.push(text)
    this.#starts.push(this.#length)
    this.#length += text.length
    for (const follower of this.#followers) follower.arrived()
  }

  setState(state: AttemptState, passages: number | null = this.#passages): void {
    this.#state = state
    this.#passages = passages
    for (const follower of this.#followers) follower.wake()
  }

  setSearching(query: string | null = null): void {
    this.#query = query
    this.setState('searching')
  }

  /** The text from an offset to its present end. */
  read(from: number): string {
    let first = this.#starts.length - 1
    if (first < 0 || from >= this.#length) return ''
    // Nearly always the last piece: followers are close behind.
    while (first > 0 && (this.#starts[first] ?? 0) > from) first--
    const text =
      first === this.#pieces.length - 1 ? (this.#pieces[first] ?? '') : this.#pieces.slice(first).join('')
    return from === this.#starts[first] ? text : text.slice(from - (this.#starts[first] ?? 0))
  }

  abort(): void {
    this.#abort.abort()
  }

  conclude(conclusion: Conclusion): void {
    this.#conclusion = conclusion
    for (const follower of this.#followers) follower.wake()
  }

  follow(): Follower {
    const follower = new Follower()
    this.#followers.add(follower)
    return follower
  }

  unfollow(follower: Follower): void {
    this.#followers.delete(follower)
    follower.wake()
  }
}

/** Milliseconds between looks at who waits for the end of a gap. */
const CLOCK = 5
/**
 * Milliseconds between two frames of text: 50, less what the clock may add. A stream of 20 tokens/s would otherwise
 * wait with nearly every token for the end of a gap that it missed by a moment.
 */
const FRAME_GAP = 50 - CLOCK

const paced = new Set<Follower>()
let clock: NodeJS.Timeout | undefined

/** One reader of an attempt. It holds an offset and no text: who is slow is given more at a time, never a queue. */
export class Follower {
  #wake: (() => void) | null = null
  /** Something came while nobody waited. */
  #pending = false
  #lastFrame = Number.NEGATIVE_INFINITY

  /** Resolves when there is something to read, no sooner after the last frame than the pace allows for text. */
  next(): Promise<void> {
    if (this.#pending) {
      this.#pending = false
      return Promise.resolve()
    }
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** A frame of text leaves now. */
  sent(): void {
    this.#lastFrame = performance.now()
  }

  /** Text arrived. */
  arrived(): void {
    if (this.#wake === null) return
    if (this.isDue(performance.now())) {
      this.wake()
      return
    }
    paced.add(this)
    clock ??= setInterval(tick, CLOCK)
  }

  /** At once: the state changed, or it ended. */
  wake(): void {
    paced.delete(this)
    const wake = this.#wake
    this.#wake = null
    if (wake === null) this.#pending = true
    else wake()
  }

  isDue(now: number): boolean {
    return now - this.#lastFrame >= FRAME_GAP
  }
}

function tick(): void {
  const now = performance.now()
  for (const follower of paced) if (follower.isDue(now)) follower.wake()
  if (paced.size > 0) return
  clearInterval(clock)
  clock = undefined
}
