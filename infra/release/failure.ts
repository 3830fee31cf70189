// What can become of a stack that somebody has to know of: where it stopped, what is there now, and what to do next.
import { inLine } from '../plain-text.ts'

/** A stack that can't be changed, or was not. Its message is a text for a person, of several lines. */
export class StackFailure extends Error {
  override readonly name: string = 'StackFailure'
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
    const { status, resource, leftBehind = [], next } = facts
    const reason = facts.reason && inLine(facts.reason)
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

/** A plan that somebody else’s change has made worthless, before it was carried out. */
export const overtaken = (stackName: string, status: string, reason?: string): StackFailure =>
  new StackFailure(`Another change of ${stackName} has overtaken this plan, which was not carried out.`, {
    status,
    reason,
    next: 'run the same command again: it follows the other one, and plans anew.',
  })

/** A stage that somebody else is at work on. */
export class StageLocked extends StackFailure {
  override readonly name = 'StageLocked'

  constructor(what: string, next: string) {
    super(what, { status: 'LOCKED', next })
  }
}

/** A change that the gate stops. Nothing was changed. */
export class BlockedChange extends Error {
  override readonly name = 'BlockedChange'
}

/** What everything that is kept for an account and region is kept in. */
export const noBucket = (bucket: string, account: string): StackFailure =>
  new StackFailure(`There is no bucket ${bucket} in account ${account}.`, {
    status: 'NoSuchBucket',
    next: 'npm run bootstrap, once for the account and region.',
  })
