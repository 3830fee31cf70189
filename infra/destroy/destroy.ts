// Takes a stage down, in the order in which nothing gets lost: servers drained, the database's last state kept, locks off,
// the stack deleted, and only then, if that was asked for, the data. It can be ended anywhere and run again.
import { DeleteStackCommand } from '@aws-sdk/client-cloudformation'
import { type Aws, callerIn } from '../../aws/port.ts'
import { stageStack } from '../bootstrap/names.ts'
import { lockOf, stackOf } from '../release/apply.ts'
import { deployedTemplate } from '../release/change-set.ts'
import {
  describeStack,
  firstFailure,
  follow,
  isBusy,
  leftBehind,
  newestEvent,
  type Say,
} from '../release/follow.ts'
import { readDeployed } from '../release/stack-change.ts'
import { withStageLock } from '../release/stage-lock.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import { removeBucket, removeSnapshots } from './data.ts'
import { DestroyFailure } from './failure.ts'
import { BUCKET, howToRemove, type Inventory, showInventory, takeInventory } from './inventory.ts'
import { endJournal, type Journal, readJournal, writeJournal } from './journal.ts'
import { drain, finalSnapshot, snapshotsOf } from './quiet.ts'
import { unlock } from './unlock.ts'

export interface Destruction {
  readonly name: StageName
  readonly stage: Stage
  readonly deletesData: boolean
  readonly say: Say
  /** @returns whether the person has typed the stage's name: once for the stage, once more for its data */
  readonly agrees: (what: 'stage' | 'data') => Promise<boolean>
  /** Whether the lock of another run is taken while it lasts. */
  readonly takesOver?: boolean
}
export type Ending = 'gone' | 'nothing' | 'declined'

const DEADLINE_MS = 3 * 3_600_000

/** @throws AwsProblem, DestroyFailure, StackFailure; running it again goes on from there */
export async function destroy(aws: Aws, request: Destruction): Promise<Ending> {
  const { name, stage, say } = request
  const caller = await callerIn(aws, stage.account, `Stage ${name}`)
  say(`Stage ${name}: account ${caller.account}, ${stage.region}, as ${caller.arn}`)
  const stackName = stageStack(name)
  if ((await describeStack(aws, stackName)) === undefined && (await readJournal(aws, request)) === undefined)
    return nothing(request)
  const { takesOver = false } = request
  const lock = { place: lockOf(name, stage), by: caller.arn, command: 'destroy', takesOver, say }
  return withStageLock(aws, lock, (held) => takeDown(held.aws, request))
}

function nothing({ name, say }: Destruction): Ending {
  say(`There is no stage ${name} in this account and region.`)
  return 'nothing'
}

async function takeDown(aws: Aws, request: Destruction): Promise<Ending> {
  const { name, stage, say } = request
  const stackName = stageStack(name)
  // For each wait of its own: a person who thinks it over, or a long snapshot, takes nothing from what comes after.
  const deadline = () => new Date(aws.clock.now().getTime() + DEADLINE_MS)
  const found = await describeStack(aws, stackName)
  const begun = await readJournal(aws, request)
  if (found?.StackId !== undefined && isBusy(found.StackStatus ?? '')) {
    say(`Stack ${stackName} is ${found.StackStatus}: it is followed to its end.`)
    await follow(aws, found.StackId, deadline(), say)
  }
  const stack = await describeStack(aws, stackName)
  if (stack?.StackId === undefined || stack.StackStatus === 'DELETE_COMPLETE') {
    if (begun === undefined) return nothing(request)
    say(`The stack is gone since an earlier run; what that left is what is left to do.`)
    return finish(aws, request, { ...begun, deletesData: begun.deletesData && request.deletesData })
  }

  if (stack.StackStatus === 'REVIEW_IN_PROGRESS' || stack.StackStatus === 'ROLLBACK_COMPLETE') {
    say(
      `Stack ${stackName} is what a creation left that came to nothing (${stack.StackStatus}): it has no resources.`,
    )
    if (!(await request.agrees('stage'))) return 'declined'
    await remove(aws, stackName, stack.StackId, deadline(), say)
    return 'gone'
  }

  const journal = await prepare(aws, request, stack.StackId, begun)
  if (journal === undefined) return 'declined'
  const { template } = journal
  await quiet(aws, request, journal, await takeInventory(aws, stack.StackId, template))
  await unlock(aws, stackOf(name, stage), stack, template, say, deadline())
  await remove(aws, stackName, stack.StackId, deadline(), say)
  return finish(aws, request, journal)
}

type Prepared = Journal & { readonly template: ReturnType<typeof readDeployed> }

