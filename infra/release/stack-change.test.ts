import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import type { Template } from '../cfn.ts'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import type { StackTarget } from './change-set.ts'
import type { Judged } from './gate.ts'
import { CLOSED } from './policy.ts'
import { changeStack, type StackChange } from './stack-change.ts'

const NAME = 'terrace-staging'
const BUCKET = 'terrace-state-222233334444-eu-west-1'
const target: StackTarget = {
  stackName: NAME,
  tags: { service: 'terrace' },
  upload: { bucket: BUCKET, folder: 'stages/staging/templates', account: '222233334444' },
}
/** Made without servers, as a stage is: what is locked could not be taken back. */
const bare = sample('staging', { fleet: 'none' }).template
const whole = sample('staging').template
const edited = (edit: (draft: Draft) => void, from: Template = whole): Template => {
  const draft: Draft & Template = JSON.parse(JSON.stringify(from))
  edit(draft)
  return draft
}
/** Changes an instance without losing anything, and a group that comes after it. */
const larger = edited((draft) => {
  change(draft, 'Database', 'AllocatedStorage', '40')
  change(draft, 'ApiGroup', 'MaxSize', '6')
})
/** Makes the database anew. */
const renamed = edited((draft) => change(draft, 'Database', 'DBName', 'other'))

/** Small, since it is made a hundred times. */
const small = (size: string): Template => ({
  Description: '',
  Outputs: {},
  Resources: {
    Documents: { Type: 'AWS::S3::Bucket', DeletionPolicy: 'Retain', Properties: {} },
    Topic: { Type: 'AWS::SNS::Topic', Properties: {} },
    Size: {
      Type: 'AWS::SSM::Parameter',
      DependsOn: ['Documents'],
      Properties: { Type: 'String', Value: size, Description: { Ref: 'Topic' } },
    },
  },
})

let world: StandIn
let said: string[] = []
let plans: (readonly Judged[])[] = []
beforeEach(() => {
  world = standIn()
  world.buckets.make(BUCKET)
})
afterEach(() => {
  said = []
  plans = []
})

const bring = (template: Template, changes: Partial<StackChange> = {}) =>
  changeStack(world.aws, {
    target,
    template,
    allowed: [],
    protection: { policy: true, termination: true },
    agree: async (judged) => {
      plans.push(judged)
      return true
    },
    say: (line) => said.push(line),
    deadline: new Date(world.clock.now().getTime() + 6 * 3_600_000),
    ...changes,
  })
const stack = () => {
  const found = world.stacks.find(NAME)
  if (found === undefined) throw new Error('no stack')
  return found
}
const counted = (operation: string) => world.calls.filter((call) => call.operation === operation).length
const max = () => stack().resources.get('ApiGroup')?.properties.MaxSize
const isLocked = () => stack().policy === JSON.stringify(CLOSED) && stack().isProtected

