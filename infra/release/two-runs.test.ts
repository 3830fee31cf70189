// Two who are at work on one stage, and one who was.
import { beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { ACCOUNT, BUCKET, Rehearsal, small } from './rehearsal.ts'
import { LEASE_MS, type LockRequest, withStageLock } from './stage-lock.ts'
import { wrapped } from './wrapped.ts'

let here: Rehearsal
let aws: Aws
const begin = async () => {
  here = new Rehearsal()
  aws = here.world.aws
  await here.bring(small('1'))
}
beforeEach(begin)
const lock = () => here.world.buckets.text(BUCKET, 'stages/staging/lock.json')
/** From then on nothing that is asked is heard. */
const kill = (call: number) =>
  here.world.faults.add({ operation: '*', call, times: Number.MAX_SAFE_INTEGER, error: new Error('killed') })

describe('two runs', () => {
  const bring = (by: Aws, changes: Partial<LockRequest> = {}): Promise<unknown> => {
    const place = { bucket: BUCKET, account: ACCOUNT, stage: 'staging' }
    const asked = {
      place,
      by: 'arn:jo',
      command: 'apply',
      takesOver: false,
      say: () => undefined,
      ...changes,
    }
    return withStageLock(by, asked, (held) => here.bring(small('2'), {}, held.aws)).catch(
      (error: unknown) => error,
    )
  }
  /** A run, at whose `call`th call another one begins. Either it waits for that, or its call is under way for some seconds. */
  async function both(call: number, changes: Partial<LockRequest>, isWaitedFor: boolean) {
    let calls = 0
    let second: Promise<unknown> | undefined
    const first = await bring(
      wrapped(
        aws,
        async () => {
          if (++calls !== call) return
          second = bring(aws, changes)
          if (isWaitedFor) await second
          else for (let seconds = 0; seconds < 10; seconds++) await aws.clock.sleep(1_000)
        },
        (ms, signal) => aws.clock.sleep(ms, signal),
      ),
    )
    return { first, second: await second, calls }
  }
  const isRight = () =>
    /^(CREATE|UPDATE)_COMPLETE$/.test(here.stack.status) &&
    here.stack.resources.get('Size')?.properties.Value === '2' &&
    here.isLocked &&
    lock() === undefined &&
    [...here.stack.changeSets.values()].every(({ execution }) => execution.startsWith('EXECUTE_'))

  test.each([
    ['refused', false],
    ['taking over', true],
  ])('the second at every call of the first, %s', async (_, takesOver) => {
    const { calls } = await both(0, {}, false)
    expect(calls).toBeGreaterThan(20)
    const wrong: string[] = []
    const seen = new Set<string>()
    for (let call = 1; call <= calls; call++) {
      await begin()
      const { first, second } = await both(call, { takesOver }, !takesOver)
      const names = [first, second].map((one) => (one instanceof Error ? one.name : String(one)))
      seen.add(names.join(' '))
      // Whoever was refused has changed nothing, and whoever was not has done all of it.
      const isOne = names.filter((name) => name === 'changed').length === 1
      const isCarriedOutOnce = here.counted('ExecuteChangeSet') === 2
      if (!isRight() || !(takesOver ? names[1] !== 'StageLocked' : isOne) || !isCarriedOutOnce)
        wrong.push(`call ${call}: ${names.join(', ')}, ${here.stack.status}, ${here.stack.policy}`)
    }
    expect(wrong).toEqual([])
    expect([...seen].sort()).toEqual(
      takesOver
        ? ['StackFailure changed', 'StageLocked changed', 'StageLocked nothing', 'changed nothing']
        : ['changed StageLocked', 'nothing changed'],
    )
  })

  test('a run that is killed at every call: the next one has to wait, and goes on', async () => {
    const from = here.world.calls.length
    await bring(aws)
    const calls = here.world.calls.length - from
    const wrong: string[] = []
    for (let call = 1; call <= calls; call++) {
      await begin()
      kill(call)
      await bring(aws)
      here.world.faults.clear()
      const isThere = lock() !== undefined
      const second = await bring(aws)
      const isKept = isThere === (second instanceof Error && second.name === 'StageLocked')
      await here.world.clock.sleep(LEASE_MS)
      const third = await bring(aws)
      if (!isKept || third instanceof Error || !isRight())
        wrong.push(`call ${call}: ${second}, ${third}, ${here.stack.status}, ${here.stack.policy}`)
    }
    expect(wrong).toEqual([])
    expect(calls).toBeGreaterThan(20)
  })
})
