// The way back from taking a stage down.
import { UpdateAutoScalingGroupCommand } from '@aws-sdk/client-auto-scaling'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../bootstrap/names.ts'
import {
  callsOf,
  changing,
  deployed,
  expectGone,
  finals,
  forget,
  isLocked,
  journalOf,
  missingRights,
  operations,
  physical,
  run,
  runBack,
  STACK,
  STAGE,
} from './rehearsal.ts'

let there: StandIn
beforeEach(async () => {
  there = await deployed()
})
const sizes = (at = there) =>
  [...at.groups.groups.values()].map(({ min, max, desired }) => [min, max, desired])
/** A run that ends at a call, before it has an effect. */
async function endedAt(operation: string, at = there): Promise<void> {
  at.faults.add({ operation, error: FAULTS.expired() })
  await expect(run(at)).rejects.toMatchObject({ kind: 'credentials-expired' })
  at.faults.clear()
}

test('after the drain: as many servers as before, and nothing else', async () => {
  await endedAt('CreateDBSnapshot')
  expect(sizes()).toEqual([[0, 0, 0]])
  const { ending, said } = await runBack(there)
  expect([ending, sizes(), isLocked(there), journalOf(there)]).toEqual([
    'restored',
    [[2, 4, 3]],
    true,
    undefined,
  ])
  expect(said).toMatch(/Group terrace-prod-ApiGroup-\d+ has room for 2 to 4 servers again, and starts 3\./)
  expect(said).not.toContain('npm run apply')
  expect(await runBack(there)).toMatchObject({
    ending: 'nothing',
    said: expect.stringContaining('Nobody is taking stage prod down'),
  })
})

test('after the locks went: those of the stack are back, and the others are said', async () => {
  await endedAt('DeleteStack')
  expect(isLocked(there)).toBe(false)
  const { said } = await runBack(there)
  expect([sizes(), isLocked(there)]).toEqual([[[2, 4, 3]], true])
  expect(said).toContain('npm run apply -- --stage prod puts them back')
  const [[snapshot] = ['']] = finals(there)
  expect(said).toContain(`Snapshot ${snapshot} stays`)
  await run(there)
  expectGone(there)
})

test('the sizes and locks are those before the first of several runs', async () => {
  for (const operation of ['CreateDBSnapshot', 'UpdateTerminationProtection', 'DeleteStack', 'DeleteStack'])
    await endedAt(operation)
  await runBack(there)
  expect([sizes(), isLocked(there)]).toEqual([[[2, 4, 3]], true])
})

test('whoever says no is told of the way back from what an earlier run did', async () => {
  await endedAt('CreateDBSnapshot')
  const { ending, said } = await run(there, { agrees: async () => false })
  expect(ending).toBe('declined')
  expect(said).toContain('npm run destroy -- --stage prod --undo brings them back')
  await runBack(there)
  expect(sizes()).toEqual([[2, 4, 3]])
})

test('what somebody has set since then stays, and is what the next run goes back to', async () => {
  await endedAt('CreateDBSnapshot')
  const AutoScalingGroupName = physical(there, 'ApiGroup')
  const set = { AutoScalingGroupName, MinSize: 1, MaxSize: 2, DesiredCapacity: 1 }
  await there.aws.autoscaling.send(new UpdateAutoScalingGroupCommand(set))
  await runBack(there)
  expect(sizes()).toEqual([[1, 2, 1]])
  await endedAt('CreateDBSnapshot')
  await runBack(there)
  expect(sizes()).toEqual([[1, 2, 1]])
})

test('the deploy role may do all that this takes', async () => {
  await endedAt('DeleteStack')
  forget(there)
  await runBack(there)
  expect(missingRights(there)).toEqual([])
})

test('an update of the stack that is under way comes to its end first', async () => {
  // The second time that it is looked at.
  there.faults.add({ operation: 'DescribeStackEvents', call: 3, error: FAULTS.expired() })
  await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
  expect(there.stacks.find(STACK)?.status).toBe('UPDATE_IN_PROGRESS')
  const { said } = await runBack(there)
  expect(said).toContain('Stack terrace-prod is UPDATE_IN_PROGRESS: it is followed to its end.')
  expect([there.stacks.find(STACK)?.status, isLocked(there)]).toEqual(['UPDATE_COMPLETE', true])
})

