// The way back from taking a stage down, as long as its deletion has not begun: servers, and the locks of its stack.
import { UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import { DescribeStackEventsCommand, type Stack } from '@aws-sdk/client-cloudformation'
import { type Aws, callerIn } from '../../aws/port.ts'
import { stageStack } from '../bootstrap/names.ts'
import { deployedTemplate } from '../release/change-set.ts'
import { describeStack, follow, isBusy, type Say } from '../release/follow.ts'
import { forbidDeletion, setPolicy } from '../release/lock.ts'
import { CLOSED } from '../release/policy.ts'
import { readDeployed } from '../release/stack-change.ts'
import { withStageLock } from '../release/stage-lock.ts'
import { lockOf } from '../release/target.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import { DestroyFailure } from './failure.ts'
import { refuseForeign } from './finish.ts'
import { endJournal, type Journal, readJournal, writeJournal } from './journal.ts'
import { describeGroups, snapshotsOf } from './quiet.ts'
import { unlocked } from './unlock.ts'

export interface Undoing {
  readonly name: StageName
  readonly stage: Stage
  readonly say: Say
  /** Whether the lock of another run is taken while it lasts. */
  readonly takesOver?: boolean
}

const DEADLINE_MS = 3 * 3_600_000
/** Until a stack shows what its events tell: seconds, if that. */
const SHOWN_MS = 30_000
const SHOWN_POLL_MS = 2_000

export const wayBack = (name: StageName): string => `npm run destroy -- --stage ${name} --undo`

/**
 * Gives a stage's groups the sizes that they had, and its stack its locks. It can be ended anywhere and run again.
 * @returns `nothing` when nobody is taking this stack down
 * @throws DestroyFailure when its deletion has begun; AwsProblem, StackFailure
 */
export async function undo(aws: Aws, request: Undoing): Promise<'restored' | 'nothing'> {
  const { name, stage, say } = request
  const caller = await callerIn(aws, stage.account, `Stage ${name}`)
  say(`Stage ${name}: account ${caller.account}, ${stage.region}, as ${caller.arn}`)
  if ((await readJournal(aws, request)) === undefined) return nothing(request)
  const { takesOver = false } = request
  const lock = { place: lockOf(name, stage), by: caller.arn, command: 'destroy --undo', takesOver, say }
  return withStageLock(aws, lock, (held) => restore(held.aws, request))
}

function nothing({ name, say }: Undoing): 'nothing' {
  say(`Nobody is taking stage ${name} down: there is nothing to undo.`)
  return 'nothing'
}

async function restore(aws: Aws, request: Undoing): Promise<'restored' | 'nothing'> {
  const { name, stage, say } = request
  const journal = await readJournal(aws, request)
  const stackId = journal && (await undoable(aws, request, journal))
  if (journal === undefined || stackId === undefined) return nothing(request)
  refuseForeign(
    name,
    journal.groups.map((group) => group.name),
  )
  await restoreSizes(aws, journal, say)
  if (stage.isProtected) await setPolicy(aws, stackId, CLOSED)
  if (journal.isProtected) {
    await forbidDeletion(aws, stackId)
    const template = readDeployed(await deployedTemplate(aws, stackId))
    if (unlocked(template).ids.length === 0)
      say(
        `The locks of its databases and load balancers are off: npm run apply -- --stage ${name} puts them back, with the rest of its template.`,
      )
  }
  for (const database of journal.databases)
    for (const snapshot of await snapshotsOf(aws, database))
      if (snapshot === journal.snapshot)
        say(
          `Snapshot ${snapshot} stays until it is removed: aws --region ${stage.region} rds delete-db-snapshot --db-snapshot-identifier ${snapshot}`,
        )
  await forget(aws, request, journal)
  say(`Stage ${name} is not being taken down any more.`)
  return 'restored'
}

/** @returns the stack's id; undefined when the journal is of another one */
async function undoable(aws: Aws, { name, say }: Undoing, journal: Journal): Promise<string | undefined> {
  const stackName = stageStack(name)
  let stack = await shownStack(aws, stackName)
  const isOther = stack?.StackId !== undefined && stack.StackId !== journal.stackId
  if (isOther) return undefined
  if (stack?.StackStatus !== undefined && isBusy(stack.StackStatus) && !isEnding(stack)) {
    say(`Stack ${stackName} is ${stack.StackStatus}: it is followed to its end.`)
    await follow(aws, journal.stackId, new Date(aws.clock.now().getTime() + DEADLINE_MS), say)
    stack = await describeStack(aws, stackName)
  }
  if (stack !== undefined && !isEnding(stack)) return journal.stackId
  throw new DestroyFailure(
    `The deletion of stack ${stackName} has begun${stack === undefined ? '' : ` (${stack.StackStatus})`}: it can’t be undone. Nothing was changed.`,
    `npm run destroy -- --stage ${name} brings it to its end, and tells what was kept.`,
  )
}

/** What has just begun, by a run that was ended at that, stands among a stack's events before the stack shows it. */
async function shownStack(aws: Aws, stackName: string): Promise<Stack | undefined> {
  for (let waited = 0; ; waited += SHOWN_POLL_MS) {
    const stack = await describeStack(aws, stackName)
    if (stack?.StackId === undefined || waited >= SHOWN_MS) return stack
    const { StackEvents = [] } = await aws.cloudformation.send(
      new DescribeStackEventsCommand({ StackName: stack.StackId }),
    )
    const newest = StackEvents.find(({ PhysicalResourceId: of }) => of === stack.StackId)
    // Of a long operation it may stand on a later page: the stack shows it by then.
    if (newest === undefined || newest.ResourceStatus === stack.StackStatus) return stack
    await aws.clock.sleep(SHOWN_POLL_MS)
  }
}
const isEnding = ({ StackStatus: status }: Stack) => status?.startsWith('DELETE_') === true

/** Only of those that have no room for any server: what somebody has set since then is left as it is. */
async function restoreSizes(aws: Aws, { groups }: Journal, say: Say): Promise<void> {
  const now = new Map(
    (
      await describeGroups(
        aws,
        groups.map(({ name }) => name),
      )
    ).map((group) => [group.AutoScalingGroupName, group.MaxSize]),
  )
  for (const { name, min, max, desired } of groups) {
    if (now.get(name) !== 0) continue
    await aws.autoscaling.send(
      new UpdateAutoScalingGroupCommand({
        AutoScalingGroupName: name,
        MinSize: min,
        MaxSize: max,
        DesiredCapacity: desired,
      }),
    )
    say(`Group ${name} has room for ${min} to ${max} servers again, and starts ${desired}.`)
  }
}

/** What stacks before this one left is still to be told of, by the run that ends the stage. */
async function forget(aws: Aws, request: Undoing, { earlier }: Journal): Promise<void> {
  const last = earlier.at(-1)
  if (last === undefined) return endJournal(aws, request)
  await writeJournal(aws, request, {
    ...last,
    deletesData: false,
    groups: [],
    isProtected: false,
    earlier: earlier.slice(0, -1),
  })
}
