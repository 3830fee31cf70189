// What is there of a stage beside its stack: what a creation that came to nothing kept, and what earlier stacks did.
import { DescribeStackEventsCommand, type StackEvent } from '@aws-sdk/client-cloudformation'
import { everything } from '../../aws/pages.ts'
import type { Aws } from '../../aws/port.ts'
import { BUCKET, costOf, DATABASE } from './inventory.ts'
import type { Remains } from './journal.ts'
import { snapshotsOf } from './quiet.ts'

export const isNothing = ({ kept, databases }: Remains): boolean =>
  kept.length === 0 && databases.length === 0

/**
 * What was made, and not removed when the creation was taken back: what is to be kept (`Retain`) is kept then too, and
 * a database that is removed leaves its snapshot. Only the events tell, for 90 days.
 * @param stackId of a stack whose creation was taken back, if not all of it
 */
export async function leftByCreation(aws: Aws, stackId: string): Promise<Remains> {
  const last = new Map<string, StackEvent>()
  // Newest first.
  for (const event of await allEvents(aws, stackId)) {
    const key = `${event.LogicalResourceId} ${event.PhysicalResourceId}`
    if (event.PhysicalResourceId && event.PhysicalResourceId !== stackId && !last.has(key))
      last.set(key, event)
  }
  const kept: Remains['kept'] = []
  const databases: string[] = []
  for (const event of last.values()) {
    const { LogicalResourceId: id = '', ResourceType: type = '', PhysicalResourceId: name = '' } = event
    if (event.ResourceStatus === 'DELETE_SKIPPED') kept.push({ id, type, name })
    // One that was never there, and a replica, have none.
    else if (type === DATABASE && (await snapshotsOf(aws, name)).length > 0) databases.push(name)
  }
  return { stackId, kept, databases }
}

const allEvents = (aws: Aws, stackId: string): Promise<StackEvent[]> =>
  everything(async (NextToken) => {
    const page = await aws.cloudformation.send(
      new DescribeStackEventsCommand({ StackName: stackId, NextToken }),
    )
    return { items: page.StackEvents, next: page.NextToken }
  })

/** Lines for a person: what a creation that came to nothing left, and what becomes of it. */
export function showLeft(left: Remains, deletesData: boolean): string[] {
  return isNothing(left)
    ? []
    : ['It has left behind, and no stack knows of it any more:', ...show(left, deletesData)]
}

/** Lines for a person: what stacks left that the stage had before, and nobody was told of or saw to. */
export function showEarlier(earlier: readonly Remains[], deletesData: boolean): string[] {
  return earlier.flatMap((one) => [
    `An earlier stack of this stage, ${one.stackId}, was taken down by a run that did not come to its end. Of it there are:`,
    ...show(one, deletesData),
  ])
}

/** Lines for a person: what a run that did not come to its end was to remove for good, and this one would. */
export const showGone = (remains: Remains): string[] =>
  isNothing(remains) ? [] : [`Of stack ${remains.stackId}, which is gone, there are:`, ...show(remains, true)]

function show({ kept, databases }: Remains, deletesData: boolean): string[] {
  const becomes = (goes: boolean) => (goes ? ', which goes for good' : ', which stays')
  return [
    ...kept.flatMap((part) =>
      costOf(part).map((line) => `${line}${becomes(deletesData && part.type === BUCKET)}`),
    ),
    ...databases.map((name) => `  every snapshot of database ${name} that is there${becomes(deletesData)}`),
  ]
}
