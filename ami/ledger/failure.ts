/** A bake that can't go on. Says what failed, which ids it is about, what was left behind and what to do next. */
export class BakeFailure extends Error {
  override readonly name = 'BakeFailure'
}

/** One that the next run may not meet: nothing is taken back, that run goes on. */
export class Continuable extends BakeFailure {}
