import { UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import {
  CreateChangeSetCommand,
  ExecuteChangeSetCommand,
  SetStackPolicyCommand,
  UpdateTerminationProtectionCommand,
} from '@aws-sdk/client-cloudformation'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { releasePolicy, takeDownPolicy } from '../bootstrap/release-rights.ts'
import { CLOSED } from '../release/policy.ts'
import { sample } from '../samples.ts'
import { STAGES } from '../stages.ts'
import { type Destruction, destroy } from './destroy.ts'
import { unlocked } from './unlock.ts'

const ACCOUNT = '222233334444'
const STAGE = { ...STAGES.prod, account: ACCOUNT }
const STACK = 'terrace-prod'
const KEPT = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' }
/** As much of a stage as taking one down has to do with. */
const SMALL = {
  Resources: {
    Logs: { Type: 'AWS::S3::Bucket', ...KEPT, Properties: {} },
    Documents: { Type: 'AWS::S3::Bucket', ...KEPT, Properties: {} },
    AuthSecret: { Type: 'AWS::SecretsManager::Secret', ...KEPT, Properties: {} },
    Database: {
      Type: 'AWS::RDS::DBInstance',
      DeletionPolicy: 'Snapshot',
      Properties: { Engine: 'postgres', DeletionProtection: true },
    },
    DatabaseReplica: {
      Type: 'AWS::RDS::DBInstance',
      Properties: { SourceDBInstanceIdentifier: { Ref: 'Database' } },
    },
    ExternalBalancer: {
      Type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
      Properties: {
        LoadBalancerAttributes: [
          { Key: 'idle_timeout.timeout_seconds', Value: '120' },
          { Key: 'deletion_protection.enabled', Value: 'true' },
        ],
      },
    },
    ApiEnvironment: {
      Type: 'AWS::SSM::Parameter',
      Properties: { Type: 'String', Value: { 'Fn::GetAtt': ['Database', 'Endpoint.Address'] } },
    },
    ApiGroup: {
      Type: 'AWS::AutoScaling::AutoScalingGroup',
      DependsOn: ['ExternalBalancer'],
      Properties: { MinSize: '2', MaxSize: '4' },
    },
  },
}

/** How many calls were the test's own. */
const before = new WeakMap<StandIn, number>()
const forget = (there: StandIn) => before.set(there, there.calls.length)
const operations = (there: StandIn) =>
  callsOf(there)
    .filter(({ input }) => !String(input.Key).includes('/lock'))
    .map(({ operation }) => operation)
const callsOf = (there: StandIn) => there.calls.slice(before.get(there) ?? 0)

/** A deployed and locked stage, with documents. */
async function deployed(template: object = SMALL): Promise<StandIn> {
  const there = standIn(ACCOUNT)
  const state = stateBucket(STAGE)
  there.buckets.make(state)
  const { cloudformation, s3 } = there.aws
  // As large templates are sent.
  await s3.send(new PutObjectCommand({ Bucket: state, Key: 't.json', Body: JSON.stringify(template) }))
  const made = await cloudformation.send(
    new CreateChangeSetCommand({
      StackName: STACK,
      ChangeSetName: 'made',
      ChangeSetType: 'CREATE',
      TemplateURL: `https://s3.eu-west-1.amazonaws.com/${state}/t.json`,
      Capabilities: ['CAPABILITY_IAM'],
    }),
  )
  await there.clock.sleep(60_000)
  await cloudformation.send(new ExecuteChangeSetCommand({ ChangeSetName: made.Id, StackName: STACK }))
  await there.clock.sleep(2 * 3_600_000)
  await cloudformation.send(
    new SetStackPolicyCommand({ StackName: STACK, StackPolicyBody: JSON.stringify(CLOSED) }),
  )
  await cloudformation.send(
    new UpdateTerminationProtectionCommand({ StackName: STACK, EnableTerminationProtection: true }),
  )
  for (const bucket of [physical(there, 'Documents'), physical(there, 'Logs')])
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'one', Body: 'kept' }))
  forget(there)
  return there
}
const physical = (there: StandIn, id: string) => there.stacks.find(STACK)?.resources.get(id)?.physicalId ?? ''

