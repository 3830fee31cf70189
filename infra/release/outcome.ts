// How an operation ended that did not end as it was meant to, in words.
import { StackFailure } from './failure.ts'
import { firstFailure, leftBehind, type Rest, stackReason } from './follow.ts'

/** What a stack that did not get where it was to go tells. */
export function failureOf(stackName: string, { status, reason, events }: Rest): StackFailure {
  const first = firstFailure(events)
  const facts = {
    status,
    resource: first?.LogicalResourceId,
    reason: first?.ResourceStatusReason ?? stackReason(events) ?? reason,
    leftBehind: leftBehind(events),
  }
  switch (status) {
    case 'UPDATE_ROLLBACK_COMPLETE':
      return new StackFailure(`The update of ${stackName} failed, and everything is as it was before.`, {
        ...facts,
        next: 'put right what failed, and run the same command again.',
      })
    case 'ROLLBACK_COMPLETE':
      return new StackFailure(`${stackName} could not be made, and what had been made of it was removed.`, {
        ...facts,
        next:
          'put right what failed, and run the same command again: it removes the empty stack first. ' +
          'What is left behind is not found again by itself.',
      })
    case 'UPDATE_ROLLBACK_FAILED':
      return new StackFailure(
        `The update of ${stackName} failed, and so did the way back: the stack is between both.`,
        {
          ...facts,
          next: 'run the same command again: it says which resources are stuck, and how to get them out.',
        },
      )
    default:
      return new StackFailure(`${stackName} is ${status}.`, {
        ...facts,
        next: 'run the same command again: it says what can be done from here.',
      })
  }
}
