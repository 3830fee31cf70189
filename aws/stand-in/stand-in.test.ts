// The stand-in itself: what it promises to the tests that stand on it, whatever the service, and its smaller services.
import { ValidateTemplateCommand } from '@aws-sdk/client-cloudformation'
import { DescribeVpcsCommand } from '@aws-sdk/client-ec2'
import { CreateServiceLinkedRoleCommand, GetRoleCommand } from '@aws-sdk/client-iam'
import {
  CreateDBSnapshotCommand,
  DescribeDBSnapshotsCommand,
  ModifyDBInstanceCommand,
} from '@aws-sdk/client-rds'
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
