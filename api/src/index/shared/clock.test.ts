// The database's clock jumps: by a failover to a server whose clock is another, by an administrator, by a broken battery.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SharedPlace } from './fixtures.ts'
import { listManifests } from './shared.ts'
import { LEASE_SECONDS, releaseTerm, renewTerm, takeTerm } from './term.ts'

const DAY = 86_400

describe('the builder’s lease', () => {
  test('ended by a jump forward, it goes to one other server, in a new term; the holder finds out', async () => {
    await using place = await SharedPlace.open()
    const { pool } = place.db
    expect(await takeTerm(pool, 'a')).toBe(1)
    await place.clockJumps(DAY)
    const others = Array.from({ length: 8 }, (_, i) => `other ${i}`)
    const taken = await Promise.all(others.map((owner) => takeTerm(pool, owner)))
    expect(taken.filter((term) => term !== null)).toEqual([2])
    expect(await renewTerm(pool, 'a', 1)).toBe(false)
  })

  test('made endless by a jump back, it is not: the holder goes on, and without one another server does', async () => {
    await using place = await SharedPlace.open()
    const { pool } = place.db
    expect(await takeTerm(pool, 'a')).toBe(1)
    await place.clockJumps(-LEASE_SECONDS / 2)
    // Within what may be: nobody takes it away.
    expect(await takeTerm(pool, 'b')).toBeNull()
    await place.clockJumps(-DAY)
    expect(await renewTerm(pool, 'a', 1)).toBe(true)
    expect(await takeTerm(pool, 'b')).toBeNull()
    await place.clockJumps(-DAY)
    // As if a had been killed a moment ago.
    expect(await takeTerm(pool, 'b')).toBe(2)
    expect(await renewTerm(pool, 'a', 1)).toBe(false)
  })

  test('whatever the clock does, no term is two servers’, and later ones have greater numbers', async () => {
    await using place = await SharedPlace.open()
    const { pool } = place.db
    const owners = ['a', 'b', 'c']
    const step = fc.oneof(
      fc.record({ kind: fc.constant('jump' as const), by: fc.integer({ min: -2 * DAY, max: 2 * DAY }) }),
      fc.record({ kind: fc.constant('race' as const) }),
      fc.record({ kind: fc.constant('release' as const), owner: fc.constantFrom(...owners) }),
    )
    const holders = new Map<number, string>()
    let newest = 0
    let races = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        // Whatever the run before has left, somebody gets a term.
        for (const each of [{ kind: 'jump' as const, by: DAY }, { kind: 'race' as const }, ...steps]) {
          if (each.kind === 'jump') await place.clockJumps(each.by)
          else if (each.kind === 'release') await releaseTerm(pool, each.owner)
          else
            await Promise.all(
              // Another one is first each time, or the same one would keep its term.
              owners.map(async (_, i) => {
                const owner = owners[(i + races) % owners.length] ?? ''
                const term = await takeTerm(pool, owner)
                if (term === null) return
                expect(holders.get(term) ?? owner).toBe(owner)
                holders.set(term, owner)
                newest = Math.max(newest, term)
              }),
            ).then(() => races++)
          // Of all that were ever given, only the newest can be held still.
          for (const [term, owner] of holders)
            if (term < newest) expect(await renewTerm(pool, owner, term)).toBe(false)
          for (const term of holders.keys()) if (term < newest) holders.delete(term)
        }
      }),
      { numRuns: 25 },
    )
    expect(newest).toBeGreaterThan(3)
  })
})

describe('the log', () => {
  /** Every checkpoint that a server keeps, here or in the store, has to lead to the log's head. */
  async function expectWaysToTheHead(place: SharedPlace): Promise<void> {
    const log = await place.log()
    expect(log).toEqual(Array.from(log, (_, i) => (log[0] ?? 0) + i))
    const kept = (await listManifests(place.store)).map(({ seq }) => seq)
    expect(kept).toHaveLength(2)
    for (const seq of kept) expect(log).toContain(seq)
    expect((await place.server('new').fetch())?.seq).toBe(kept[0])
  }

  test('is cut no further than the oldest kept checkpoint by a jump forward', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    const first = await a.checkpoint()
    await a.publish()
    await place.document()
    await a.checkpoint()
    await a.publish()
    await place.document()
    await a.checkpoint()
    // All of it looks a day old.
    await place.clockJumps(DAY)
    await a.publish()
    expect((await place.log())[0]).toBeGreaterThan(first)
    await expectWaysToTheHead(place)
    await place.clockJumps(-DAY)
    await place.document()
    await a.checkpoint()
    await a.publish()
    await expectWaysToTheHead(place)
  })

  test('is not cut where entries are of the future, and again once the clock has got there', async () => {
    await using place = await SharedPlace.open()
    const a = place.server('a')
    await place.document()
    await a.checkpoint()
    await a.publish()
    await place.clockJumps(-DAY)
    for (let i = 0; i < 3; i++) {
      await place.document()
      await a.checkpoint()
      await a.publish()
    }
    expect((await place.log())[0]).toBe(1)
    await expectWaysToTheHead(place)
    await place.clockJumps(DAY + 2 * 3_600)
    await place.document()
    await a.checkpoint()
    await a.publish()
    expect((await place.log())[0]).toBeGreaterThan(1)
    await expectWaysToTheHead(place)
  })
})
