import { DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { describe, expect, test } from 'vitest'
import { awsError, FAULTS } from '../../aws/stand-in/service.ts'
import { standIn } from '../../aws/stand-in/stand-in.ts'
import { bringBootstrap, report } from './bootstrap.ts'
import { BOOTSTRAP_STACK, githubProviderArn, LINKED_ROLES } from './names.ts'
import { runnerPolicy } from './runner-rights.ts'
import { bootstrap } from './template.ts'
import {
  BUCKET,
  expectBootstrapped,
  expectSetRight,
  operations,
  run,
  SETTINGS,
  withOldBucket,
} from './world.ts'

/** Where it is not the operation's own name. */
const AS_IAM_CALLS_IT: Readonly<Record<string, string>> = {
  GetBucketEncryption: 'GetEncryptionConfiguration',
  GetBucketLifecycleConfiguration: 'GetLifecycleConfiguration',
  GetPublicAccessBlock: 'GetBucketPublicAccessBlock',
  HeadBucket: 'ListBucket',
  PutBucketEncryption: 'PutEncryptionConfiguration',
  PutBucketLifecycleConfiguration: 'PutLifecycleConfiguration',
  PutPublicAccessBlock: 'PutBucketPublicAccessBlock',
}

test('in an account where there is nothing', async () => {
  const there = standIn(SETTINGS.account)
  const { outcome, said } = await run(there)
  expect(outcome).toBe('changed')
  expectBootstrapped(there)
  expect(said).toContain('Account 222233334444, eu-west-1, as arn:')
  expect(said).toContain('  + State (AWS::S3::Bucket)')
  expect(said).toContain('  + AWSServiceRoleForRDS: the role that rds.amazonaws.com acts as')
  // Asked first of all who one is.
  expect(operations(there)[0]).toBe('GetCallerIdentity')
  expect((await report(there.aws, SETTINGS)).join('\n')).toContain(`StateBucket           ${BUCKET}`)
})

test('again, without what narrowed the pipeline: who can release from then on is said', async () => {
  const there = standIn(SETTINGS.account)
  const { said } = await run(there, { ...SETTINGS, ciEnvironment: 'production' })
  expect(said).toContain('  Its pipeline is the environment production of acme/terrace.')
  const again = await run(there)
  expect(again.outcome).toBe('changed')
  expect(again.said).toContain(
    '  Its pipeline is the main branch of acme/terrace, without anybody’s approval (--ci-environment narrows it).',
  )
  expect((await run(there, { ...SETTINGS, ci: undefined })).said).not.toContain('pipeline is')
})

test('again: nothing changes', async () => {
  const there = standIn(SETTINGS.account)
  await run(there)
  const before = there.stacks.find(BOOTSTRAP_STACK)?.events.length
  const { outcome, said } = await run(there)
  expect(outcome).toBe('nothing')
  expect(said).not.toContain('+')
  expect(there.stacks.find(BOOTSTRAP_STACK)?.events.length).toBe(before)
  expectBootstrapped(there)
})

test('with other settings: what differs is shown, and changed', async () => {
  const there = standIn(SETTINGS.account)
  await run(there)
  const { outcome, said } = await run(there, { ...SETTINGS, budget: 900 })
  expect(outcome).toBe('changed')
  expect(said).toContain('~ Budget (AWS::Budgets::Budget): Budget')
  expect(said).toContain('Stages may change A, AAAA and CNAME records in any hosted zone of the account')
  const narrowed = await run(there, { ...SETTINGS, hostedZones: ['Z0PROD'] })
  expect(narrowed.outcome).toBe('changed')
  expect(narrowed.said).not.toContain('hosted zone')
  expectBootstrapped(there)
})

test('without CI any more, its role goes, and the provider that others may use stays', async () => {
  const there = standIn(SETTINGS.account)
  await run(there)
  expect((await run(there, { ...SETTINGS, ci: undefined })).outcome).toBe('changed')
  expect(there.stacks.find(BOOTSTRAP_STACK)?.resources.has('CiRole')).toBe(false)
  expect(there.roles.providers.size).toBe(1)
  // And with it again: what stayed is not made a second time.
  expect((await run(there)).outcome).toBe('changed')
  expectBootstrapped(there)
})

test('whoever has the rights that are printed may make every call of it', async () => {
  const there = standIn(SETTINGS.account)
  await run(there)
  await run(there, { ...SETTINGS, budget: 900 })
  await report(there.aws, SETTINGS)
  const { Statement } = runnerPolicy(SETTINGS, bootstrap(SETTINGS, false))
  const allowed = new Set<string>(Statement.flatMap(({ Action }) => [Action].flat()))
  const old = withOldBucket()
  await run(old)
  const called = [...there.calls, ...old.calls].map(
    ({ service, operation }) => `${service}:${AS_IAM_CALLS_IT[operation] ?? operation}`,
  )
  expect(called).toContain('s3:PutLifecycleConfiguration')
  const missing = [...new Set(called)].filter((one) => one !== 'sts:GetCallerIdentity' && !allowed.has(one))
  expect(missing).toEqual([])
})

test('nothing is made when the person does not agree', async () => {
  const there = standIn(SETTINGS.account)
  expect((await run(there, SETTINGS, false)).outcome).toBe('declined')
  expect(there.roles.roles.size).toBe(0)
  expect(there.buckets.has(BUCKET)).toBe(false)
  const { Stacks } = await there.aws.cloudformation.send(new DescribeStacksCommand({}))
  expect(Stacks).toEqual([])
})

test('in another account nothing is asked', async () => {
  const there = standIn('999999999999')
  await expect(run(there)).rejects.toMatchObject({ kind: 'wrong-account' })
  expect(operations(there)).toEqual(['GetCallerIdentity'])
})

describe('what is there already', () => {
  test('roles of services and GitHub’s provider are used, not made', async () => {
    const there = standIn(SETTINGS.account)
    for (const { name } of LINKED_ROLES) there.roles.roles.add(name)
    there.roles.providers.add(githubProviderArn(SETTINGS))
    await run(there)
    expectBootstrapped(there)
    expect(operations(there)).not.toContain('CreateServiceLinkedRole')
    expect(there.stacks.find(BOOTSTRAP_STACK)?.resources.has('GitHub')).toBe(false)
  })

  test('a role that somebody makes meanwhile is as good as one’s own', async () => {
    const there = standIn(SETTINGS.account)
    const agrees = async () => {
      there.roles.roles.add('AWSServiceRoleForRDS')
      return true
    }
    expect(await bringBootstrap(there.aws, SETTINGS, { say: () => {}, agrees })).toBe('changed')
    expectBootstrapped(there)
  })

  test('a role that somebody removed is made again, after asking', async () => {
    const there = standIn(SETTINGS.account)
    await run(there)
    there.roles.roles.delete('AWSServiceRoleForRDS')
    expect((await run(there, SETTINGS, false)).outcome).toBe('declined')
    expect(there.roles.roles.size).toBe(LINKED_ROLES.length - 1)
    expect((await run(there)).outcome).toBe('changed')
    expectBootstrapped(there)
  })

  test('somebody else’s bucket of that name is said, before anything is made', async () => {
    const there = standIn(SETTINGS.account)
    there.faults.add({ operation: 'HeadBucket', error: awsError('Forbidden', '', 403) })
    await expect(run(there)).rejects.toThrow(/that bucket belongs to another account/)
    expect(operations(there)).not.toContain('CreateChangeSet')
  })

  test('a creation that failed is cleared away, and made anew', async () => {
    const there = standIn(SETTINGS.account)
    there.stacks.execution.failures.push({ id: 'Budget', on: 'create', reason: 'no right to' })
    await expect(run(there)).rejects.toThrow(/First to fail: Budget: no right to/)
    expect(there.stacks.find(BOOTSTRAP_STACK)?.status).toBe('ROLLBACK_COMPLETE')
    there.stacks.execution.failures.length = 0
    expect((await run(there)).outcome).toBe('changed')
    expectBootstrapped(there)
  })
})

test('throttling while roles are asked for is said in words', async () => {
  const there = standIn(SETTINGS.account)
  there.faults.add({ operation: 'GetRole', error: FAULTS.throttled() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'throttled' })
})

const WORLDS = [
  { where: 'where there is nothing', begin: () => standIn(SETTINGS.account), also: () => {} },
  { where: 'where there is a bucket', begin: withOldBucket, also: expectSetRight },
]
describe.each(WORLDS)('ended at any call $where, and run again', ({ begin, also }) => {
  /** Calls of one run; those that only look again at the same thing are one. */
  async function callsOfOneRun(): Promise<number[]> {
    const there = begin()
    await run(there)
    return operations(there).flatMap((operation, index, all) =>
      operation.startsWith('Describe') && all[index - 2] === operation ? [] : [index + 1],
    )
  }

  test.each(['refused', 'lost'] as const)('%s', { timeout: 300_000 }, async (answer) => {
    const calls = await callsOfOneRun()
    expect(calls.length).toBeGreaterThan(15)
    for (const call of calls) {
      const there = begin()
      there.faults.add({ operation: '*', call, error: FAULTS.expired(), answer })
      const ended = run(there)
      // An answer that says that there is nothing is heard, also where it would be lost.
      if (answer === 'refused')
        await expect(ended, `call ${call}`).rejects.toMatchObject({ kind: 'credentials-expired' })
      else await ended.catch((error) => expect(error).toMatchObject({ kind: 'credentials-expired' }))
      // What AWS was told to do goes on, or has been done when somebody comes back.
      if (call % 2 === 0) await there.clock.sleep(3_600_000)
      there.faults.clear()
      await run(there)
      expectBootstrapped(there)
      also(there)
      // What the first run has made is the stack's, and not taken for somebody else's.
      expect(there.stacks.find(BOOTSTRAP_STACK)?.resources.has('GitHub'), `call ${call}`).toBe(true)
      // Nothing is left that a third run would find.
      expect((await run(there)).outcome, `after call ${call}`).toBe('nothing')
    }
  })
})
