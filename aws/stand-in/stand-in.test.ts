// The stand-in itself: what it promises to the tests that stand on it. What CloudFormation does, and what is planned with
// it, is tested where it is used (infra/release).
import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  RecordLifecycleActionHeartbeatCommand,
  UpdateAutoScalingGroupCommand,
} from '@aws-sdk/client-auto-scaling'
import {
  CreateChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  UpdateTerminationProtectionCommand,
  ValidateTemplateCommand,
} from '@aws-sdk/client-cloudformation'
import { DescribeVpcsCommand } from '@aws-sdk/client-ec2'
import { CreateServiceLinkedRoleCommand, GetRoleCommand } from '@aws-sdk/client-iam'
import {
  CreateDBSnapshotCommand,
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  ModifyDBInstanceCommand,
} from '@aws-sdk/client-rds'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager'
import { GetParameterCommand, GetParametersByPathCommand, PutParameterCommand } from '@aws-sdk/client-ssm'
import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from './service.ts'
import { type StandIn, standIn } from './stand-in.ts'

let world: StandIn
beforeEach(() => {
  world = standIn()
})
const HOUR = 3_600_000

test('what it does not know is an error, and never a success', async () => {
  const { cloudformation, ec2, rds } = world.aws
  await expect(cloudformation.send(new ValidateTemplateCommand({}))).rejects.toThrow(
    'The stand-in for AWS has no cloudformation ValidateTemplate',
  )
  await expect(ec2.send(new DescribeVpcsCommand({}))).rejects.toThrow('has no ec2 DescribeVpcs')
  await expect(
    rds.send(new ModifyDBInstanceCommand({ DBInstanceIdentifier: 'x', AllocatedStorage: 50 })),
  ).rejects.toThrow('modifies no AllocatedStorage')
})

describe('faults', () => {
  const put = (name: string) =>
    world.aws.ssm.send(new PutParameterCommand({ Name: name, Value: 'x', Type: 'String' }))
  const get = (name: string) => world.aws.ssm.send(new GetParameterCommand({ Name: name }))

  test('the call that is meant, as often as is meant, without an effect', async () => {
    world.faults.add({ operation: 'PutParameter', call: 2, times: 2, error: FAULTS.throttled() })
    await put('/a')
    await expect(put('/b')).rejects.toMatchObject({ name: 'AwsProblem', kind: 'throttled' })
    await expect(put('/b')).rejects.toMatchObject({ kind: 'throttled' })
    await expect(get('/b')).rejects.toMatchObject({ name: 'ParameterNotFound' })
    await put('/b')
  })

  test('an answer that is lost had its effect', async () => {
    world.faults.add({ operation: '*', error: FAULTS.noAnswer(), answer: 'lost' })
    await expect(put('/a')).rejects.toMatchObject({ kind: 'unreachable' })
    expect((await get('/a')).Parameter?.Value).toBe('x')
  })
})