async function run(there: StandIn, changes: Partial<Destruction> = {}) {
  const lines: string[] = []
  const asked: string[] = []
  const ending = await destroy(there.aws, {
    name: 'prod',
    stage: STAGE,
    deletesData: false,
    say: (line) => lines.push(line),
    agrees: async (what) => {
      asked.push(what)
      return true
    },
    ...changes,
  })
  return { ending, said: lines.join('\n'), asked }
}
const CHANGING = /^(Create|Delete|Execute|Modify|Put|Set|Update)/

let there: StandIn
let documents = ''
let logs = ''
let database = ''
beforeEach(async () => {
  there = await deployed()
  documents = physical(there, 'Documents')
  logs = physical(there, 'Logs')
  database = physical(there, 'Database')
})

function expectGone(at: StandIn): void {
  expect(at.stacks.find(STACK)?.status).toBe('DELETE_COMPLETE')
  expect(at.databases.instances.size).toBe(0)
  expect(at.groups.groups.size).toBe(0)
  expect(at.buckets.keys(stateBucket(STAGE)).filter((key) => key.endsWith('destroy.json'))).toEqual([])
}
const finals = (at: StandIn) => [...at.databases.snapshots].filter(([name]) => name.includes('-final-'))

test('servers, snapshot, locks, stack: in this order', async () => {
  const { ending, said } = await run(there)
  expect(ending).toBe('gone')
  expectGone(there)
  const order = operations(there).filter(
    (operation) => CHANGING.test(operation) && !/Object|ChangeSet/.test(operation),
  )
  expect(order).toEqual([
    'UpdateAutoScalingGroup',
    'CreateDBSnapshot',
    'SetStackPolicy',
    'UpdateTerminationProtection',
    'DeleteStack',
  ])
  const [[name, snapshot] = ['', undefined]] = finals(there)
  expect(name).toMatch(/^terrace-prod-final-\d{8}t\d{6}$/)
  expect(snapshot).toMatchObject({ status: 'available', instance: database })
  expect(there.buckets.text(documents, 'one')).toBe('kept')
  expect(said).toContain(`aws --region eu-west-1 rds delete-db-snapshot --db-snapshot-identifier ${name}`)
  expect(said).toContain(`s3api delete-bucket --bucket ${documents}`)
  expect(said).toContain('secretsmanager delete-secret --secret-id terrace-prod-AuthSecret-')
})

test('what goes, what stays, and what both cost is shown before anything is asked', async () => {
  const lines: string[] = []
  await run(there, {
    say: (line) => lines.push(line),
    agrees: async () => {
      const said = lines.join('\n')
      expect(said).toMatch(/^What goes, \d+ USD a month less:$/m)
      expect(said).toContain('  2  AWS::RDS::DBInstance')
      expect(said).toContain('USD  Read replica: db.m7g.large')
      expect(said).toContain(`a snapshot of database ${database}: up to 10 USD a month`)
      expect(said).toContain(`  Documents: bucket ${documents}, 0.023 USD a month for each GiB in it`)
      expect(said).toContain('0.40 USD a month')
      expect(operations(there).filter((operation) => CHANGING.test(operation))).toEqual([])
      return false
    },
  })
  expect(lines.length).toBeGreaterThan(10)
})

test('no lock goes before the snapshot can be restored from', async () => {
  const seen: (string | undefined)[] = []
  const { send } = there.aws.cloudformation
  const watching = async (...args: Parameters<typeof send>) => {
    if (/SetStackPolicy|UpdateTermination|DeleteStack/.test(args[0].constructor.name))
      seen.push(finals(there)[0]?.[1].status)
    return Reflect.apply(send, undefined, args)
  }
  await run({ ...there, aws: { ...there.aws, cloudformation: { send: watching as typeof send } } })
  expect(seen).toEqual(['available', 'available', 'available'])
})

test('the snapshot is taken when the last server has handed back what it was at', async () => {
  let left: number | undefined
  const { send } = there.aws.rds
  const watching = async (...args: Parameters<typeof send>) => {
    if (args[0].constructor.name === 'CreateDBSnapshotCommand')
      // None, and no room for one that scaling would start.
      left = [...there.groups.groups.values()].reduce(
        (sum, { instances, max }) => sum + instances.size + max,
        0,
      )
    return Reflect.apply(send, undefined, args)
  }
  await run({ ...there, aws: { ...there.aws, rds: { send: watching as typeof send } } })
  expect(left).toBe(0)
})

