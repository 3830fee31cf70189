import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { change } from '../rules/rule.ts'
import { BUCKET, edited, larger, NAME, Rehearsal, small, target, whole } from './rehearsal.ts'

let here: Rehearsal
let { bring, world } = new Rehearsal()
const begin = () => {
  here = new Rehearsal()
  ;({ bring, world } = here)
}
beforeEach(begin)

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
      begin()
      world.faults.add({ operation: '*', call, answer, error: new Error('killed') })
      const ended = await run().catch((error: Error) => error.message)
      const at = world.calls[call - 1]?.operation
      world.faults.clear()
      await bring(small('2'))
      const now = here.stack
      const isRight =
        ended === 'killed' &&
        /^(CREATE|UPDATE)_COMPLETE$/.test(now.status) &&
        now.resources.get('Size')?.properties.Value === '2' &&
        here.isLocked &&
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
    expect(here.max).toBe('6')
    expect(here.isLocked).toBe(true)
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
    expect(here.max).toBe('6')
  })

  test('somebody else is faster: while it was being agreed to, and while it is being carried out', async () => {
    await bring(whole)
    const other = edited((draft) => change(draft, 'ApiGroup', 'MaxSize', '5'))
    const overtaken = { name: 'StackFailure', message: expect.stringContaining('has overtaken this plan') }
    const done = bring(larger, { agree: async () => (await bring(other)) === 'changed' })
    await expect(done).rejects.toMatchObject(overtaken)
    expect([here.max, here.isLocked]).toEqual(['5', true])
    const begun = bring(larger, {
      agree: async () => {
        // It only begins, and its policy has to stay open.
        const patienceMs = 20_000
        await bring(whole, { patienceMs }).catch(() => undefined)
        return true
      },
    })
    await expect(begun).rejects.toMatchObject({ ...overtaken, status: 'UPDATE_IN_PROGRESS' })
    expect(here.isLocked).toBe(false)
    expect(await bring(larger)).toBe('changed')
    expect(here.isLocked).toBe(true)
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
    expect([...here.stack.changeSets.keys()]).toContain('somebody-else')
    expect([...here.stack.changeSets.keys()]).not.toContain('terrace-earlier')
  })
})
