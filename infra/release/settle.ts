// What a stack is, before anything is asked of it: what is under way is followed to its end, what a failed creation left is
// cleared away, and what only a person can settle is said.
import { randomUUID } from 'node:crypto'
import {
  DeleteChangeSetCommand,
  DeleteStackCommand,
  ListChangeSetsCommand,
  type Stack,
} from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../aws/port.ts'
import { StackFailure } from './failure.ts'
import { describeStack, follow, isBusy, leftBehind, newestEvent, resourcesOf, type Say } from './follow.ts'

/** Every change set of ours begins with it. */
export const OURS = 'terrace-'

/** Between the answer to ExecuteChangeSet and the stack’s change of state: seconds, if that. */
const BEGIN_MS = 30_000
const BEGIN_POLL_MS = 2_000

export interface Settled {
  /** Undefined: there is none. */
  readonly stack: Stack | undefined
  /** Whether it has been made: one whose creation has only been planned has no resources. */
  readonly isMade: boolean
}

/**
 * @param own what the names of change sets begin with that whoever asks may remove
 * @throws StackFailure for a stack that can't be changed as it is
 */
export async function settle(aws: Aws, name: string, deadline: Date, say: Say, own = OURS): Promise<Settled> {
  for (let waited = 0; ; ) {
    const stack = await describeStack(aws, name)
    const { StackId: id = name, StackStatus: status = 'DELETE_COMPLETE' } = stack ?? {}
    if (isBusy(status)) {
      say(`Stack ${name} is ${status}: it is followed to its end.`)
      await follow(aws, id, deadline, say)
    } else if (status === 'ROLLBACK_COMPLETE') {
      say(`Stack ${name} is what a failed creation left: it is removed, and made anew.`)
      await removeStack(aws, id, deadline, say)
    } else if (status === 'DELETE_COMPLETE') return { stack: undefined, isMade: false }
    else {
      await refuseStuck(aws, name, status, stack?.StackStatusReason)
      // An operation is asked for, and the stack does not show it yet.
      if ((await removeLeftovers(aws, id, own, say)) && waited < BEGIN_MS) {
        waited += BEGIN_POLL_MS
        await aws.clock.sleep(BEGIN_POLL_MS)
        continue
      }
      return { stack, isMade: status !== 'REVIEW_IN_PROGRESS' }
    }
  }
}

/**
 * Deletes a stack and waits until it is gone.
 * @param stack its id
 * @throws StackFailure when some of it stays
 */
export async function removeStack(aws: Aws, stack: string, deadline: Date, say: Say): Promise<void> {
  const after = await newestEvent(aws, stack)
  await aws.cloudformation.send(
    new DeleteStackCommand({ StackName: stack, ClientRequestToken: `${OURS}${randomUUID()}` }),
  )
  const { status, reason, events } = await follow(aws, stack, deadline, say, after)
  if (status === 'DELETE_COMPLETE') {
    const kept = leftBehind(events)
    if (kept.length > 0) say(`Kept: ${kept.join(', ')}`)
    return
  }
  throw new StackFailure(`Stack ${stack} could not be removed.`, {
    status,
    reason,
    leftBehind: leftBehind(events),
    next: 'see what still uses these resources, and run the same command again.',
  })
}

/** @throws StackFailure for a stack that AWS changes nothing in as it is, with the way out */
export async function refuseStuck(
  aws: Aws,
  name: string,
  status: string,
  reason: string | undefined,
): Promise<void> {
  if (
    !/^(UPDATE_ROLLBACK_FAILED|ROLLBACK_FAILED|CREATE_FAILED|DELETE_FAILED|IMPORT_ROLLBACK_FAILED)$/.test(
      status,
    )
  )
    return
  const failed = await failedResources(aws, name)
  throw new StackFailure(`Stack ${name} is ${status}: AWS changes nothing in it before that is settled.`, {
    status,
    ...(failed[0] !== undefined && { resource: failed[0] }),
    reason,
    leftBehind: failed,
    next: wayOut(aws.region, name, status, failed),
  })
}

/** Each command with its region: a stage of the same name may stand in the one that a person's settings choose. */
function wayOut(region: string, name: string, status: string, failed: readonly string[]): string {
  const cloudFormation = `aws --region ${region} cloudformation`
  if (status === 'UPDATE_ROLLBACK_FAILED')
    return (
      'put right what keeps these from going back to their old values, then ' +
      `${cloudFormation} continue-update-rollback --stack-name ${name}. What can't be put right is left as it is by ` +
      `--resources-to-skip ${failed.join(' ') || 'LOGICAL_ID'}; then the stack says something of it that is not true. ` +
      'Run the same command again after that.'
    )
  if (status === 'IMPORT_ROLLBACK_FAILED')
    return `${cloudFormation} continue-update-rollback --stack-name ${name}, and run the same command again.`
  return (
    'put right what keeps these from going (a database that is locked: ' +
    `aws --region ${region} rds modify-db-instance --db-instance-identifier ID --no-deletion-protection; a load balancer: its ` +
    `attribute deletion_protection.enabled), then ${cloudFormation} delete-stack --stack-name ${name}, ` +
    'and run the same command again.'
  )
}

async function failedResources(aws: Aws, name: string): Promise<string[]> {
  return (await resourcesOf(aws, name)).flatMap(({ LogicalResourceId: id, ResourceStatus: status }) =>
    id !== undefined && status?.endsWith('_FAILED') ? [id] : [],
  )
}

/**
 * Change sets of a run that was ended before it carried them out: no other command reads one again.
 * @returns whether there is one that is being carried out
 */
async function removeLeftovers(aws: Aws, stack: string, own: string, say: Say): Promise<boolean> {
  let isBegun = false
  let token: string | undefined
  do {
    const { Summaries = [], NextToken } = await aws.cloudformation.send(
      new ListChangeSetsCommand({ StackName: stack, ...(token && { NextToken: token }) }),
    )
    for (const { ChangeSetName: name, ChangeSetId: id, ExecutionStatus: status } of Summaries) {
      isBegun ||= status === 'EXECUTE_IN_PROGRESS'
      // Those of other people and tools are theirs; those that were carried out are history.
      if (id === undefined || !name?.startsWith(OURS) || status?.startsWith('EXECUTE_')) continue
      if (!name.startsWith(own)) {
        say(`Change set ${name} stays: it is a person’s, and a pipeline may not remove it.`)
        continue
      }
      say(`Change set ${name} of an earlier run is removed.`)
      await aws.cloudformation.send(new DeleteChangeSetCommand({ ChangeSetName: id, StackName: stack }))
    }
    token = NextToken
  } while (token !== undefined)
  return isBegun
}