test('the whole of prod, the replica before its primary', { timeout: 300_000 }, async () => {
  const whole = await deployed(sample('prod').template)
  await run(whole)
  expectGone(whole)
  const events = whole.stacks.find(STACK)?.events ?? []
  const when = (id: string, status: string) =>
    events.findIndex((event) => event.LogicalResourceId === id && event.ResourceStatus === status)
  expect(when('DatabaseReplica', 'DELETE_COMPLETE')).toBeGreaterThan(0)
  expect(when('Database', 'DELETE_IN_PROGRESS')).toBeGreaterThan(when('DatabaseReplica', 'DELETE_COMPLETE'))
  expect(finals(whole)).toHaveLength(1)
})

test('the deploy role may do all that this takes, but for the data', async () => {
  await run(there)
  const rights = [releasePolicy(STAGE), takeDownPolicy(STAGE)].flatMap(({ Statement }) => Statement)
  const allowed = new Set<string>(rights.flatMap(({ Action }) => [Action].flat()))
  const called = there.calls
    .slice(before.get(there))
    .map(({ service, operation }) => `${service}:${operation}`)
  // Needs no right.
  const missing = [...new Set(called)].filter((one) => one !== 'sts:GetCallerIdentity' && !allowed.has(one))
  expect(missing).toEqual([])
})

test('a stage without locks is changed by nothing before it is deleted', async () => {
  const open = await deployed(unlocked(SMALL as never).template)
  await run(open)
  expectGone(open)
  expect(operations(open)).not.toContain('CreateChangeSet')
})

test('nothing is done to it when the person does not agree', async () => {
  expect((await run(there, { agrees: async () => false })).ending).toBe('declined')
  expect(operations(there).filter((operation) => CHANGING.test(operation))).toEqual([])
})

test('in another account nothing is asked', async () => {
  const other = standIn('999999999999')
  await expect(run(other)).rejects.toMatchObject({ kind: 'wrong-account' })
  expect(operations(other)).toEqual(['GetCallerIdentity'])
})

test('a stage that is not there', async () => {
  const empty = standIn(ACCOUNT)
  expect(await run(empty)).toMatchObject({ ending: 'nothing', asked: [] })
})

describe('with its data', () => {
  test('is asked twice, and the second no is one', async () => {
    const asked: string[] = []
    const { ending } = await run(there, {
      deletesData: true,
      agrees: async (what) => asked.push(what) < 2,
    })
    expect([ending, asked]).toEqual(['declined', ['stage', 'data']])
    expect(operations(there).filter((operation) => CHANGING.test(operation))).toEqual([])
  })

  test('buckets go with all their versions, page by page, and the snapshots', async () => {
    const put = (Key: string) =>
      there.aws.s3.send(new PutObjectCommand({ Bucket: documents, Key, Body: 'x' }))
    for (let index = 0; index < 1_300; index++) await put(`${index % 700}`)
    for (let index = 0; index < 900; index++)
      await there.aws.s3.send(new DeleteObjectCommand({ Bucket: documents, Key: `${index % 700}` }))
    forget(there)
    const { ending, said, asked } = await run(there, { deletesData: true })
    expect([ending, asked]).toEqual(['gone', ['stage', 'data']])
    expectGone(there)
    expect([there.buckets.has(documents), there.buckets.has(logs)]).toEqual([false, false])
    expect(there.databases.snapshots.size).toBe(0)
    expect(said).toContain(`Bucket ${documents} is removed, with 2201 versions of objects.`)
    expect(operations(there).filter((operation) => operation === 'DeleteObjects').length).toBeGreaterThan(3)
    // After the stack: what still runs can't write any more.
    expect(operations(there).indexOf('DeleteStack')).toBeLessThan(operations(there).indexOf('DeleteObjects'))
    expect(there.buckets.has(stateBucket(STAGE))).toBe(true)
  })

  test('logs that come late are waited for', async () => {
    there.faults.add({
      operation: 'DeleteBucket',
      error: awsError('BucketNotEmpty', 'not empty', 409),
      times: 2,
    })
    expect((await run(there, { deletesData: true })).ending).toBe('gone')
    expect(there.buckets.has(logs)).toBe(false)
  })

  test('what goes on being written is said', async () => {
    there.faults.add({
      operation: 'DeleteBucket',
      error: awsError('BucketNotEmpty', 'not empty', 409),
      times: 99,
    })
    await expect(run(there, { deletesData: true })).rejects.toThrow(
      `Something goes on writing into bucket ${logs}`,
    )
    there.faults.clear()
    // The stack is gone, and what was decided then holds: but only if it is said again.
    const { said, ending } = await run(there)
    expect(ending).toBe('gone')
    expect(said).toContain('The stack is gone since an earlier run')
    expect(there.buckets.has(logs)).toBe(true)
  })
})

