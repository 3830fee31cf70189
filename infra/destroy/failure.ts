/** A stage that can't be taken down from here by itself: what is in the way, and what to do. */
export class DestroyFailure extends Error {
  override readonly name = 'DestroyFailure'

  constructor(what: string, next: string, cause?: unknown) {
    super(`${what}\n  Next: ${next}`, { cause })
  }
}
