// A change of a stack, planned by CloudFormation before it is made: a change set of our own, read to its last page, carried
// out or removed. Every step can be the last one of a process: what it leaves is found by the next run (settle.ts).
import { randomBytes } from 'node:crypto'
import {
  type Capability,
  type ChangeSetType,
  CreateChangeSetCommand,
  type CreateChangeSetCommandInput,
  type CreateChangeSetOutput,
  DeleteChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  type DescribeChangeSetOutput,
  ExecuteChangeSetCommand,
  GetTemplateCommand,
  type ResourceChange,
} from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../aws/port.ts'
import { overtaken, StackFailure } from './failure.ts'
import { describeStack, follow, newestEvent, type Rest, type Say } from './follow.ts'
import { failureOf } from './outcome.ts'
import { OURS, type Settled } from './settle.ts'
import { hashOf, inAscii, isWhatWasRead, place, type Upload } from './template.ts'

/** Of what is wrong with a request AWS says what; about who asks see aws/problems.ts. */
const ABOUT_THE_REQUEST = /^(ValidationError|InsufficientCapabilitiesException|LimitExceededException)$/
const OVERTAKEN = /^(InvalidChangeSetStatus|ChangeSetNotFound)(Exception)?$|^ValidationError$/
const READ_MS = 2_000
/** AWS reads a template in seconds. */
const PLAN_MS = 15 * 60_000

export interface StackTarget {
  readonly stackName: string
  /** As `CreateChangeSet` takes them; `CAPABILITY_IAM` when not given. */
  readonly capabilities?: readonly Capability[]
  readonly tags?: Readonly<Record<string, string>>
  /** ARN of the role that CloudFormation works with; without one, it has the caller's rights. */
  readonly serviceRole?: string
  /** What the names of its change sets begin with: `terrace-`, and more where rights are held to it. */
  readonly changeSets?: string
  /** Whether what the template names, and is there already, becomes the stack's. */
  readonly takesOver?: boolean
  /** Where the template is put for CloudFormation to read. Without it, it goes with the call: 51,200 bytes. */
  readonly upload?: Upload
}

export interface ChangeSetPlan {
  readonly stackName: string
  readonly stackId: string
  readonly kind: 'create' | 'update'
  /** ARN. */
  readonly changeSet: string
  readonly name: string
  readonly changes: readonly ResourceChange[]
}

/** The template that a stack was last changed by, as it was sent: a text in JSON. */
export async function deployedTemplate(aws: Aws, stack: string): Promise<string> {
  const { TemplateBody: text } = await aws.cloudformation.send(
    new GetTemplateCommand({ StackName: stack, TemplateStage: 'Original' }),
  )
  if (text === undefined) throw new Error(`CloudFormation has no template of ${stack}`)
  return text
}

/**
 * Lets CloudFormation plan.
 * @param template JSON
 * @returns undefined when the stack is as the template has it
 * @throws StackFailure when CloudFormation can't plan it; nothing is left then
 */
export async function plan(
  aws: Aws,
  target: StackTarget,
  { isMade }: Settled,
  template: string,
): Promise<ChangeSetPlan | undefined> {
  const text = inAscii(template)
  const hash = hashOf(text)
  const where = await place(aws, target, text)
  const kind: ChangeSetType = isMade ? 'UPDATE' : 'CREATE'
  // One that nobody else makes: neither another run at the same moment, nor one of the same template before.
  const name = `${target.changeSets ?? OURS}${hash.slice(0, 12)}-${randomBytes(8).toString('hex')}`
  const { Id: id = name, StackId: stackId = target.stackName } = await created(aws, {
    ...where,
    StackName: target.stackName,
    ChangeSetName: name,
    // The SDK may have to ask twice.
    ClientToken: name,
    ChangeSetType: kind,
    Description: `Template ${hash}`,
    Capabilities: [...(target.capabilities ?? ['CAPABILITY_IAM' as const])],
    Tags: Object.entries(target.tags ?? {}).map(([Key, Value]) => ({ Key, Value })),
    ...(target.serviceRole !== undefined && { RoleARN: target.serviceRole }),
    ...(target.takesOver && { ImportExistingResources: true }),
  })
  const planned: ChangeSetPlan = {
    stackName: target.stackName,
    stackId,
    kind: isMade ? 'update' : 'create',
    changeSet: id,
    name,
    changes: [],
  }
  try {
    return await read(aws, target, planned, text)
  } catch (error) {
    // What can't be reached is removed by the next run.
    await discard(aws, planned).catch(() => undefined)
    throw error
  }
}

/** @returns the whole plan; undefined when there is nothing to do */
async function read(
  aws: Aws,
  target: StackTarget,
  planned: ChangeSetPlan,
  text: string,
): Promise<ChangeSetPlan | undefined> {
  const first = await whenRead(aws, planned)
  const reason = first.StatusReason ?? ''
  const isNothing = /didn't contain changes|No updates are to be performed/.test(reason)
  if (target.upload !== undefined && (isNothing || first.Status === 'CREATE_COMPLETE'))
    await refuseOther(aws, planned, target.upload, text)
  if (first.Status === 'CREATE_COMPLETE') return { ...planned, changes: await allPages(aws, planned, first) }
  if (isNothing) {
    await discard(aws, planned)
    return undefined
  }
  throw new StackFailure(
    `CloudFormation can’t plan this template for ${target.stackName}. Nothing was changed.`,
    {
      status: first.Status ?? 'FAILED',
      reason,
      next: 'the template, the quotas of the account, or the role’s rights, by what AWS says.',
    },
  )
}

