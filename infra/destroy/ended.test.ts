// Taking a stage down, ended at each call in turn.
import { describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { callsOf, deployed, expectGone, finals, physical, run } from './rehearsal.ts'

describe('ended at any call, and run again', () => {
  test.each([
    ['refused', false],
    ['lost', false],
    ['refused', true],
    ['lost', true],
  ] as const)('%s, with its data: %s', { timeout: 600_000 }, async (answer, deletesData) => {
    const there = await deployed()
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
