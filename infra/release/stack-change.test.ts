import { beforeEach, describe, expect, test } from 'vitest'
import { change } from '../rules/rule.ts'
import { BUCKET, bare, edited, larger, NAME, Rehearsal, target, whole } from './rehearsal.ts'

/** Makes the database anew. */
const renamed = edited((draft) => change(draft, 'Database', 'DBName', 'other'))

let here: Rehearsal
let { bring, world } = new Rehearsal()
const begin = () => {
  here = new Rehearsal()
  ;({ bring, world } = here)
}
beforeEach(begin)

describe('a stack that is made', () => {
  test('by a plan of all its resources, and locked when it is there', async () => {
    expect(await bring(whole)).toBe('changed')
    expect(here.stack.status).toBe('CREATE_COMPLETE')
    expect(here.plans[0]?.length).toBe(Object.keys(whole.Resources).length)
    // More than one page: every change has CloudFormation's word beside it.
    expect(here.plans[0]?.every(({ said, effect }) => said === 'Add' && effect === 'add')).toBe(true)
    expect(here.isLocked).toBe(true)
    expect(JSON.parse(world.buckets.text(BUCKET, world.buckets.keys(BUCKET)[0] ?? '') ?? '')).toEqual(whole)
  })

  test('that was declined leaves nothing', async () => {
    expect(await bring(whole, { agree: async () => false })).toBe('declined')
    expect(here.stack.deletedAt).toBeDefined()
    expect(world.databases.instances.size).toBe(0)
  })

  test('that failed says what failed first, and is made anew by the next run', async () => {
    world.stacks.execution.failures.push({ id: 'Database', on: 'create', reason: 'no such class here' })
    await expect(bring(bare)).rejects.toMatchObject({
      name: 'StackFailure',
      status: 'ROLLBACK_COMPLETE',
      resource: 'Database',
      message: expect.stringContaining('First to fail: Database: no such class here'),
    })
    const { id } = here.stack
    world.stacks.execution.failures.length = 0
    expect(await bring(bare)).toBe('changed')
    expect(here.stack.id).not.toBe(id)
    expect(here.said).toContain(`Stack ${NAME} is what a failed creation left: it is removed, and made anew.`)
    expect(here.isLocked).toBe(true)
  })

  test('that failed names the buckets that stay', async () => {
    world.stacks.execution.failures.push({ id: 'Database', on: 'create', reason: 'no' })
    await expect(bring(bare)).rejects.toMatchObject({
      leftBehind: expect.arrayContaining([expect.stringMatching(/^Documents \(terrace-staging-documents-/)]),
    })
  })
})

describe('a stack that is changed', () => {
  beforeEach(async () => {
    await bring(whole)
    here.said.length = 0
    here.plans.length = 0
  })

  test('nothing, when it is like that already, and no change set stays', async () => {
    expect(await bring(whole)).toBe('nothing')
    expect(here.stack.changeSets.size).toBe(1)
    expect([...here.stack.changeSets.values()][0]?.hasBegun).toBe(true)
    expect(here.plans).toEqual([])
  })

  test('what the plan showed, and locked again', async () => {
    expect(await bring(larger)).toBe('changed')
    expect(here.stack.status).toBe('UPDATE_COMPLETE')
    expect(here.max).toBe('6')
    expect(here.plans[0]?.filter(({ said }) => said?.startsWith('Modify')).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['ApiGroup', 'Database']),
    )
    expect(here.isLocked).toBe(true)
    // Opened for what was shown, and never for all.
    const opened = world.calls
      .filter(({ operation }) => operation === 'SetStackPolicy')
      .map(({ input }) => String(input.StackPolicyBody))
      .find((text) => text.includes('Allow'))
    expect(opened).toContain('"LogicalResourceId/Database"')
    expect(opened).not.toContain('"LogicalResourceId/Documents"')
    expect(opened).not.toContain('"*"}')
  })

  test('without having been opened, CloudFormation refuses it and takes it back', async () => {
    await expect(bring(larger, { protection: { policy: false, termination: false } })).rejects.toMatchObject({
      status: 'UPDATE_ROLLBACK_COMPLETE',
      message: expect.stringContaining('Action denied by stack policy'),
    })
    expect(here.max).not.toBe('6')
  })

  test('what holds data is not made anew, unless it is named exactly', async () => {
    const refused = bring(renamed)
    await expect(refused).rejects.toMatchObject({ name: 'BlockedChange' })
    await expect(refused).rejects.toThrow(/--allow-replace Database/)
    for (const allowed of [['database'], ['Databas'], ['Documents']])
      await expect(bring(renamed, { allowed })).rejects.toThrow(/would lose or lay open data/)
    await expect(bring(renamed, { allowed: ['Database', 'Documents'] })).rejects.toThrow(
      '--allow-replace Documents allows what this plan does not do',
    )
    expect(here.counted('ExecuteChangeSet')).toBe(1)
    expect([...here.stack.changeSets.values()].filter(({ execution }) => execution === 'AVAILABLE')).toEqual(
      [],
    )
    expect(here.plans).toEqual([])
  })

  test('what CloudFormation says is heard too: the stricter of the two counts', async () => {
    here.stack.saidReplacements.set('Database', 'True')
    await expect(bring(larger)).rejects.toThrow(
      /Database holds data, and is made anew.*\(CloudFormation: Modify, Replacement True, ReplaceAndSnapshot\)/,
    )
    here.stack.saidReplacements.set('Database', 'Conditional')
    await expect(bring(larger)).rejects.toThrow(/Database holds data, and may be made anew/)
    here.stack.saidReplacements.set('Database', 'False')
    await expect(bring(renamed)).rejects.toThrow(/Database holds data, and is made anew/)
  })

  test('a failure takes everything back, and says what failed first', async () => {
    const was = here.max
    world.stacks.execution.failures.push({ id: 'ApiGroup', on: 'update', reason: 'alarm fired' })
    await expect(bring(larger)).rejects.toMatchObject({
      status: 'UPDATE_ROLLBACK_COMPLETE',
      resource: 'ApiGroup',
      message: expect.stringMatching(/everything is as it was before(.|\n)*alarm fired(.|\n)*Next: /),
    })
    expect(here.max).toBe(was)
    expect(here.stack.resources.get('Database')?.properties.AllocatedStorage).toBe('20')
    expect(JSON.parse(here.stack.text)).toEqual(whole)
    expect(here.isLocked).toBe(true)
    world.stacks.execution.failures.length = 0
    expect(await bring(larger)).toBe('changed')
  })

  test('what was begun to be deleted is changed no more, and how it ends is said for its region', async () => {
    here.stack.becomes('DELETE_FAILED')
    await world.clock.sleep(10_000)
    const tried = bring(larger)
    await expect(tried).rejects.toThrow(
      'aws --region eu-west-1 cloudformation delete-stack --stack-name terrace-staging,',
    )
    await expect(tried).rejects.toThrow(
      'aws --region eu-west-1 rds modify-db-instance --db-instance-identifier ID --no-deletion-protection;',
    )
  })

  test('a way back that failed too: it says what is stuck and how it gets out, until somebody has', async () => {
    const { failures } = world.stacks.execution
    failures.push(
      { id: 'ApiGroup', on: 'update', reason: 'alarm fired' },
      { id: 'Database', on: 'rollback', reason: 'storage can’t shrink' },
    )
    await expect(bring(larger)).rejects.toMatchObject({
      status: 'UPDATE_ROLLBACK_FAILED',
      resource: 'ApiGroup',
    })
    for (let run = 0; run < 2; run++)
      await expect(bring(larger)).rejects.toMatchObject({
        status: 'UPDATE_ROLLBACK_FAILED',
        resource: 'Database',
        message: expect.stringMatching(
          /aws --region eu-west-1 cloudformation continue-update-rollback --stack-name terrace-staging(.|\n)*--resources-to-skip Database/,
        ),
      })
    expect(here.counted('CreateChangeSet')).toBe(2)
    failures.length = 0
    const { ContinueUpdateRollbackCommand } = await import('@aws-sdk/client-cloudformation')
    await world.aws.cloudformation.send(new ContinueUpdateRollbackCommand({ StackName: NAME }))
    await world.clock.sleep(10_000)
    expect(await bring(larger)).toBe('changed')
    expect(here.max).toBe('6')
  })

  test('what could not be removed is named', async () => {
    world.stacks.execution.failures.push({ id: 'AppSubnetA', on: 'delete', reason: 'in use' })
    const first = Object.keys(whole.Resources).find(
      (id) => whole.Resources[id]?.Type === 'AWS::CloudWatch::Alarm',
    )
    if (first === undefined) throw new Error('no alarm')
    world.stacks.execution.failures.push({ id: first, on: 'delete', reason: 'in use' })
    const without = edited((draft) => {
      const { [first]: _, ...rest } = draft.Resources
      Object.assign(draft, {
        Resources: JSON.parse(
          JSON.stringify(rest)
            .replaceAll(`{"Ref":"${first}"}`, '"x"')
            .replaceAll(`{"Fn::GetAtt":["${first}","Arn"]}`, '"x"'),
        ),
      })
    })
    expect(await bring(without)).toBe('changed')
    expect(here.said.at(-1)).toMatch(
      new RegExp(`^Left where it is, and no longer in the stack: ${first} \\(`),
    )
  })

  test('until the deadline it is followed, and by the next run further', async () => {
    const patienceMs = 60_000
    await expect(bring(larger, { patienceMs })).rejects.toMatchObject({
      status: 'UPDATE_IN_PROGRESS',
      message: expect.stringContaining('run the same command again'),
    })
    // A lock now would stop it half-way.
    expect(here.isLocked).toBe(false)
    expect(here.said.at(-1)).toContain('is still open for this change')
    expect(await bring(larger)).toBe('nothing')
    expect(here.max).toBe('6')
    expect(here.isLocked).toBe(true)
  })

  test('a bucket that is not there sends one to the bootstrap', async () => {
    await expect(
      bring(larger, {
        target: { ...target, upload: { bucket: 'none', folder: 'x', account: '222233334444' } },
      }),
    ).rejects.toThrow(/There is no bucket none in account 222233334444(.|\n)*npm run bootstrap/)
  })
})
