// A stage that nobody uses any more: its servers go, handing back what they are at, and the database is kept as it is then.
import {
  type AutoScalingGroup,
  DescribeAutoScalingGroupsCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling'
import {
  CreateDBSnapshotCommand,
  type DBSnapshot,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
} from '@aws-sdk/client-rds'
import { everything } from '../../aws/pages.ts'
import type { Aws } from '../../aws/port.ts'
import { inCommand, inLine } from '../plain-text.ts'
import type { Say } from '../release/follow.ts'
import { DestroyFailure } from './failure.ts'
import type { GroupSizes } from './journal.ts'

const POLL_MS = 10_000
/** Deregistration, then the terminate hook, which lets a server hand back for minutes; both of AWS's own limits more. */
const DRAIN_MS = 60 * 60_000
/** The first snapshot of a database copies all of it. */
export const SNAPSHOT_MS = 12 * 60 * 60_000

export async function describeGroups(aws: Aws, names: readonly string[]): Promise<AutoScalingGroup[]> {
  if (names.length === 0) return []
  const { AutoScalingGroups = [] } = await aws.autoscaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [...names] }),
  )
  return AutoScalingGroups
}

/**
 * The sizes that groups have while they serve.
 * @param known of an earlier run: those of the groups that it has drained
 * @throws DestroyFailure for a group that ends no servers
 */
export async function formerSizes(
  aws: Aws,
  names: readonly string[],
  known: readonly GroupSizes[],
): Promise<GroupSizes[]> {
  const groups = await describeGroups(aws, names)
  const stuck = groups.find(({ SuspendedProcesses: suspended = [] }) =>
    suspended.some(({ ProcessName: process }) => process === 'Terminate'),
  )
  if (stuck !== undefined) {
    const { AutoScalingGroupName: group = '' } = stuck
    throw new DestroyFailure(
      `Somebody has suspended Terminate in group ${inLine(group)}: its servers would not end. Nothing was changed.`,
      `find out why, then aws --region ${aws.region} autoscaling resume-processes --auto-scaling-group-name ` +
        `${inCommand(group)} --scaling-processes Terminate, and run the same command again.`,
    )
  }
  return groups.flatMap(({ AutoScalingGroupName: name = '', MinSize: min, MaxSize: max, DesiredCapacity }) =>
    max === 0 || min === undefined || max === undefined
      ? known.filter((group) => group.name === name)
      : [{ name, min, max, desired: DesiredCapacity ?? min }],
  )
}

/** Whether servers may be there: their greatest size is what a drain sets to nothing first. */
export const hasRoom = async (aws: Aws, groups: readonly string[]): Promise<boolean> =>
  (await describeGroups(aws, groups)).some(
    ({ MaxSize: max, Instances = [] }) => max !== 0 || Instances.length > 0,
  )

/**
 * Lets groups go to no servers, and waits until each has ended: terminate hooks run meanwhile.
 * @param wayBack the command that brings them back
 * @returns whether any server was still there
 * @throws DestroyFailure when some never end
 */
export async function drain(
  aws: Aws,
  groups: readonly string[],
  wayBack: string,
  say: Say,
): Promise<boolean> {
  const before = await describeGroups(aws, groups)
  const serving = before.filter(({ MaxSize: max }) => max !== 0)
  if (serving.length > 0)
    say(`From here on the stage serves nobody. The way back, as long as it is not deleted: ${wayBack}`)
  for (const { AutoScalingGroupName: name = '' } of serving)
    await aws.autoscaling.send(
      // The greatest size too: or scaling by requests would start another one.
      new UpdateAutoScalingGroupCommand({
        AutoScalingGroupName: name,
        MinSize: 0,
        MaxSize: 0,
        DesiredCapacity: 0,
      }),
    )
  const had = before.some(({ Instances = [] }) => Instances.length > 0)
  const until = aws.clock.now().getTime() + DRAIN_MS
  for (let said = -1; ; ) {
    const left = (await describeGroups(aws, groups)).flatMap(({ Instances = [] }) => Instances)
    if (left.length === 0) return had
    if (left.length !== said) say(`${left.length} servers finish what they are at.`)
    said = left.length
    if (aws.clock.now().getTime() >= until)
      throw new DestroyFailure(
        `These servers do not end: ${left.map(({ InstanceId: id }) => id).join(', ')}.`,
        `look at their lifecycle hooks and logs, end them by hand if need be, and run the same command again; or ${wayBack}.`,
      )
    await aws.clock.sleep(POLL_MS)
  }
}

/**
 * A snapshot of that name that is there to be restored from, when this returns.
 * @throws DestroyFailure when it fails, or takes longer than half a day
 */
export async function finalSnapshot(aws: Aws, database: string, name: string, say: Say): Promise<void> {
  const until = aws.clock.now().getTime() + SNAPSHOT_MS
  for (let asked = false; ; ) {
    const found = await findSnapshot(aws, name)
    if (found?.Status === 'available') {
      if (found.DBInstanceIdentifier !== database)
        throw new DestroyFailure(
          `Snapshot ${name} is of database ${found.DBInstanceIdentifier}, not of ${database}.`,
          'rename or remove it, and run the same command again.',
        )
      say(`Snapshot ${name} of ${database} is there.`)
      return
    }
    if (found?.Status === 'failed')
      throw new DestroyFailure(
        `Snapshot ${name} of ${database} failed.`,
        `remove it (aws --region ${aws.region} rds delete-db-snapshot --db-snapshot-identifier ${name}), and run the same command again.`,
      )
    if (found === undefined && !asked && (await isAvailable(aws, database))) {
      await takeSnapshot(aws, database, name)
      say(`Snapshot ${name} of ${database} is being taken.`)
      asked = true
    }
    if (aws.clock.now().getTime() >= until)
      throw new DestroyFailure(
        `Snapshot ${name} of ${database} is ${found?.Status ?? 'not begun: the database is never available'}.`,
        'run the same command again: it goes on waiting.',
      )
    await aws.clock.sleep(POLL_MS)
  }
}

async function takeSnapshot(aws: Aws, database: string, name: string): Promise<void> {
  try {
    await aws.rds.send(
      new CreateDBSnapshotCommand({ DBInstanceIdentifier: database, DBSnapshotIdentifier: name }),
    )
  } catch (error) {
    // The SDK asked twice, and the first time was heard.
    if (!(error instanceof Error) || !error.name.startsWith('DBSnapshotAlreadyExists')) throw error
  }
}

async function findSnapshot(aws: Aws, name: string): Promise<DBSnapshot | undefined> {
  try {
    const { DBSnapshots } = await aws.rds.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: name }))
    return DBSnapshots?.[0]
  } catch (error) {
    if (error instanceof Error && /^DBSnapshotNotFound/.test(error.name)) return undefined
    throw error
  }
}

/** Snapshots of a database that stay when it goes: those that were made by hand, or at its end. */
export async function snapshotsOf(aws: Aws, database: string): Promise<string[]> {
  const snapshots = await everything(async (Marker) => {
    const page = await aws.rds.send(
      new DescribeDBSnapshotsCommand({ DBInstanceIdentifier: database, SnapshotType: 'manual', Marker }),
    )
    return { items: page.DBSnapshots, next: page.Marker }
  })
  return snapshots.flatMap(({ DBSnapshotIdentifier: name }) => name || [])
}

async function isAvailable(aws: Aws, database: string): Promise<boolean> {
  const { DBInstances } = await aws.rds.send(
    new DescribeDBInstancesCommand({ DBInstanceIdentifier: database }),
  )
  return DBInstances?.[0]?.DBInstanceStatus === 'available'
}