test('time passes only while somebody waits, and ends with the signal', async () => {
  const from = world.clock.now().getTime()
  const seen: number[] = []
  for (const ms of [300, 100, 200]) world.clock.after(ms, () => seen.push(ms))
  await world.clock.sleep(250)
  expect(seen).toEqual([100, 200])
  expect(world.clock.now().getTime() - from).toBe(250)
  await expect(world.clock.sleep(1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
})

describe('S3', () => {
  const Bucket = 'b'
  const put = (Key: string, more: object = {}) =>
    world.aws.s3.send(new PutObjectCommand({ Bucket, Key, Body: Key, ...more }))
  beforeEach(() => world.buckets.make(Bucket))

  test('conditional writes', async () => {
    const { ETag = '' } = await put('a', { IfNoneMatch: '*' })
    await expect(put('a', { IfNoneMatch: '*' })).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    })
    await put('a', { IfMatch: ETag, Body: 'new' })
    await expect(put('a', { IfMatch: ETag })).rejects.toMatchObject({ name: 'PreconditionFailed' })
    await expect(put('none', { IfMatch: ETag })).rejects.toMatchObject({ name: 'NoSuchKey' })
    await expect(put('none', { IfNoneMatch: ETag })).rejects.toMatchObject({ name: 'NotImplemented' })
    const { Body } = await world.aws.s3.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    expect(await Body?.transformToString()).toBe('new')
  })

  test('conditional deletes; what is deleted is in nobody’s way', async () => {
    const { ETag = '' } = await put('a')
    const remove = (IfMatch: string) =>
      world.aws.s3.send(new DeleteObjectCommand({ Bucket, Key: 'a', IfMatch }))
    await put('a', { Body: 'new' })
    await expect(remove(ETag)).rejects.toMatchObject({
      name: 'PreconditionFailed',
      $metadata: { httpStatusCode: 412 },
    })
    const { ETag: now = '' } = await put('a', { Body: 'newer' })
    await remove(now)
    await expect(remove(now)).rejects.toMatchObject({ name: 'NoSuchKey' })
    await expect(put('a', { IfMatch: now })).rejects.toMatchObject({ name: 'NoSuchKey' })
    await put('a', { IfNoneMatch: '*' })
  })

  test('the time of an object is to the second', async () => {
    await world.clock.sleep(1_700)
    await put('a')
    const { LastModified } = await world.aws.s3.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    expect(world.clock.now().getTime() - (LastModified?.getTime() ?? 0)).toBe(700)
  })

  test('another account’s bucket, and what is not there', async () => {
    await expect(put('a', { ExpectedBucketOwner: '999999999999' })).rejects.toMatchObject({
      kind: 'access-denied',
    })
    const missing = { Bucket, Key: 'none' }
    await expect(world.aws.s3.send(new GetObjectCommand(missing))).rejects.toMatchObject({
      name: 'NoSuchKey',
    })
    await expect(world.aws.s3.send(new HeadObjectCommand(missing))).rejects.toMatchObject({
      name: 'NotFound',
    })
    await expect(put('a', { Bucket: 'other' })).rejects.toMatchObject({ name: 'NoSuchBucket' })
  })

  test('pages of keys, and of versions, until nothing is left', async () => {
    for (const key of ['x/1', 'x/2', 'x/3', 'y']) await put(key)
    await put('x/1')
    await world.aws.s3.send(new DeleteObjectCommand({ Bucket, Key: 'x/2' }))
    const listed: string[] = []
    for (let token: string | undefined, more = true; more; ) {
      const page = await world.aws.s3.send(
        new ListObjectsV2Command({
          Bucket,
          Prefix: 'x/',
          MaxKeys: 1,
          ...(token && { ContinuationToken: token }),
        }),
      )
      for (const { Key = '' } of page.Contents ?? []) listed.push(Key)
      token = page.NextContinuationToken
      more = page.IsTruncated === true
    }
    expect(listed).toEqual(['x/1', 'x/3'])
    expect(world.buckets.remove(Bucket)).toBe(false)
    let pages = 0
    for (let more = true; more; pages++) {
      const page = await world.aws.s3.send(new ListObjectVersionsCommand({ Bucket, MaxKeys: 2 }))
      const Objects = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
        Key,
        VersionId,
      }))
      if (Objects.length > 0)
        await world.aws.s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
      more = page.IsTruncated === true
    }
    expect(pages).toBe(3)
    expect(world.buckets.remove(Bucket)).toBe(true)
  })
})