/** @throws StackFailure for what CloudFormation refuses at first sight */
async function created(aws: Aws, input: CreateChangeSetCommandInput): Promise<CreateChangeSetOutput> {
  try {
    return await aws.cloudformation.send(new CreateChangeSetCommand(input))
  } catch (error) {
    if (!(error instanceof Error) || !ABOUT_THE_REQUEST.test(error.name)) throw error
    throw new StackFailure(`CloudFormation does not plan this for ${input.StackName}. Nothing was changed.`, {
      status: error.name,
      reason: error.message,
      next: 'what AWS says: the template, or another change of the stack, which this command follows when it is run again.',
    })
  }
}

/** What is named by its hash is trusted to be there; whoever may write to the bucket could have put another one there. */
async function refuseOther(
  aws: Aws,
  planned: ChangeSetPlan,
  { bucket, folder }: Upload,
  text: string,
): Promise<void> {
  if (await unlessRemoved(planned, () => isWhatWasRead(aws, planned, text))) return
  throw new StackFailure(
    `CloudFormation has read another template for ${planned.stackName} than the one that was to be planned. Nothing was changed.`,
    {
      status: 'CREATE_COMPLETE',
      next:
        `find out who wrote s3://${bucket}/${folder}/${hashOf(text)}.json, which keeps its versions; ` +
        'remove it, and run the same command again.',
    },
  )
}

async function whenRead(aws: Aws, planned: ChangeSetPlan): Promise<DescribeChangeSetOutput> {
  const until = aws.clock.now().getTime() + PLAN_MS
  for (;;) {
    const found = await describeChangeSet(aws, planned)
    if (found.Status !== 'CREATE_PENDING' && found.Status !== 'CREATE_IN_PROGRESS') return found
    if (aws.clock.now().getTime() >= until)
      throw new StackFailure(`CloudFormation still reads the template of ${planned.stackName}.`, {
        status: found.Status ?? 'CREATE_IN_PROGRESS',
        next: 'run the same command again: it makes another change set.',
      })
    await aws.clock.sleep(READ_MS)
  }
}

/** @throws StackFailure when another run has removed it */
const describeChangeSet = (
  aws: Aws,
  planned: ChangeSetPlan,
  token?: string,
): Promise<DescribeChangeSetOutput> =>
  unlessRemoved(planned, () =>
    aws.cloudformation.send(
      new DescribeChangeSetCommand({
        ChangeSetName: planned.changeSet,
        StackName: planned.stackId,
        ...(token && { NextToken: token }),
      }),
    ),
  )

async function unlessRemoved<T>({ stackName }: ChangeSetPlan, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof Error && /^ChangeSetNotFound(Exception)?$/.test(error.name))
      throw overtaken(stackName, 'DELETED', error.message)
    throw error
  }
}

async function allPages(
  aws: Aws,
  planned: ChangeSetPlan,
  first: DescribeChangeSetOutput,
): Promise<ResourceChange[]> {
  const changes: ResourceChange[] = []
  for (let page = first; ; page = await describeChangeSet(aws, planned, page.NextToken)) {
    for (const { ResourceChange: change } of page.Changes ?? [])
      if (change !== undefined) changes.push(change)
    if (page.NextToken === undefined) return changes
  }
}

/** Whether it is being carried out: the stack may not show it yet. A plan that is gone is not. */
export async function isBegun(aws: Aws, planned: ChangeSetPlan): Promise<boolean> {
  try {
    return (await describeChangeSet(aws, planned)).ExecutionStatus === 'EXECUTE_IN_PROGRESS'
  } catch (error) {
    if (error instanceof StackFailure) return false
    throw error
  }
}

/** A plan that is not carried out leaves nothing, and no stack that has only been planned. */
export async function discard(aws: Aws, { changeSet, stackId, kind }: ChangeSetPlan): Promise<void> {
  await aws.cloudformation.send(new DeleteChangeSetCommand({ ChangeSetName: changeSet, StackName: stackId }))
  if (kind === 'update') return
  // Somebody else may have made it meanwhile.
  const now = await describeStack(aws, stackId)
  if (now?.StackStatus === 'REVIEW_IN_PROGRESS')
    await aws.cloudformation.send(new DeleteStackCommand({ StackName: stackId }))
}

/** The same for a plan of which nobody knows whether it was begun. */
export async function discardUnbegun(aws: Aws, planned: ChangeSetPlan): Promise<void> {
  if ((await describeChangeSet(aws, planned)).ExecutionStatus === 'AVAILABLE') await discard(aws, planned)
}

/**
 * Carries a plan out and follows it to its end.
 * @throws StackFailure when it came to another end than the one that was meant
 */
export async function execute(aws: Aws, planned: ChangeSetPlan, deadline: Date, say: Say): Promise<Rest> {
  const { stackId, changeSet, name, stackName } = planned
  const after = await newestEvent(aws, stackId)
  try {
    await aws.cloudformation.send(
      new ExecuteChangeSetCommand({ ChangeSetName: changeSet, StackName: stackId, ClientRequestToken: name }),
    )
  } catch (error) {
    if (!(error instanceof Error) || !OVERTAKEN.test(error.name)) throw error
    const { ExecutionStatus: status = 'OBSOLETE' } = await describeChangeSet(aws, planned).catch(
      (): DescribeChangeSetOutput => ({}),
    )
    // Unless the SDK asked twice, and the first time was heard.
    if (!/^EXECUTE_(IN_PROGRESS|COMPLETE)$/.test(status)) throw overtaken(stackName, status, error.message)
  }
  const rest = await follow(aws, stackId, deadline, say, after)
  if (rest.status !== 'CREATE_COMPLETE' && rest.status !== 'UPDATE_COMPLETE') throw failureOf(stackName, rest)
  return rest
}
