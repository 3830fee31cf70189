// Databases and groups of servers: made by a stack on both sides, since the stand-in has no other way.
import { DescribeAutoScalingGroupsCommand, UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import {
  CreateChangeSetCommand,
  DescribeStackResourceCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
} from '@aws-sdk/client-cloudformation'
import {
  CreateDBSnapshotCommand,
  DeleteDBSnapshotCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  ModifyDBInstanceCommand,
} from '@aws-sdk/client-rds'
import type { Aws } from '../../../../aws/port.ts'
import type { Call, Kept } from './call.ts'

const StackName = 'terrace-calls-data'
const TEMPLATE = JSON.stringify({
  Resources: {
    Database: {
      Type: 'AWS::RDS::DBInstance',
      Properties: {
        Engine: 'postgres',
        DBInstanceClass: 'db.t4g.micro',
        AllocatedStorage: '20',
        MasterUsername: 'terrace',
        MasterUserPassword: 'not-a-secret',
        DeletionProtection: true,
      },
    },
    Template: {
      Type: 'AWS::EC2::LaunchTemplate',
      Properties: { LaunchTemplateData: { ImageId: 'ami-12345678', InstanceType: 't4g.small' } },
    },
    Group: {
      Type: 'AWS::AutoScaling::AutoScalingGroup',
      Properties: {
        MinSize: '1',
        MaxSize: '3',
        AvailabilityZones: ['eu-west-1a'],
        LaunchTemplate: {
          LaunchTemplateId: { Ref: 'Template' },
          Version: { 'Fn::GetAtt': ['Template', 'LatestVersionNumber'] },
        },
      },
    },
  },
})
const SNAPSHOT = 'terrace-calls-snapshot'
const NOTHING = 'terrace-calls-of-nobody'

async function made(aws: Aws, kept: Kept) {
  const ChangeSetName = 'first'
  await aws.cloudformation.send(
    new CreateChangeSetCommand({ StackName, ChangeSetName, ChangeSetType: 'CREATE', TemplateBody: TEMPLATE }),
  )
  await aws.clock.sleep(60_000)
  await aws.cloudformation.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName }))
  let status = ''
  for (let tries = 0; tries < 100 && status !== 'CREATE_COMPLETE'; tries++) {
    await aws.clock.sleep(30_000)
    const { Stacks: [found] = [] } = await aws.cloudformation.send(new DescribeStacksCommand({ StackName }))
    status = found?.StackStatus ?? ''
  }
  for (const LogicalResourceId of ['Database', 'Group']) {
    const { StackResourceDetail: one } = await aws.cloudformation.send(
      new DescribeStackResourceCommand({ StackName, LogicalResourceId }),
    )
    kept.set(LogicalResourceId, one?.PhysicalResourceId ?? '')
  }
  return { status }
}

async function instance(aws: Aws, DBInstanceIdentifier: string) {
  const { DBInstances: [one] = [] } = await aws.rds.send(
    new DescribeDBInstancesCommand({ DBInstanceIdentifier }),
  )
  return { status: one?.DBInstanceStatus, isProtected: one?.DeletionProtection }
}
/** Until it is `available` again. */
async function rested(aws: Aws, id: string) {
  for (let tries = 0; tries < 100; tries++) {
    const found = await instance(aws, id)
    if (found.status === 'available') return found
    await aws.clock.sleep(30_000)
  }
  return instance(aws, id)
}
const database = (kept: Kept) => kept.get('Database') ?? ''
const snapshot = (id: string) => async (aws: Aws, kept: Kept) => {
  const { DBSnapshot } = await aws.rds.send(
    new CreateDBSnapshotCommand({ DBInstanceIdentifier: database(kept), DBSnapshotIdentifier: id }),
  )
  return { Status: DBSnapshot?.Status }
}
const group = async (aws: Aws, name: string) => {
  const { AutoScalingGroups = [] } = await aws.autoscaling.send(
    new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [name] }),
  )
  return AutoScalingGroups.map(({ MinSize, MaxSize, DesiredCapacity, Instances = [] }) => ({
    MinSize,
    MaxSize,
    DesiredCapacity,
    instances: Instances.length,
  }))
}
const resize =
  (sizes: { MinSize?: number; MaxSize?: number; DesiredCapacity?: number }) =>
  async (aws: Aws, kept: Kept) => {
    const AutoScalingGroupName = kept.get('Group') ?? ''
    await aws.autoscaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName, ...sizes }))
    await aws.clock.sleep(600_000)
    return group(aws, AutoScalingGroupName)
  }