describe('CloudFormation', () => {
  const StackName = 's'
  const template = (size: string) =>
    JSON.stringify({
      Resources: {
        Database: {
          Type: 'AWS::RDS::DBInstance',
          DeletionPolicy: 'Snapshot',
          Properties: { DBInstanceClass: 'db.t4g.small', AllocatedStorage: size, DeletionProtection: true },
        },
        Servers: {
          Type: 'AWS::AutoScaling::AutoScalingGroup',
          Properties: { MinSize: '2', MaxSize: '4', Tags: [{ Key: 'db', Value: { Ref: 'Database' } }] },
        },
        Files: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain', Properties: {} },
      },
    })
  const bring = async (
    TemplateBody: string,
    ChangeSetType: 'CREATE' | 'UPDATE',
    name = `c-${ChangeSetType}`,
  ) => {
    const created = await world.aws.cloudformation.send(
      new CreateChangeSetCommand({
        StackName,
        ChangeSetName: name,
        ClientToken: name,
        ChangeSetType,
        TemplateBody,
      }),
    )
    await world.clock.sleep(60_000)
    await world.aws.cloudformation.send(new ExecuteChangeSetCommand({ StackName, ChangeSetName: name }))
    await world.clock.sleep(2 * HOUR)
    return created
  }
  const instances = async () =>
    (await world.aws.rds.send(new DescribeDBInstancesCommand({}))).DBInstances ?? []
  const stack = () => world.stacks.find(StackName)
  const remove = async () => {
    await world.aws.cloudformation.send(new DeleteStackCommand({ StackName }))
    await world.clock.sleep(2 * HOUR)
  }

  test('its resources are there for the other services, and go by their policies', async () => {
    await bring(template('20'), 'CREATE')
    expect(stack()?.status).toBe('CREATE_COMPLETE')
    const [instance] = await instances()
    const id = instance?.DBInstanceIdentifier
    expect(instance).toMatchObject({ DBInstanceStatus: 'available', DeletionProtection: true })
    await world.aws.cloudformation.send(
      new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection: true }),
    )
    await expect(remove()).rejects.toThrow('TerminationProtection is enabled')
    await world.aws.cloudformation.send(
      new UpdateTerminationProtectionCommand({ StackName, EnableTerminationProtection: false }),
    )
    await remove()
    expect([stack()?.status, stack()?.reason]).toEqual([
      'DELETE_FAILED',
      'The following resource(s) failed to delete: [Database]. ',
    ])
    // Servers, which refer to it, have gone before.
    expect(world.groups.groups.size).toBe(0)
    await world.aws.rds.send(
      new ModifyDBInstanceCommand({ DBInstanceIdentifier: id, DeletionProtection: false }),
    )
    await world.clock.sleep(60_000)
    await remove()
    expect(stack()?.status).toBe('DELETE_COMPLETE')
    expect(await instances()).toEqual([])
    const { DBSnapshots } = await world.aws.rds.send(new DescribeDBSnapshotsCommand({}))
    expect(DBSnapshots).toMatchObject([{ DBInstanceIdentifier: id }])
    // The bucket is kept.
    expect(stack()?.events.some(({ ResourceStatus }) => ResourceStatus === 'DELETE_SKIPPED')).toBe(true)
  })

  test('a token makes a second request the first one again, and another name a second one', async () => {
    const ask = (ClientToken: string) =>
      world.aws.cloudformation.send(
        new CreateChangeSetCommand({
          StackName,
          ChangeSetName: 'c',
          ClientToken,
          ChangeSetType: 'CREATE',
          TemplateBody: template('20'),
        }),
      )
    const { Id } = await ask('t')
    expect((await ask('t')).Id).toBe(Id)
    await expect(ask('other')).rejects.toMatchObject({ name: 'AlreadyExistsException' })
    expect(stack()?.status).toBe('REVIEW_IN_PROGRESS')
  })

  test('that something has begun is told by the events before the state tells it', async () => {
    await bring(template('20'), 'CREATE')
    await world.aws.cloudformation.send(new DeleteStackCommand({ StackName }))
    const told = async () => {
      const { Stacks } = await world.aws.cloudformation.send(new DescribeStacksCommand({ StackName }))
      return [
        Stacks?.[0]?.StackStatus,
        stack()?.events.some((event) => event.ResourceStatus === 'DELETE_IN_PROGRESS'),
      ]
    }
    expect(await told()).toEqual(['CREATE_COMPLETE', true])
    await world.clock.sleep(60_000)
    expect(await told()).toEqual(['DELETE_IN_PROGRESS', true])
  })

  test('a change set says what follows from what', async () => {
    await bring(template('20'), 'CREATE')
    const other = template('20').replace('"DBInstanceClass"', '"DBName":"x","DBInstanceClass"')
    await world.aws.cloudformation.send(
      new CreateChangeSetCommand({ StackName, ChangeSetName: 'c', TemplateBody: other }),
    )
    await world.clock.sleep(60_000)
    const { Changes } = await world.aws.cloudformation.send(
      new DescribeChangeSetCommand({ StackName, ChangeSetName: 'c' }),
    )
    expect(Changes?.map(({ ResourceChange }) => ResourceChange)).toMatchObject([
      { LogicalResourceId: 'Database', Replacement: 'True', PolicyAction: 'ReplaceAndDelete' },
      {
        LogicalResourceId: 'Servers',
        Details: [{ CausingEntity: 'Database', Evaluation: 'Dynamic', ChangeSource: 'ResourceReference' }],
      },
    ])
  })

  test('a type that there is not, a reference to nothing, and roles without a word are refused', async () => {
    const ask = (TemplateBody: string) =>
      world.aws.cloudformation.send(
        new CreateChangeSetCommand({ StackName, ChangeSetName: 'c', ChangeSetType: 'CREATE', TemplateBody }),
      )
    const one = (Type: string, Properties: object = {}) =>
      JSON.stringify({ Resources: { One: { Type, Properties } } })
    await expect(ask(one('AWS::S3::Buket'))).rejects.toThrow('Unrecognized resource types: [AWS::S3::Buket]')
    await expect(ask(one('AWS::S3::Bucket', { BucketName: { Ref: 'Two' } }))).rejects.toThrow('[Two]')
    await expect(ask(one('AWS::IAM::Role'))).rejects.toMatchObject({
      name: 'InsufficientCapabilitiesException',
    })
    await expect(ask(one('AWS::S3::Bucket', { x: 'x'.repeat(51_200) }))).rejects.toThrow('51200')
  })
})

