// What can become of a stack that somebody has to know of: where it stopped, what is there now, and what to do next.

/** A stack that can't be changed, or was not. Its message is a text for a person, of several lines. */
export class StackFailure extends Error {
  override readonly name = 'StackFailure'
  /** CloudFormation's word for the stack's state. */
  readonly status: string
  /** Logical id of what failed first; undefined when no resource did. */
  readonly resource: string | undefined
  /** Resources that are left where nothing refers to them any more. */
  readonly leftBehind: readonly string[]

  constructor(
    what: string,
    facts: {
      readonly status: string
      readonly resource?: string | undefined
      /** AWS's words. */
      readonly reason?: string | undefined
      readonly leftBehind?: readonly string[]
      readonly next: string
    },
  ) {
    const { status, resource, reason, leftBehind = [], next } = facts
    const lines = [
      what,
      ...(resource === undefined ? [] : [`  First to fail: ${resource}${reason ? `: ${reason}` : ''}`]),
      ...(resource === undefined && reason ? [`  AWS says: ${reason}`] : []),
      ...(leftBehind.length > 0 ? [`  Left behind: ${leftBehind.join(', ')}`] : []),
      `  Next: ${next}`,
    ]
    super(lines.join('\n'))
    this.status = status
    this.resource = resource
    this.leftBehind = leftBehind
  }
}

/** A change that the gate stops. Nothing was changed. */
export class BlockedChange extends Error {
  override readonly name = 'BlockedChange'
}
