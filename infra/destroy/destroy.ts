// Takes a stage down, in the order in which nothing gets lost: servers drained, the database's last state kept, locks off,
// the stack deleted, and only then, if that was asked for, the data. It can be ended anywhere and run again.
import { DeleteStackCommand, type Stack } from '@aws-sdk/client-cloudformation'
import { type Aws, callerIn } from '../../aws/port.ts'
import { stageStack } from '../bootstrap/names.ts'
import type { Template } from '../cfn.ts'
import { inLine } from '../plain-text.ts'
import type { StackTarget } from '../release/change-set.ts'
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
import { refuseStuck } from '../release/settle.ts'
import { readDeployed } from '../release/stack-change.ts'
import { withStageLock } from '../release/stage-lock.ts'
import { lockOf, stackOf } from '../release/target.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import { DestroyFailure } from './failure.ts'
import { finish } from './finish.ts'
import { type Inventory, type Part, showInventory, takeInventory } from './inventory.ts'
import { allRemains, earlierThan, type Journal, type Remains, readJournal, writeJournal } from './journal.ts'
import { drain, finalSnapshot, formerSizes, hasRoom, snapshotsOf } from './quiet.ts'
import { isNothing, leftByCreation, showEarlier, showGone, showLeft } from './remains.ts'
import { wayBack } from './undo.ts'
import { unlock, unlocked } from './unlock.ts'

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
  const target = stackOf(name, stage)
  const { stackName } = target
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
    return finishEarlier(aws, request, begun)
  }

  const { StackId: stackId } = stack
  if (stack.StackStatus === 'REVIEW_IN_PROGRESS' || stack.StackStatus === 'ROLLBACK_COMPLETE') {
    const left = await prepareEmpty(aws, request, stack, begun)
    if (left === undefined) return 'declined'
    await remove(aws, target, stackId, deadline(), say)
    return finish(aws, request, left)
  }

  const journal = await prepare(aws, request, stack, begun)
  if (journal === undefined) return 'declined'
  const { template } = journal
  await quiet(aws, request, journal, await takeInventory(aws, stackId, template))
  await unlock(aws, { ...target, isProtected: stage.isProtected }, stack, template, say, deadline())
  await remove(aws, target, stackId, deadline(), say)
  return finish(aws, request, journal)
}

/** A journal may have been written by others since: nothing that it names is removed that was not shown and agreed to now. */
async function finishEarlier(aws: Aws, request: Destruction, begun: Journal): Promise<Ending> {
  const { agrees, say, deletesData } = request
  if (deletesData) {
    for (const remains of allRemains(begun)) for (const line of showGone(remains)) say(line)
    if (!(await agrees('data'))) return 'declined'
  } else if (begun.deletesData)
    say(
      'That run was to delete the data as well, and may have begun with it: of what is named from here on, buckets may be empty or gone.',
    )
  return finish(aws, request, { ...begun, deletesData })
}

type Prepared = Journal & { readonly snapshot: string; readonly template: Template }

/** Shows, asks, and writes down what was agreed to, and what is needed to undo it. */
async function prepare(
  aws: Aws,
  request: Destruction,
  stack: Stack,
  begun: Journal | undefined,
): Promise<Prepared | undefined> {
  const { name, stage, deletesData, say } = request
  const { StackId: stackId = stageStack(name) } = stack
  const template = readDeployed(await deployedTemplate(aws, stackId))
  // Found out later, it would be without servers, and stay.
  if (unlocked(template).ids.length > 0)
    await refuseStuck(aws, stageStack(name), stack.StackStatus ?? '', stack.StackStatusReason)
  const inventory = await takeInventory(aws, stackId, template)
  const earlier = earlierThan(begun, stackId)
  // Of what a creation had made, some may have refused to be taken back; the rest is gone by now, or kept.
  const left =
    stack.StackStatus === 'ROLLBACK_FAILED'
      ? await leftByCreation(aws, stackId)
      : { stackId, kept: [], databases: [] }
  for (const line of showInventory(stage, template, inventory, deletesData)) say(line)
  for (const line of showLeft(left, deletesData)) say(line)
  for (const line of showEarlier(earlier, deletesData)) say(line)
  const same = begun?.stackId === stackId ? begun : undefined
  if (same !== undefined)
    for (const line of showLetGo(same, [...inventory.kept, ...left.kept], inventory.primary, deletesData))
      say(line)
  if (!(await agreesToAll(request))) {
    if (same !== undefined)
      say(`If an earlier run has drained its servers: ${wayBack(name)} brings them back.`)
    return undefined
  }
  const databases = inventory.primary === undefined ? [] : [inventory.primary]
  const journal = {
    // What an attempt to delete has already let go of is not in the stack any more.
    ...allOf(stackId, { kept: inventory.kept, databases }, same, left),
    deletesData,
    // With room for servers, somebody may have written since the one of an earlier run was taken.
    snapshot:
      same?.snapshot === undefined || (await hasRoom(aws, inventory.groups))
        ? finalName(name, aws.clock.now())
        : same.snapshot,
    groups: await formerSizes(aws, inventory.groups, same?.groups ?? []),
    isProtected: stack.EnableTerminationProtection === true || same?.isProtected === true,
    earlier,
  }
  await writeJournal(aws, request, journal)
  return { ...journal, template }
}