describe('what can’t be undone', () => {
  test('a deletion that failed: some of it is gone', async () => {
    there.stacks.execution.failures.push({ id: 'ExternalBalancer', on: 'delete', reason: 'in use' })
    await expect(run(there)).rejects.toThrow('DELETE_FAILED')
    forget(there)
    await expect(runBack(there)).rejects.toThrow(
      /The deletion of stack terrace-prod has begun \(DELETE_FAILED\): it can’t be undone(.|\n)*npm run destroy -- --stage prod brings/,
    )
    expect(changing(there)).toEqual([])
  })

  test('one that is under way, and one that is done', async () => {
    there.faults.add({ operation: 'DeleteStack', error: FAULTS.expired(), answer: 'lost' })
    await expect(run(there)).rejects.toMatchObject({ kind: 'credentials-expired' })
    await expect(runBack(there)).rejects.toThrow('(DELETE_IN_PROGRESS)')
    await there.clock.sleep(3 * 3_600_000)
    await expect(runBack(there)).rejects.toThrow('has begun: it can’t be undone')
    expect(there.stacks.find(STACK)?.status).toBe('DELETE_COMPLETE')
  })

  test('in another account nothing is asked', async () => {
    const other = standIn('999999999999')
    await expect(runBack(other)).rejects.toMatchObject({ kind: 'wrong-account' })
    expect(operations(other)).toEqual(['GetCallerIdentity'])
  })

  test('a journal that names another’s servers', async () => {
    await endedAt('CreateDBSnapshot')
    const Body = (journalOf(there) ?? '').replace('"terrace-prod-ApiGroup', '"terrace-staging-ApiGroup')
    await there.aws.s3.send(
      new PutObjectCommand({ Bucket: stateBucket(STAGE), Key: 'stages/prod/destroy.json', Body }),
    )
    forget(there)
    await expect(runBack(there)).rejects.toThrow(
      /names terrace-staging-ApiGroup-\d+, which is not of this stage/,
    )
    expect(changing(there)).toEqual([])
  })
})

describe('ended at any call, and undone', () => {
  test.each(['refused', 'lost'] as const)('%s', { timeout: 300_000 }, async (answer) => {
    await run(there)
    const last = callsOf(there).findIndex(({ operation }) => operation === 'DeleteStack') + 1
    let undone = 0
    for (let call = 1; call <= callsOf(there).length; call++) {
      const again = await deployed()
      again.faults.add({ operation: '*', call, error: FAULTS.expired(), answer })
      await run(again).catch((error: unknown) => expect(error).toMatchObject({ kind: 'credentials-expired' }))
      again.faults.clear()
      const hasBegun = answer === 'lost' ? call >= last : call > last
      if (hasBegun) {
        await runBack(again, true).then(
          ({ ending }) => expect([ending, journalOf(again)], `call ${call}`).toEqual(['nothing', undefined]),
          (error) => expect(String(error), `call ${call}`).toContain('can’t be undone'),
        )
      } else {
        undone += (await runBack(again, true)).ending === 'restored' ? 1 : 0
        expect([sizes(again), isLocked(again), journalOf(again)], `call ${call}`).toEqual([
          [[2, 4, 3]],
          true,
          undefined,
        ])
      }
      await run(again, { takesOver: true })
      expectGone(again)
    }
    expect(undone).toBeGreaterThan(20)
  })

  test.each(['refused', 'lost'] as const)('the undoing itself: %s', async (answer) => {
    await endedAt('DeleteStack')
    forget(there)
    await runBack(there)
    const calls = callsOf(there).length
    expect(calls).toBeGreaterThan(8)
    for (let call = 1; call <= calls; call++) {
      const again = await deployed()
      await endedAt('DeleteStack', again)
      again.faults.add({ operation: '*', call, error: FAULTS.expired(), answer })
      await runBack(again).then(
        // It gives the stage's lock back, which ends by itself as well.
        () => expect(call).toBe(calls),
        (error: unknown) => expect(error, `call ${call}`).toMatchObject({ kind: 'credentials-expired' }),
      )
      again.faults.clear()
      await runBack(again, true)
      expect([sizes(again), isLocked(again), journalOf(again)], `call ${call}`).toEqual([
        [[2, 4, 3]],
        true,
        undefined,
      ])
    }
  })
})
