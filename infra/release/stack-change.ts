// One template brought to one stack: settled, planned, judged, agreed to, carried out, and locked again. It can be ended
// anywhere and run again: it goes on from what it finds.
import type { Aws } from '../../aws/port.ts'
import type { Template } from '../cfn.ts'
import {
  type ChangeSetPlan,
  deployedTemplate,
  discard,
  discardUnbegun,
  execute,
  isBegun,
  plan,
  type StackTarget,
} from './change-set.ts'
import { overtaken, StageLocked } from './failure.ts'
import { describeStack, isBusy, leftBehind, type Say } from './follow.ts'
import { type Judged, judge, pass, replaceable } from './gate.ts'
import { forbidDeletion, setPolicy } from './lock.ts'
import { CLOSED, openFor } from './policy.ts'
import { type Settled, settle } from './settle.ts'

export interface StackChange {
  readonly target: StackTarget
  readonly template: Template
  /** Logical ids of blocked changes that are meant. */
  readonly allowed: readonly string[]
  readonly protection: {
    /** The stack's policy refuses every update but this one. */
    readonly policy: boolean
    /** The stack can't be deleted afterwards. */
    readonly termination: boolean
  }
  /** Asked once everything that will happen is known; not asked when nothing will, or the gate stops it. */
  readonly agree: (changes: readonly Judged[], isNew: boolean) => Promise<boolean>
  readonly say: Say
  /** For how long each operation is followed, from when it is; not what a person takes to agree. */
  readonly patienceMs: number
}

/**
 * @returns `changed`; `nothing` when the stack was like that already; `declined` when `agree` said no: nothing is left then
 * @throws BlockedChange, StackFailure, AwsProblem
 */
export async function changeStack(
  aws: Aws,
  change: StackChange,
): Promise<'changed' | 'nothing' | 'declined'> {
  const { target, template, say } = change
  const settled = await settle(aws, target.stackName, deadlineOf(aws, change), say, target.changeSets)
  // A run that was ended while the policy was open, or before there was one.
  await lock(aws, change, settled.isMade ? settled.stack?.StackId : undefined)
  const planned = await plan(aws, target, settled, JSON.stringify(template))
  if (planned === undefined) return 'nothing'
  const judged = await judgeOrDiscard(aws, change, planned, settled)
  if (judged === undefined) return 'declined'
  let isDone = false
  try {
    if (isOpened(change, planned))
      await setPolicy(aws, planned.stackId, openFor(planned.changes, replaceable(judged)))
    const { events } = await execute(aws, planned, deadlineOf(aws, change), say)
    isDone = true
    const left = leftBehind(events)
    if (left.length > 0) say(`Left where it is, and no longer in the stack: ${left.join(', ')}`)
    await lock(aws, change, planned.stackId)
  } catch (error) {
    if (isDone) say(`${planned.stackName} is changed. What failed is putting its locks back.`)
    await leave(aws, change, planned)
    throw error
  }
  return 'changed'
}

const deadlineOf = (aws: Aws, { patienceMs }: StackChange) => new Date(aws.clock.now().getTime() + patienceMs)
const isOpened = ({ protection }: StackChange, { kind }: ChangeSetPlan) =>
  protection.policy && kind === 'update'

/** @returns undefined when it was declined; the change set is gone then, as it is when this throws */
async function judgeOrDiscard(
  aws: Aws,
  change: StackChange,
  planned: ChangeSetPlan,
  { isMade }: Settled,
): Promise<Judged[] | undefined> {
  const { template, allowed, agree } = change
  try {
    const before = isMade ? readDeployed(await deployedTemplate(aws, planned.stackId)) : undefined
    const judged = judge(before, template, planned.changes)
    pass(judged, allowed)
    if (await agree(judged, !isMade)) {
      if (isOpened(change, planned)) await refuseBusy(aws, planned)
      return judged
    }
  } catch (error) {
    // What can't be reached is removed by the next run.
    await discard(aws, planned).catch(() => undefined)
    throw error
  }
  await discard(aws, planned)
  return undefined
}

/** A template of our own, which is always JSON. */
export function readDeployed(text: string): Template {
  const { Resources = {}, Description = '', Outputs = {} } = JSON.parse(text) as Partial<Template>
  const resources = Object.entries(Resources).map(([id, one]) => [
    id,
    { ...one, Properties: one.Properties ?? {} },
  ])
  return { Description, Outputs, Resources: Object.fromEntries(resources) }
}

/** A policy is the stack's: it would be changed under an update that somebody else has begun meanwhile. */
async function refuseBusy(aws: Aws, planned: ChangeSetPlan): Promise<void> {
  const status = (await describeStack(aws, planned.stackId))?.StackStatus ?? 'DELETE_COMPLETE'
  if (isBusy(status)) throw overtaken(planned.stackName, status)
}

async function lock(aws: Aws, { protection }: StackChange, stack: string | undefined): Promise<void> {
  if (stack === undefined) return
  if (protection.policy) await setPolicy(aws, stack, CLOSED)
  if (protection.termination) await forbidDeletion(aws, stack)
}

/** After a failure, or when the run is to end: what was opened is closed, and what goes on is said. */
async function leave(aws: Aws, change: StackChange, planned: ChangeSetPlan): Promise<void> {
  if (isOpened(change, planned)) await lockAgain(aws, planned, change.say)
  else await tellWhatGoesOn(aws, planned, change.say)
  // What is left nevertheless is removed by the next run.
  await discardUnbegun(aws, planned).catch(() => undefined)
}

async function tellWhatGoesOn(aws: Aws, planned: ChangeSetPlan, say: Say): Promise<void> {
  const status = await underWay(aws, planned).catch(() => undefined)
  if (status !== undefined) say(goesOn(planned, status))
}

/**
 * Beside a failure, which is what has to be told: that the lock could not be put back is said. What is still being
 * carried out would be stopped half-way by a lock.
 */
export async function lockAgain(aws: Aws, planned: ChangeSetPlan, say: Say): Promise<void> {
  const { stackId, stackName } = planned
  try {
    const status = await underWay(aws, planned)
    if (status === undefined) return await setPolicy(aws, stackId, CLOSED)
    say(goesOn(planned, status))
  } catch (error) {
    // Whoever has the stage now closes it, or has opened it.
    if (error instanceof StageLocked) return
  }
  say(`The policy of ${stackName} is still open for this change: running the same command again closes it.`)
}

const goesOn = ({ stackName }: ChangeSetPlan, status: string) =>
  `Stack ${stackName} is ${status}: AWS goes on, and the same command follows it when it is run again.`

/** @returns undefined when nothing is being done to the stack; what was begun may not show there yet */
async function underWay(aws: Aws, planned: ChangeSetPlan): Promise<string | undefined> {
  const status = (await describeStack(aws, planned.stackId))?.StackStatus
  if (status === undefined || isBusy(status)) return status
  return (await isBegun(aws, planned)) ? `${status}, and about to be changed` : undefined
}