/** The same for what a creation left that came to nothing: nothing of it serves anybody. */
async function prepareEmpty(
  aws: Aws,
  request: Destruction,
  { StackId: stackId = '', StackName, StackStatus }: Stack,
  begun: Journal | undefined,
): Promise<Journal | undefined> {
  const { deletesData, say } = request
  const found = await leftByCreation(aws, stackId)
  const same = begun?.stackId === stackId ? begun : undefined
  // Events are there for 90 days; what an earlier run has read in them is not forgotten with them.
  const left = allOf(stackId, found, same)
  const earlier = earlierThan(begun, stackId)
  say(
    `Stack ${StackName} is what a creation left that came to nothing (${StackStatus}): it has no resources any more.`,
  )
  for (const line of showLeft(left, deletesData)) say(line)
  for (const line of showEarlier(earlier, deletesData)) say(line)
  const journal: Journal = { ...left, deletesData, groups: [], isProtected: false, earlier }
  const isAllGone = isNothing(left) && earlier.length === 0
  if (!(await agreesToAll({ ...request, deletesData: deletesData && !isAllGone }))) return undefined
  if (!isAllGone) await writeJournal(aws, request, journal)
  return journal
}

/** Of what a run before has written down, that which is not in the stack any more, and so not in its inventory. */
function showLetGo(
  { stackId, kept, databases }: Journal,
  shown: readonly Part[],
  primary: string | undefined,
  deletesData: boolean,
): string[] {
  const names = new Set(shown.map((part) => part.name))
  const letGo = {
    stackId,
    kept: kept.filter((part) => !names.has(part.name)),
    databases: databases.filter((database) => database !== primary),
  }
  return showLeft(letGo, deletesData)
}

/** What several have found of one stack, each thing once. */
function allOf(
  stackId: string,
  ...found: readonly ((Readonly<Pick<Remains, 'databases'>> & { kept: readonly Part[] }) | undefined)[]
): Remains {
  const kept = found.flatMap((one) => one?.kept ?? [])
  return {
    stackId,
    kept: [...new Map(kept.map((part) => [`${part.type} ${part.name}`, part])).values()],
    databases: [...new Set(found.flatMap((one) => one?.databases ?? []))],
  }
}

const agreesToAll = async ({ deletesData, agrees }: Destruction): Promise<boolean> =>
  (await agrees('stage')) && (!deletesData || (await agrees('data')))

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
  const hadServers = await drain(aws, groups, wayBack(name), say)
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

async function remove(
  aws: Aws,
  { stackName, serviceRole }: StackTarget,
  stackId: string,
  deadline: Date,
  say: Say,
): Promise<void> {
  const after = await newestEvent(aws, stackId)
  await aws.cloudformation.send(
    // Else it is the role that the stack was changed with last, and a pipeline's removes no database.
    new DeleteStackCommand({ StackName: stackId, RoleARN: serviceRole }),
  )
  const { status, reason, events } = await follow(aws, stackId, deadline, say, after)
  if (status === 'DELETE_COMPLETE') return
  const first = firstFailure(events)
  throw new DestroyFailure(
    [
      `Stack ${stackName} could not be deleted: it is ${status}.`,
      ...(first === undefined
        ? [`  AWS says: ${inLine(reason ?? '')}`]
        : [`  First to fail: ${first.LogicalResourceId}: ${inLine(first.ResourceStatusReason ?? '')}`]),
      `  Still there: ${leftBehind(events).join(', ')}`,
    ].join('\n'),
    'remove what still uses it (a server started by hand in its network, a group that names one of its groups), and run the same command again.',
  )
}