/** Shows, asks, and writes down what was agreed to. */
async function prepare(
  aws: Aws,
  request: Destruction,
  stackId: string,
  begun: Journal | undefined,
): Promise<Prepared | undefined> {
  const { name, stage, deletesData, say, agrees } = request
  const template = readDeployed(await deployedTemplate(aws, stackId))
  const inventory = await takeInventory(aws, stackId, template)
  for (const line of showInventory(stage, template, inventory, deletesData)) say(line)
  if (!(await agrees('stage'))) return undefined
  if (deletesData && !(await agrees('data'))) return undefined
  const same = begun?.stackId === stackId ? begun : undefined
  const journal: Journal = {
    stackId,
    deletesData,
    // What an attempt to delete has already let go of is not in the stack any more.
    kept: [
      ...inventory.kept,
      ...(same?.kept ?? []).filter(({ name: old }) => inventory.kept.every((part) => part.name !== old)),
    ],
    ...definedPrimary(inventory.primary ?? same?.primary),
    snapshot: same?.snapshot ?? finalName(name, aws.clock.now()),
  }
  await writeJournal(aws, request, journal)
  return { ...journal, template }
}
const definedPrimary = (primary: string | undefined) => (primary === undefined ? {} : { primary })

/** `terrace-prod-final-20261128t154501`: what RDS takes as a name, and when. */
const finalName = (name: StageName, now: Date): string =>
  `${stageStack(name)}-final-${now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase()}`

async function quiet(
  aws: Aws,
  request: Destruction,
  journal: Prepared,
  { groups, primary }: Inventory,
): Promise<void> {
  const { name, deletesData, say } = request
  const hadServers = await drain(aws, groups, say)
  // Without one: it is gone since an earlier run, which did not go on before its snapshot was there.
  if (deletesData || primary === undefined) return
  const existing = await snapshotsOf(aws, primary)
  let { snapshot } = journal
  if (hadServers && existing.includes(snapshot)) {
    // Somebody has used the stage since then: what they wrote is not in it.
    snapshot = finalName(name, aws.clock.now())
    await writeJournal(aws, request, { ...withoutTemplate(journal), snapshot })
  }
  await finalSnapshot(aws, primary, snapshot, say)
}
function withoutTemplate({ template: _, ...journal }: Prepared): Journal {
  return journal
}

async function remove(aws: Aws, stackName: string, stackId: string, deadline: Date, say: Say): Promise<void> {
  const after = await newestEvent(aws, stackId)
  await aws.cloudformation.send(new DeleteStackCommand({ StackName: stackId }))
  const { status, reason, events } = await follow(aws, stackId, deadline, say, after)
  if (status === 'DELETE_COMPLETE') return
  const first = firstFailure(events)
  throw new DestroyFailure(
    [
      `Stack ${stackName} could not be deleted: it is ${status}.`,
      ...(first === undefined
        ? [`  AWS says: ${reason ?? ''}`]
        : [`  First to fail: ${first.LogicalResourceId}: ${first.ResourceStatusReason ?? ''}`]),
      `  Still there: ${leftBehind(events).join(', ')}`,
    ].join('\n'),
    'remove what still uses it (a server started by hand in its network, a group that names one of its groups), and run the same command again.',
  )
}

async function finish(aws: Aws, request: Destruction, journal: Journal): Promise<Ending> {
  const { name, stage, say } = request
  const buckets = journal.kept.filter(({ type }) => type === BUCKET)
  // Whoever may write there must not have another's data removed by whoever runs this.
  const foreign = [...buckets.map((bucket) => bucket.name), journal.primary ?? stageStack(name)].filter(
    (of) => !`${of}-`.startsWith(`${stageStack(name)}-`),
  )
  if (foreign.length > 0)
    throw new DestroyFailure(
      `The journal of stage ${name} names ${foreign.join(', ')}, which is not of this stage. Nothing of it was removed.`,
      'find out who wrote that into the state bucket; then remove stages/…/destroy.json there.',
    )
  if (journal.deletesData) {
    for (const { name: bucket } of buckets) await removeBucket(aws, bucket, stage.account, say)
    if (journal.primary !== undefined) await removeSnapshots(aws, journal.primary, say)
  }
  const kept = journal.deletesData ? journal.kept.filter(({ type }) => type !== BUCKET) : journal.kept
  const snapshots = journal.primary === undefined ? [] : await snapshotsOf(aws, journal.primary)
  say(`Stage ${name} is gone.`)
  const lines = howToRemove(kept, snapshots, stage.region)
  if (lines.length > 0) say('What was kept, and how each is removed when nobody needs it any more:')
  for (const line of lines) say(line)
  if (journal.primary !== undefined)
    say(
      `Also kept: the automatic backups of ${journal.primary} for ${stage.database.backupDays} days, its log groups ` +
        `/aws/rds/instance/${journal.primary}/…, and the key of the alerts until AWS removes it after 7 days.`,
    )
  await endJournal(aws, request)
  return 'gone'
}