export const DATA_CALLS: readonly Call[] = [
  { what: 'data: a stack with a database and a group', ask: made },
  { what: 'rds: an instance', ask: (aws, kept) => instance(aws, database(kept)) },
  { what: 'rds: an instance that is not there', ask: (aws) => instance(aws, NOTHING) },
  {
    what: 'rds: protection goes',
    ask: async (aws, kept) => {
      const DBInstanceIdentifier = database(kept)
      await aws.rds.send(
        new ModifyDBInstanceCommand({
          DBInstanceIdentifier,
          DeletionProtection: false,
          ApplyImmediately: true,
        }),
      )
      return rested(aws, DBInstanceIdentifier)
    },
  },
  {
    what: 'rds: a change of an instance that is not there',
    ask: (aws) =>
      aws.rds
        .send(new ModifyDBInstanceCommand({ DBInstanceIdentifier: NOTHING, DeletionProtection: false }))
        .then(() => ({})),
  },
  { what: 'rds: a snapshot', ask: snapshot(SNAPSHOT) },
  { what: 'rds: the instance meanwhile', ask: (aws, kept) => instance(aws, database(kept)) },
  {
    what: 'rds: the same snapshot again',
    ask: async (aws, kept) => {
      await rested(aws, database(kept))
      return snapshot(SNAPSHOT)(aws, kept)
    },
  },
  {
    what: 'rds: snapshots of the instance',
    ask: async (aws, kept) => {
      const { DBSnapshots = [] } = await aws.rds.send(
        new DescribeDBSnapshotsCommand({ DBInstanceIdentifier: database(kept) }),
      )
      // Not those that the service makes by itself.
      const own = DBSnapshots.filter((one) => one.DBSnapshotIdentifier?.startsWith('rds:') !== true)
      return own.map((one) => [
        one.DBSnapshotIdentifier,
        one.Status,
        one.DBInstanceIdentifier === database(kept),
      ])
    },
  },
  {
    what: 'rds: a snapshot that is not there',
    ask: (aws) =>
      aws.rds.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: NOTHING })).then(() => ({})),
  },
  {
    what: 'rds: delete of a snapshot',
    ask: (aws) =>
      aws.rds.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier: SNAPSHOT })).then(() => ({})),
  },
  {
    what: 'rds: delete of a snapshot that is being made',
    ask: async (aws, kept) => {
      const DBSnapshotIdentifier = `${SNAPSHOT}-2`
      await snapshot(DBSnapshotIdentifier)(aws, kept)
      await aws.rds.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier }))
    },
  },
  {
    what: 'rds: delete of a snapshot that is not there',
    ask: (aws) =>
      aws.rds.send(new DeleteDBSnapshotCommand({ DBSnapshotIdentifier: NOTHING })).then(() => ({})),
  },
  { what: 'groups: one', ask: (aws, kept) => group(aws, kept.get('Group') ?? '') },
  { what: 'groups: one that is not there', ask: (aws) => group(aws, NOTHING) },
  { what: 'groups: more', ask: resize({ DesiredCapacity: 2 }) },
  { what: 'groups: a larger minimum than what is wanted', ask: resize({ MinSize: 3 }) },
  { what: 'groups: more than the maximum', ask: resize({ DesiredCapacity: 4 }) },
  { what: 'groups: a minimum above the maximum', ask: resize({ MinSize: 5 }) },
  { what: 'groups: none', ask: resize({ MinSize: 0, MaxSize: 0, DesiredCapacity: 0 }) },
  {
    what: 'groups: a change of one that is not there',
    ask: (aws) =>
      aws.autoscaling
        .send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: NOTHING, MinSize: 0 }))
        .then(() => ({})),
  },
]
