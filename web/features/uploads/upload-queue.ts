// Files on their way to the server: a queue that sends a few at once, tries again when the network fails, and tells
// how far each one is. It lives as long as the page's script, whichever page is shown; what has arrived is on the
// server and is shown from there. Nothing here knows React or XMLHttpRequest.
import { LIMITS } from '../../../contract/limits.ts'
import { type Failure, failureFromBody } from '../../lib/errors.ts'

/** Browsers allow six connections an origin: two are left to uploads, two to answers, one to news, one to everything else. */
export const AT_ONCE = 2
/** Tries after a failure of the network, each after a longer wait. */
const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000]
/** Progress is told to the page this often: a thousand files make many events. */
const TELL_MS = 100

export type DuplicateChoice = 'ask' | 'skip' | 'version' | 'keep'

export interface UploadTarget {
  collectionId: string
  /** The file becomes a new version of this document. */
  documentId?: string | undefined
}

export interface Upload extends UploadTarget {
  readonly id: number
  readonly file: Blob & { readonly name: string }
  /** Files added together have it in common; told to the server, where drops take turns too. */
  readonly drop: string
  /** The lowest goes first. */
  readonly turn: number
  readonly state: 'waiting' | 'sending' | 'retrying' | 'failed' | 'done'
  readonly sent: number
  readonly failure: Failure | null
}

export interface Accepted {
  documentId: string
  versionId: string
}

/** What a try ended with. `again`: no answer came, or one that says "later". */
export type Outcome =
  | { kind: 'accepted'; accepted: Accepted }
  | { kind: 'again'; failure: Failure }
  | { kind: 'refused'; failure: Failure }

export type Send = (
  upload: Upload,
  duplicate: DuplicateChoice,
  onProgress: (sent: number) => void,
  signal: AbortSignal,
) => Promise<Outcome>

interface Clock {
  /** @returns how to call it off */
  after: (ms: number, work: () => void) => () => void
}

interface Running {
  abort: AbortController
}

export class UploadQueue {
  readonly #send: Send
  readonly #clock: Clock
  readonly #listeners = new Set<() => void>()
  readonly #accepted = new Set<(upload: Upload, accepted: Accepted) => void>()
  readonly #running = new Map<number, Running>()
  readonly #tries = new Map<number, number>()
  readonly #waits = new Map<number, () => void>()
  /** Two tabs of a person have drops of their own. */
  readonly #tab = Math.random().toString(36).slice(2)
  #uploads: readonly Upload[] = []
  #lastId = 0
  #drops = 0
  #tellSoon: (() => void) | null = null

  constructor(send: Send, clock: Clock) {
    this.#send = send
    this.#clock = clock
  }

  /** A snapshot that is replaced, never changed. */
  readonly uploads = (): readonly Upload[] => this.#uploads

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Called for each file that the server has accepted. */
  readonly onAccepted = (listener: (upload: Upload, accepted: Accepted) => void): (() => void) => {
    this.#accepted.add(listener)
    return () => this.#accepted.delete(listener)
  }

  /** Files that can not go are refused at once, with the code that the server would use. */
  add(target: UploadTarget, files: readonly (Blob & { readonly name: string })[]): void {
    this.#drops += 1
    const drop = `${this.#tab}.${this.#drops}`
    const waiting = this.#uploads.filter(({ state }) => state === 'waiting')
    const now = waiting.reduce((lowest, { turn }) => Math.min(lowest, turn), waiting[0]?.turn ?? 0)
    const added = files.map((file, index): Upload => {
      this.#lastId += 1
      const failure = refusal(file)
      return {
        ...target,
        id: this.#lastId,
        file,
        drop,
        turn: now + index,
        state: failure === null ? 'waiting' : 'failed',
        sent: 0,
        failure,
      }
    })
    this.#uploads = [...this.#uploads, ...added]
    this.#tell()
    this.#next()
  }

  /** Takes it off the list, whatever it is doing. */
  cancel(id: number): void {
    this.#running.get(id)?.abort.abort()
    this.#forget(id)
    this.#tell()
    this.#next()
  }

  cancelAll(collectionId: string): void {
    for (const upload of this.#uploads) if (upload.collectionId === collectionId) this.cancel(upload.id)
  }

  retry(id: number): void {
    const upload = this.#uploads.find((each) => each.id === id)
    if (upload?.state !== 'failed' || refusal(upload.file) !== null) return
    this.#tries.delete(id)
    this.#change(id, { state: 'waiting', sent: 0, failure: null })
    this.#next()
  }

  /** The network is back: nobody has to wait out their delay. */
  hurry(): void {
    for (const [id, callOff] of [...this.#waits]) {
      callOff()
      this.#waits.delete(id)
      this.#change(id, { state: 'waiting' })
    }
    this.#next()
  }

  #next(): void {
    while (this.#running.size < AT_ONCE) {
      const waiting = this.#uploads.filter(({ state }) => state === 'waiting')
      const [first, ...others] = waiting
      if (first === undefined) return
      void this.#run(others.reduce((next, other) => (other.turn < next.turn ? other : next), first))
    }
  }

  async #run(upload: Upload): Promise<void> {
    const { id } = upload
    const abort = new AbortController()
    this.#running.set(id, { abort })
    this.#change(id, { state: 'sending', sent: 0 })
    const tries = this.#tries.get(id) ?? 0
    // Had an earlier try arrived and only its answer got lost, asking about the duplicate would ask about itself.
    const duplicate = tries === 0 ? 'ask' : 'skip'
    const onProgress = (sent: number) => {
      if (!abort.signal.aborted) this.#change(id, { sent }, true)
    }
    const outcome = await this.#send(upload, duplicate, onProgress, abort.signal)
    this.#running.delete(id)
    if (!abort.signal.aborted) this.#settle(upload, outcome, tries)
    this.#next()
  }

  #settle(upload: Upload, outcome: Outcome, tries: number): void {
    const { id } = upload
    if (outcome.kind === 'accepted') {
      this.#forget(id)
      this.#tell()
      for (const listener of this.#accepted) listener(upload, outcome.accepted)
      return
    }
    const wait = outcome.kind === 'again' ? RETRY_MS[tries] : undefined
    if (wait === undefined) {
      this.#change(id, { state: 'failed', failure: outcome.failure })
      return
    }
    this.#tries.set(id, tries + 1)
    this.#change(id, { state: 'retrying', sent: 0, failure: outcome.failure })
    const callOff = this.#clock.after(wait, () => {
      this.#waits.delete(id)
      this.#change(id, { state: 'waiting' })
      this.#next()
    })
    this.#waits.set(id, callOff)
  }

  #forget(id: number): void {
    this.#waits.get(id)?.()
    this.#waits.delete(id)
    this.#tries.delete(id)
    this.#uploads = this.#uploads.filter((each) => each.id !== id)
  }

  #change(id: number, change: Partial<Upload>, progress = false): void {
    this.#uploads = this.#uploads.map((each) => (each.id === id ? { ...each, ...change } : each))
    if (!progress) this.#tell()
    else this.#tellSoon ??= this.#clock.after(TELL_MS, () => this.#tell())
  }

  #tell(): void {
    this.#tellSoon?.()
    this.#tellSoon = null
    for (const listener of this.#listeners) listener()
  }
}

function refusal(file: Blob): Failure | null {
  if (file.size === 0) return failureFromBody({ code: 'FILE_EMPTY' })
  if (file.size <= LIMITS.fileBytes) return null
  return failureFromBody({ code: 'TOO_LARGE', detail: { limit: `${LIMITS.fileBytes / 1024 ** 2} MB` } })
}