describe('a stack that is made', () => {
  test('by a plan of all its resources, and locked when it is there', async () => {
    expect(await bring(whole)).toBe('changed')
    expect(stack().status).toBe('CREATE_COMPLETE')
    expect(plans[0]?.length).toBe(Object.keys(whole.Resources).length)
    // More than one page: every change has CloudFormation's word beside it.
    expect(plans[0]?.every(({ said, effect }) => said === 'Add' && effect === 'add')).toBe(true)
    expect(isLocked()).toBe(true)
    expect(JSON.parse(world.buckets.text(BUCKET, world.buckets.keys(BUCKET)[0] ?? '') ?? '')).toEqual(whole)
  })

  test('that was declined leaves nothing', async () => {
    expect(await bring(whole, { agree: async () => false })).toBe('declined')
    expect(stack().deletedAt).toBeDefined()
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
    const { id } = stack()
    world.stacks.execution.failures.length = 0
    expect(await bring(bare)).toBe('changed')
    expect(stack().id).not.toBe(id)
    expect(said).toContain(`Stack ${NAME} is what a failed creation left: it is removed, and made anew.`)
    expect(isLocked()).toBe(true)
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
    said = []
    plans = []
  })

  test('nothing, when it is like that already, and no change set stays', async () => {
    expect(await bring(whole)).toBe('nothing')
    expect(stack().changeSets.size).toBe(1)
    expect([...stack().changeSets.values()][0]?.hasBegun).toBe(true)
    expect(plans).toEqual([])
  })

  test('what the plan showed, and locked again', async () => {
    expect(await bring(larger)).toBe('changed')
    expect(stack().status).toBe('UPDATE_COMPLETE')
    expect(max()).toBe('6')
    expect(plans[0]?.filter(({ said }) => said?.startsWith('Modify')).map(({ id }) => id)).toEqual(
      expect.arrayContaining(['ApiGroup', 'Database']),
    )
    expect(isLocked()).toBe(true)
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
    expect(max()).not.toBe('6')
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
    expect(counted('ExecuteChangeSet')).toBe(1)
    expect([...stack().changeSets.values()].filter(({ execution }) => execution === 'AVAILABLE')).toEqual([])
    expect(plans).toEqual([])
  })

  test('what CloudFormation says is heard too: the stricter of the two counts', async () => {
    stack().saidReplacements.set('Database', 'True')
    await expect(bring(larger)).rejects.toThrow(
      /Database holds data, and is made anew.*\(CloudFormation: Modify, Replacement True, ReplaceAndSnapshot\)/,
    )
    stack().saidReplacements.set('Database', 'Conditional')
    await expect(bring(larger)).rejects.toThrow(/Database holds data, and may be made anew/)
    stack().saidReplacements.set('Database', 'False')
    await expect(bring(renamed)).rejects.toThrow(/Database holds data, and is made anew/)
  })

  test('a failure takes everything back, and says what failed first', async () => {
    const was = max()
    world.stacks.execution.failures.push({ id: 'ApiGroup', on: 'update', reason: 'alarm fired' })
    await expect(bring(larger)).rejects.toMatchObject({
      status: 'UPDATE_ROLLBACK_COMPLETE',
      resource: 'ApiGroup',
      message: expect.stringMatching(/everything is as it was before(.|\n)*alarm fired(.|\n)*Next: /),
    })
    expect(max()).toBe(was)
    expect(stack().resources.get('Database')?.properties.AllocatedStorage).toBe('20')
    expect(JSON.parse(stack().text)).toEqual(whole)
    expect(isLocked()).toBe(true)
    world.stacks.execution.failures.length = 0
    expect(await bring(larger)).toBe('changed')
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
          /continue-update-rollback --stack-name terrace-staging(.|\n)*--resources-to-skip Database/,
        ),
      })
    expect(counted('CreateChangeSet')).toBe(2)
    failures.length = 0
    const { ContinueUpdateRollbackCommand } = await import('@aws-sdk/client-cloudformation')
    await world.aws.cloudformation.send(new ContinueUpdateRollbackCommand({ StackName: NAME }))
    await world.clock.sleep(10_000)
    expect(await bring(larger)).toBe('changed')
    expect(max()).toBe('6')
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
    expect(said.at(-1)).toMatch(new RegExp(`^Left where it is, and no longer in the stack: ${first} \\(`))
  })

  test('until the deadline it is followed, and by the next run further', async () => {
    const deadline = new Date(world.clock.now().getTime() + 60_000)
    await expect(bring(larger, { deadline })).rejects.toMatchObject({
      status: 'UPDATE_IN_PROGRESS',
      message: expect.stringContaining('run the same command again'),
    })
    // A lock now would stop it half-way.
    expect(isLocked()).toBe(false)
    expect(said.at(-1)).toContain('is still open for this change')
    expect(await bring(larger)).toBe('nothing')
    expect(max()).toBe('6')
    expect(isLocked()).toBe(true)
  })

  test('a bucket that is not there sends one to the bootstrap', async () => {
    await expect(
      bring(larger, {
        target: { ...target, upload: { bucket: 'none', folder: 'x', account: '222233334444' } },
      }),
    ).rejects.toThrow(/There is no bucket none(.|\n)*npm run bootstrap/)
  })
})