test('what can’t be deleted is said with AWS’s reason, and can be tried again', async () => {
  const reason = 'resource sg-1 has a dependent object'
  there.stacks.execution.failures.push({ id: 'ExternalBalancer', on: 'delete', reason })
  await expect(run(there)).rejects.toThrow(
    new RegExp(
      `Stack terrace-prod could not be deleted: it is DELETE_FAILED.\n {2}First to fail: ExternalBalancer: ${reason}`,
    ),
  )
  there.stacks.execution.failures.length = 0
  const { ending, said } = await run(there)
  expect(ending).toBe('gone')
  expectGone(there)
  // What the first attempt let go of is not forgotten.
  expect(said).toContain(`s3api delete-bucket --bucket ${documents}`)
  expect(finals(there)).toHaveLength(1)
})

test('a stage that was used between two runs gets another snapshot', async () => {
  there.faults.add({ operation: 'UpdateTerminationProtection', error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  await there.clock.sleep(3_600_000)
  await there.aws.autoscaling.send(
    new UpdateAutoScalingGroupCommand({
      AutoScalingGroupName: physical(there, 'ApiGroup'),
      MinSize: 2,
      MaxSize: 4,
      DesiredCapacity: 2,
    }),
  )
  await there.clock.sleep(3_600_000)
  await run(there)
  expectGone(there)
  expect(finals(there)).toHaveLength(2)
})

test('a creation that came to nothing is cleared away', async () => {
  const half = standIn(ACCOUNT)
  half.buckets.make(stateBucket(STAGE))
  await half.aws.cloudformation.send(
    new CreateChangeSetCommand({
      StackName: STACK,
      ChangeSetName: 'planned',
      ChangeSetType: 'CREATE',
      TemplateBody: JSON.stringify(SMALL),
    }),
  )
  expect((await run(half)).ending).toBe('gone')
  expect(half.stacks.find(STACK)?.status).toBe('DELETE_COMPLETE')
})

describe('ended at any call, and run again', () => {
  test.each([
    ['refused', false],
    ['lost', false],
    ['refused', true],
    ['lost', true],
  ] as const)('%s, with its data: %s', { timeout: 600_000 }, async (answer, deletesData) => {
    await run(there, { deletesData })
    const calls = callsOf(there).flatMap(({ operation }, index, all) =>
      operation.startsWith('Describe') && all[index - 2]?.operation === operation ? [] : [index + 1],
    )
    expect(calls.length).toBeGreaterThan(20)
    // It gives the stage's lock back, which ends by itself as well.
    const last = calls.at(-1)
    for (const call of calls) {
      const again = await deployed()
      const [kept, written] = [physical(again, 'Documents'), physical(again, 'Logs')]
      again.faults.add({ operation: '*', call, error: FAULTS.expired(), answer })
      await run(again, { deletesData }).then(
        // Only what is not there yet can be asked for in vain.
        () => expect(call === last ? 'lost' : answer, `call ${call}`).toBe('lost'),
        (error) => expect(error, `call ${call}`).toMatchObject({ kind: 'credentials-expired' }),
      )
      if (call % 2 === 0) await again.clock.sleep(3 * 3_600_000)
      again.faults.clear()
      await run(again, { deletesData, takesOver: true })
      expectGone(again)
      expect([again.buckets.has(kept), again.buckets.has(written)], `call ${call}`).toEqual(
        deletesData ? [false, false] : [true, true],
      )
      if (deletesData) expect(again.databases.snapshots.size, `call ${call}`).toBe(0)
      else
        expect(
          finals(again).map(([, { status }]) => status),
          `call ${call}`,
        ).toEqual(['available'])
      expect((await run(again, { deletesData })).ending).toBe('nothing')
    }
  })
})