test('groups: instances drain over time', async () => {
  world.groups.make('g', 2, 4)
  const states = async () => {
    const { AutoScalingGroups } = await world.aws.autoscaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: ['g'] }),
    )
    return AutoScalingGroups?.[0]?.Instances?.map(({ LifecycleState }) => LifecycleState)
  }
  expect(await states()).toEqual(['Pending:Wait', 'Pending:Wait'])
  await world.clock.sleep(HOUR)
  expect(await states()).toEqual(['InService', 'InService'])
  await world.aws.autoscaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: 'g',
      MinSize: 0,
      MaxSize: 0,
      DesiredCapacity: 0,
    }),
  )
  expect(await states()).toEqual(['Terminating:Wait', 'Terminating:Wait'])
  await world.clock.sleep(HOUR)
  expect(await states()).toEqual([])
})

test('snapshots take their time, and their names are taken', async () => {
  world.databases.instances.set('db', { status: 'available', deletionProtection: false, source: undefined })
  const snapshot = () =>
    world.aws.rds.send(new CreateDBSnapshotCommand({ DBInstanceIdentifier: 'db', DBSnapshotIdentifier: 's' }))
  const status = async () => {
    const found = await world.aws.rds.send(new DescribeDBSnapshotsCommand({ DBSnapshotIdentifier: 's' }))
    return found.DBSnapshots?.[0]?.Status
  }
  await expect(status()).rejects.toMatchObject({ name: 'DBSnapshotNotFoundFault' })
  await snapshot()
  expect(await status()).toBe('creating')
  await world.clock.sleep(HOUR)
  expect(await status()).toBe('available')
  await expect(snapshot()).rejects.toMatchObject({ name: 'DBSnapshotAlreadyExistsFault' })
})

test('parameters by their path, and roles of services once', async () => {
  const { ssm, iam } = world.aws
  for (const Name of ['/t/a', '/t/b/c']) await ssm.send(new PutParameterCommand({ Name, Value: 'x' }))
  await expect(ssm.send(new PutParameterCommand({ Name: '/t/a', Value: 'y' }))).rejects.toMatchObject({
    name: 'ParameterAlreadyExists',
  })
  const all = async (Recursive: boolean) =>
    (await ssm.send(new GetParametersByPathCommand({ Path: '/t', Recursive }))).Parameters?.map(
      ({ Name }) => Name,
    )
  expect([await all(false), await all(true)]).toEqual([['/t/a'], ['/t/a', '/t/b/c']])
  const role = new GetRoleCommand({ RoleName: 'AWSServiceRoleForRDS' })
  await expect(iam.send(role)).rejects.toMatchObject({ name: 'NoSuchEntityException' })
  const make = () => iam.send(new CreateServiceLinkedRoleCommand({ AWSServiceName: 'rds.amazonaws.com' }))
  await make()
  expect((await iam.send(role)).Role?.RoleName).toBe('AWSServiceRoleForRDS')
  await expect(make()).rejects.toMatchObject({ name: 'InvalidInputException' })
})