describe('ended anywhere, and run again', () => {
  /** From an empty account to a changed stack. */
  const run = async () => {
    await bring(small('1'))
    await bring(small('2'))
  }

  test.each(['refused', 'lost'] as const)('at every call in turn, its answer %s', async (answer) => {
    await run()
    const calls = world.calls.length
    const wrong: string[] = []
    for (let call = 1; call <= calls; call++) {
      world = standIn()
      world.buckets.make(BUCKET)
      world.faults.add({ operation: '*', call, answer, error: new Error('killed') })
      const ended = await run().catch((error: Error) => error.message)
      const at = world.calls[call - 1]?.operation
      world.faults.clear()
      await bring(small('2'))
      const now = stack()
      const isRight =
        ended === 'killed' &&
        /^(CREATE|UPDATE)_COMPLETE$/.test(now.status) &&
        now.resources.get('Size')?.properties.Value === '2' &&
        isLocked() &&
        [...now.changeSets.values()].every(({ execution }) => execution.startsWith('EXECUTE_'))
      if (!isRight) wrong.push(`call ${call} (${at}): ${ended} ${now.status} ${now.policy}`)
    }
    expect(wrong).toEqual([])
    expect(calls).toBeGreaterThan(30)
  })

  test('credentials that expire while it is followed', async () => {
    await bring(whole)
    world.faults.add({ operation: 'DescribeStackEvents', call: 4, error: FAULTS.expired() })
    await expect(bring(larger)).rejects.toMatchObject({ name: 'AwsProblem', kind: 'credentials-expired' })
    expect(await bring(larger)).toBe('nothing')
    expect(max()).toBe('6')
    expect(isLocked()).toBe(true)
  })

  test('AWS slows it down, or does not answer, while it is followed: it goes on', async () => {
    await bring(whole)
    world.faults.add({ operation: 'DescribeStackEvents', call: 3, times: 2, error: FAULTS.throttled() })
    world.faults.add({ operation: 'DescribeStacks', call: 6, times: 2, error: FAULTS.noAnswer() })
    expect(await bring(larger)).toBe('changed')
  })

  test('a change set that was begun twice is carried out once', async () => {
    await bring(whole)
    const { InvalidChangeSetStatusException } = await import('@aws-sdk/client-cloudformation')
    world.faults.add({
      operation: 'ExecuteChangeSet',
      answer: 'lost',
      error: new InvalidChangeSetStatusException({ message: 'EXECUTE_IN_PROGRESS', $metadata: {} }),
    })
    expect(await bring(larger)).toBe('changed')
    expect(max()).toBe('6')
  })

  test('somebody else is faster: while it was being agreed to, and while it is being carried out', async () => {
    await bring(whole)
    const other = edited((draft) => change(draft, 'ApiGroup', 'MaxSize', '5'))
    const overtaken = { name: 'StackFailure', message: expect.stringContaining('has overtaken this plan') }
    const done = bring(larger, { agree: async () => (await bring(other)) === 'changed' })
    await expect(done).rejects.toMatchObject(overtaken)
    expect([max(), isLocked()]).toEqual(['5', true])
    const begun = bring(larger, {
      agree: async () => {
        // It only begins, and its policy has to stay open.
        const deadline = new Date(world.clock.now().getTime() + 20_000)
        await bring(whole, { deadline }).catch(() => undefined)
        return true
      },
    })
    await expect(begun).rejects.toMatchObject({ ...overtaken, status: 'UPDATE_IN_PROGRESS' })
    expect(isLocked()).toBe(false)
    expect(await bring(larger)).toBe('changed')
    expect(isLocked()).toBe(true)
  })

  test('what CloudFormation refuses at first sight is said in its words', async () => {
    await expect(bring(whole, { target: { ...target, capabilities: [] } })).rejects.toMatchObject({
      name: 'StackFailure',
      message: expect.stringContaining('AWS says: Requires capabilities : [CAPABILITY_IAM]'),
    })
  })

  test('a template that goes with the call has its limit', async () => {
    const { upload: _, ...without } = target
    await expect(bring(whole, { target: without })).rejects.toThrow(/ bytes; 51200 go without a bucket/)
    expect(await bring(small('1'), { target: without })).toBe('changed')
  })

  test('change sets of others stay', async () => {
    await bring(whole)
    const { CreateChangeSetCommand } = await import('@aws-sdk/client-cloudformation')
    const by = (name: string) =>
      world.aws.cloudformation.send(
        new CreateChangeSetCommand({
          StackName: NAME,
          ChangeSetName: name,
          TemplateURL: `https://s3.eu-west-1.amazonaws.com/${BUCKET}/${world.buckets.keys(BUCKET)[0]}`,
          Capabilities: ['CAPABILITY_IAM'],
        }),
      )
    await by('somebody-else')
    await by('terrace-earlier')
    await bring(whole)
    expect([...stack().changeSets.keys()]).toContain('somebody-else')
    expect([...stack().changeSets.keys()]).not.toContain('terrace-earlier')
  })
})
