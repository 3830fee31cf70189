// The stand-in’s stacks. What is planned with change sets is tested where it is used (infra/release).
import {
  CreateChangeSetCommand,
  DeleteStackCommand,
  DescribeChangeSetCommand,
  DescribeStacksCommand,
  ExecuteChangeSetCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation'
import {
  DescribeDBInstancesCommand,
  DescribeDBSnapshotsCommand,
  ModifyDBInstanceCommand,
} from '@aws-sdk/client-rds'
import { beforeEach, describe, expect, test } from 'vitest'
import { type StandIn, standIn } from './stand-in.ts'

let world: StandIn
beforeEach(() => {
  world = standIn()
})
const HOUR = 3_600_000

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