describe('a group that waits for its servers', () => {
  const launch = { name: 'ready', seconds: 600, result: 'ABANDON' } as const
  const terminate = { name: 'handed-back', seconds: 120, result: 'CONTINUE' } as const
  const make = () => {
    world.groups.make('web', 1, 3, { launch, terminate })
    return only()
  }
  const ids = () => [...(world.groups.groups.get('web')?.instances.keys() ?? [])]
  const only = () => ids()[0] ?? ''
  const stateOf = async (InstanceId: string) => {
    const { AutoScalingInstances: [one] = [] } = await world.aws.autoscaling.send(
      new DescribeAutoScalingInstancesCommand({ InstanceIds: [InstanceId] }),
    )
    return one?.LifecycleState
  }
  const about = (InstanceId: string, LifecycleHookName: string) => ({
    ...{ AutoScalingGroupName: 'web', InstanceId, LifecycleHookName },
  })
  const complete = (id: string, LifecycleActionResult: string, hook = 'ready') =>
    world.aws.autoscaling.send(
      new CompleteLifecycleActionCommand({ ...about(id, hook), LifecycleActionResult }),
    )
  const beat = (id: string) =>
    world.aws.autoscaling.send(new RecordLifecycleActionHeartbeatCommand(about(id, 'ready')))

  test('a server is in service when it says so, and not twice', async () => {
    const id = make()
    await world.clock.sleep(500_000)
    expect([await stateOf(id), world.groups.targetState(id)]).toEqual(['Pending:Wait', 'InService'])
    await complete(id, 'CONTINUE')
    expect(await stateOf(id)).toBe('InService')
    await expect(complete(id, 'CONTINUE')).rejects.toMatchObject({
      name: 'ValidationError',
      message: `No active Lifecycle Action found with instance ID ${id}`,
    })
  })

  test('one that says nothing is ended, unless its heart beats, and that not for ever', async () => {
    const id = make()
    await world.clock.sleep(500_000)
    await beat(id)
    await world.clock.sleep(500_000)
    expect(await stateOf(id)).toBe('Pending:Wait')
    await world.clock.sleep(101_000)
    expect(await stateOf(id)).toBeUndefined()
    // Another one was launched.
    expect(ids()).toHaveLength(1)
    const next = only()
    for (let beats = 0; beats < 121; beats++) {
      await world.clock.sleep(500_000)
      if ((await stateOf(next)) === undefined) break
      await beat(next)
    }
    expect(await stateOf(next)).toBeUndefined()
  })

  test('one that gives up is replaced', async () => {
    const id = make()
    await complete(id, 'ABANDON')
    expect(ids()).toEqual([expect.not.stringContaining(id)])
  })

  test('one that goes leaves its load balancer first, and is waited for then', async () => {
    const id = make()
    await complete(id, 'CONTINUE')
    world.groups.resize('web', { min: 0, desired: 0 })
    expect([await stateOf(id), world.groups.targetState(id)]).toEqual(['Terminating', 'Terminated'])
    await expect(complete(id, 'CONTINUE', 'handed-back')).rejects.toThrow('No active Lifecycle Action')
    await world.clock.sleep(61_000)
    expect(await stateOf(id)).toBe('Terminating:Wait')
    await complete(id, 'CONTINUE', 'handed-back')
    expect(await stateOf(id)).toBe('Terminating:Proceed')
    await world.clock.sleep(60_000)
    expect([await stateOf(id), world.groups.targetState(id)]).toEqual([undefined, undefined])
  })
})

test('secrets have versions, and those that are marked for deletion are not read', async () => {
  const arn = 'arn:aws:secretsmanager:eu-west-1:222233334444:secret:a-AbCdEf'
  const read = () => world.aws.secretsmanager.send(new GetSecretValueCommand({ SecretId: arn }))
  await expect(read()).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  world.secrets.put(arn, 'one')
  const first = await read()
  world.secrets.put(arn, 'two')
  expect(await read()).toMatchObject({ ARN: arn, SecretString: 'two' })
  expect((await read()).VersionId).not.toBe(first.VersionId)
  world.secrets.scheduleDeletion(arn)
  await expect(read()).rejects.toMatchObject({ name: 'InvalidRequestException' })
})
