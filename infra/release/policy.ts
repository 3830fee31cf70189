// What keeps a protected stage from being changed by anything but a plan that somebody has read, whatever tool is used.
// AWS holds every update of a stack to its policy. A change set can't carry one of its own for the time of its execution
// (UpdateStack can), so the policy itself is opened, for what the plan showed and for nothing else, and closed afterwards.
import type { ResourceChange } from '@aws-sdk/client-cloudformation'

type Action = 'Update:*' | 'Update:Modify' | 'Update:Replace' | 'Update:Delete'
interface PolicyStatement {
  readonly Effect: 'Allow' | 'Deny'
  readonly Principal: '*'
  readonly Action: Action[]
  readonly Resource: string | string[]
}
export interface StackPolicy {
  readonly Statement: readonly PolicyStatement[]
}

/** Nothing is changed, neither what holds data or addresses nor anything that they stand on. */
export const CLOSED = {
  Statement: [{ Effect: 'Deny', Principal: '*', Action: ['Update:*'], Resource: '*' }],
} satisfies StackPolicy

/** Bytes that AWS takes. */
export const POLICY_LIMIT = 16_384

/**
 * Open for one plan. What it did not show, CloudFormation refuses when it gets there, and takes the update back.
 * @param changes of the change set
 * @param replaced logical ids that may be made anew; those that the gate let through
 */
export function openFor(changes: readonly ResourceChange[], replaced: ReadonlySet<string>): StackPolicy {
  const ids = (action: Action, wanted: (change: ResourceChange) => boolean): PolicyStatement[] => {
    const found = changes.filter(wanted).map(({ LogicalResourceId: id = '' }) => `LogicalResourceId/${id}`)
    return found.length === 0
      ? []
      : [{ Effect: 'Allow', Principal: '*', Action: [action], Resource: found.sort() }]
  }
  const isModified = ({ Action: action }: ResourceChange) => action !== 'Add' && action !== 'Remove'
  const statements = [
    ...ids('Update:Modify', isModified),
    ...ids('Update:Replace', (change) => isModified(change) && replaced.has(change.LogicalResourceId ?? '')),
    ...ids('Update:Delete', ({ Action: action }) => action === 'Remove'),
  ]
  // A policy has to have a statement; what is added is no update.
  return statements.length === 0 ? CLOSED : { Statement: statements }
}
