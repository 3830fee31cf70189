// Owner and helper step by step, in every order, in one thread.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Sink } from './blocks.ts'
import { GROUP } from './kernel.ts'
import { HelpersScan, OwnersScan, sharedScanMemory } from './shared-scan.ts'

const STRIDE = 32

/** What a scan says is found: the numbers say which block, query and group it was. */
const hitsOf = (block: number, queries: number) =>
  Array.from({ length: queries }, (_, n) =>
    Array.from({ length: (block * 7 + n * 3) % 4 }, (_, i) => ({ n, group: (block + 5 * i) % 32 })),
  ).flat()
const scoreOf = (block: number, n: number, group: number, lane: number) =>
  block * 1_000 + n * 100 + group + lane / 4

class Heard implements Sink {
  readonly hits: string[] = []
  threshold(n: number) {
    return n + this.hits.length
  }
  found(block: number, n: number, group: number, floats: Float32Array, scores: number, residuals: number) {
    for (let i = 0; i < GROUP; i++) {
      const score = scoreOf(block, n, group, i)
      if (floats[scores + i] !== score || floats[residuals + i] !== -score)
        expect.fail(`wrong numbers for ${block} ${n} ${group}`)
    }
    this.hits.push(`${block} ${n} ${group}`)
  }
}

function scan(block: number, queries: number, sink: Sink) {
  for (const { n, group } of hitsOf(block, queries)) {
    const floats = new Float32Array(2 * GROUP)
    for (let i = 0; i < GROUP; i++) {
      floats[i] = scoreOf(block, n, group, i)
      floats[GROUP + i] = -scoreOf(block, n, group, i)
    }
    sink.found(block, n, group, floats, 0, GROUP)
  }
}

const begun = (memory: SharedArrayBuffer, blocks: number, done: number, queries: number) => {
  const owner = new OwnersScan(memory, STRIDE)
  const heard = new Heard()
  owner.begin(
    3,
    blocks,
    done,
    Array.from({ length: queries }, (_, n) => ({ scale: n + 1, length: n + 2 })),
    heard,
  )
  return { owner, heard }
}

type Step = 'owner' | 'helper takes' | 'helper delivers'

test('whatever order they come in, each block is found once, whole', () => {
  const steps = fc.array(fc.constantFrom<Step[]>('owner', 'helper takes', 'helper delivers'), {
    maxLength: 120,
  })
  const sizes = fc.record({
    blocks: fc.integer({ min: 1, max: 60 }),
    // With 32 a slot for all blocks is not there.
    queries: fc.constantFrom(1, 2, 32),
    begunAt: fc.integer({ min: 0, max: 59 }),
  })
  fc.assert(
    fc.property(sizes, steps, ({ blocks, queries, begunAt }, order) => {
      const memory = sharedScanMemory(STRIDE)
      const before = Math.min(begunAt, blocks - 1)
      const { owner, heard } = begun(memory, blocks, before, queries)
      const helper = new HelpersScan(memory, STRIDE)
      // Blocks before it was begun are the owner's.
      let done = 0
      for (; done < before; done++) scan(done, queries, heard)
      let inHand: number | null = null
      let wanted = true
      for (const step of order) {
        if (step === 'owner' && owner.take()) {
          scan(done++, queries, heard)
          owner.exchange(heard)
          expect(helper.threshold(queries - 1)).toBe(heard.threshold(queries - 1))
        }
        if (step === 'helper takes' && inHand === null && wanted && helper.full === null) {
          inHand = helper.take()
          if (inHand !== null) scan(inHand, queries, helper)
        }
        if (step === 'helper delivers' && inHand !== null) {
          wanted = helper.deliver()
          expect(wanted).toBe(true)
          inHand = null
        }
      }
      while (owner.take()) {
        scan(done++, queries, heard)
        owner.exchange(heard)
      }
      const end = blocks - owner.end()
      expect(end - done).toBe(inHand === null ? 0 : 1)
      // Too late, and in nobody's way.
      if (inHand !== null) expect(helper.deliver()).toBe(false)
      expect(helper.full).toBe(null)
      expect(helper.take()).toBe(null)
      owner.readRest(heard)
      for (; done < end; done++) scan(done, queries, heard)
      const all = Array.from({ length: blocks }, (_, block) =>
        hitsOf(block, queries).map(({ n, group }) => `${block} ${n} ${group}`),
      ).flat()
      expect(heard.hits.toSorted()).toEqual(all.toSorted())
    }),
    { numRuns: 300 },
  )
})

test('a helper that is far ahead waits until blocks are read, and no longer than the scan', () => {
  const memory = sharedScanMemory(STRIDE)
  const { owner, heard } = begun(memory, 1_000, 0, 32)
  const helper = new HelpersScan(memory, STRIDE)
  const ahead = () => {
    let delivered = 0
    for (; helper.full === null && delivered < 1_000; delivered++) {
      scan(helper.take() ?? 0, 32, helper)
      helper.deliver()
    }
    return delivered
  }
  const room = ahead()
  expect(room).toBeGreaterThan(10)
  expect(room).toBeLessThan(1_000)
  owner.exchange(heard)
  expect(ahead()).toBe(room)
  expect(owner.end()).toBe(2 * room)
  expect(helper.full).toBe(null)
  expect(helper.take()).toBe(null)
})

test('the helper is told what is scanned', () => {
  const memory = sharedScanMemory(STRIDE)
  const { owner } = begun(memory, 4, 1, 3)
  expect(owner.helperIsIdle).toBe(false)
  const helper = new HelpersScan(memory, STRIDE)
  expect(helper.queries()).toEqual([
    { scale: 1, length: 2 },
    { scale: 2, length: 3 },
    { scale: 3, length: 4 },
  ])
  expect([0, 1, 2].map((n) => helper.threshold(n))).toEqual([0, 1, 2])
  expect([helper.take(), helper.deliver(), helper.take()]).toEqual([3, true, 2])
})
