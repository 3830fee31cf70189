// Stacks: what is asked of them more than once, and read in the same way.
import {
  type ChangeSetType,
  CreateChangeSetCommand,
  DescribeChangeSetCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  ListStackResourcesCommand,
} from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../../../aws/port.ts'

export const StackName = 'terrace-calls'

export const create =
  (
    name: string,
    TemplateBody: string,
    ChangeSetType: ChangeSetType,
    more: { ClientToken?: string; StackName?: string } = {},
  ) =>
  async (aws: Aws) => {
    const { Id, StackId } = await aws.cloudformation.send(
      new CreateChangeSetCommand({ StackName, ChangeSetName: name, ChangeSetType, TemplateBody, ...more }),
    )
    return { hasIds: Boolean(Id && StackId) }
  }

/** When it is there to be read, with what it would do. */
export async function plan(aws: Aws, name: string) {
  for (;;) {
    const set = await aws.cloudformation.send(
      new DescribeChangeSetCommand({ StackName, ChangeSetName: name }),
    )
    if (!/_IN_PROGRESS$|_PENDING$/.test(set.Status ?? '')) {
      const changes = (set.Changes ?? []).map(({ ResourceChange: change }) =>
        [change?.LogicalResourceId, change?.Action, change?.Replacement, change?.Scope?.join()]
          .filter(Boolean)
          .join(' '),
      )
      return { Status: set.Status, ExecutionStatus: set.ExecutionStatus, changes: changes.sort() }
    }
    await aws.clock.sleep(1_000)
  }
}
export const planned = (name: string) => (aws: Aws) => plan(aws, name)

export async function stack(aws: Aws, name = StackName) {
  const { Stacks: [found] = [] } = await aws.cloudformation.send(
    new DescribeStacksCommand({ StackName: name }),
  )
  return found
}
/** How it ends, what changes it now. */
export async function settled(aws: Aws, name = StackName) {
  for (;;) {
    const found = await stack(aws, name)
    const status = found?.StackStatus ?? ''
    if (!status.endsWith('_IN_PROGRESS') || status === 'REVIEW_IN_PROGRESS') return status
    await aws.clock.sleep(1_000)
  }
}
/** The answer may be there before the stack has changed its state. */
export const execute = (ChangeSetName: string, ends: RegExp) => async (aws: Aws) => {
  await aws.cloudformation.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName }))
  const before = (await stack(aws))?.LastUpdatedTime?.getTime()
  for (let tries = 0; tries < 30; tries++) {
    await aws.clock.sleep(1_000)
    const status = await settled(aws)
    if (ends.test(status) && ((await stack(aws))?.LastUpdatedTime?.getTime() !== before || tries > 5))
      return { status }
  }
  return { status: await settled(aws) }
}
export const values = async (aws: Aws) => {
  const found = await stack(aws)
  const { StackResourceSummaries = [] } = await aws.cloudformation.send(
    new ListStackResourcesCommand({ StackName }),
  )
  return {
    outputs: found?.Outputs?.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]),
    resources: StackResourceSummaries.map(({ LogicalResourceId: id, ResourceType, ResourceStatus }) =>
      [id, ResourceType, ResourceStatus].join(' '),
    ).sort(),
  }
}
/** Of the stack itself, oldest first; of the others, each in its own order. */
export const events = async (aws: Aws) => {
  const all: string[] = []
  let NextToken: string | undefined
  do {
    const page = await aws.cloudformation.send(
      new DescribeStackEventsCommand({ StackName, ...(NextToken !== undefined && { NextToken }) }),
    )
    all.push(...(page.StackEvents ?? []).map((event) => `${event.LogicalResourceId} ${event.ResourceStatus}`))
    NextToken = page.NextToken
  } while (NextToken !== undefined)
  const oldest = all.reverse()
  const of = (id: string) =>
    oldest.filter((event) => event.startsWith(`${id} `)).map((event) => event.split(' ')[1])
  return Object.fromEntries([StackName, 'Topic', 'Name', 'Goes', 'Comes'].map((id) => [id, of(id)]))
}
