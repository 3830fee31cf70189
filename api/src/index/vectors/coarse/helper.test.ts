// Scans with another thread: the same is offered, whatever becomes of it.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os, { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, afterEach, expect, test, vi } from 'vitest'
import { Collector, randomUnits } from '../port.cases.ts'
import { dot, type VectorSegment } from '../port.ts'
import { segmentHeader } from '../segment-file.ts'
import { coarseEngine } from './coarse.ts'
import { eagerHelper, type Trouble, urlOf } from './helper.cases.ts'
import { Helper } from './helper.ts'

const DIMENSIONS = 32
const COUNT = 8_001
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-helper-'))
const vectors = randomUnits(COUNT, DIMENSIONS, 5)
const queries = randomUnits(5, DIMENSIONS, 6)
const all = segmentFile('all', DIMENSIONS, vectors)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const helpers: Helper[] = []
const segments: VectorSegment[] = []
afterEach(() => {
  vi.restoreAllMocks()
  for (const helper of helpers.splice(0)) helper.stop()
  for (const segment of segments.splice(0)) segment.close()
})

function helperOf(trouble?: Trouble): Helper {
  const helper = eagerHelper(trouble)
  helpers.push(helper)
  return helper
}

function segmentFile(name: string, dimensions: number, floats: Float32Array): string {
  const file = path.join(folder, `${name}.faiss`)
  const header = segmentHeader(dimensions, floats.length / dimensions)
  writeFileSync(file, Buffer.concat([header, new Uint8Array(floats.buffer)]))
  return file
}

function open(helper: Helper | null, file = all, dimensions = DIMENSIONS): VectorSegment {
  const segment = coarseEngine(helper).open(file, dimensions)
  segments.push(segment)
  return segment
}

const asleep = new Int32Array(new SharedArrayBuffer(4))

/** Is kept from its core now and then, so that the helper has a share of every scan. */
class Slow extends Collector {
  #asked = 0

  override get floor(): number {
    if (this.#asked++ % 100 === 0) Atomics.wait(asleep, 0, 0, 1)
    return super.floor
  }
}

/** Five, of which question `first` is the first. */
const seekers = (kind: typeof Collector, first = 0) =>
  [0, 1, 2, 3, 4].map((n) => {
    const at = ((first + n) % 5) * DIMENSIONS
    return new kind(queries.slice(at, at + DIMENSIONS), 20, 20)
  })

/** Offered is, within bounds, all that is not below the floor. */
function expectComplete(seekers: readonly Collector[], of = vectors): void {
  for (const { vector, floor, offered } of seekers)
    for (let label = 0; label < COUNT; label++) {
      const exact = dot(vector, of, label * DIMENSIONS)
      const bounds = offered.get(label)
      if (bounds === undefined ? exact >= floor : exact < bounds.lower || exact > bounds.upper)
        expect.fail(`${label}: ${exact}, floor ${floor}, ${JSON.stringify(bounds)}`)
    }
}

/** Scans until the helper has done some blocks of one. */
async function scanTogether(segment: VectorSegment, helper: Helper, of = vectors): Promise<void> {
  for (const before = helper.helped; helper.helped === before; await turn()) {
    const asked = seekers(Slow)
    segment.scan(asked)
    expectComplete(asked, of)
  }
}

test('a helper takes part, and all bounds are the same to the last bit, whatever the vectors are', async () => {
  const helper = helperOf()
  await scanTogether(open(helper), helper)
  // Long, short and no vectors among the others, and questions whose scores nobody knows.
  const sizes = [1, 1, 1, 37, 1e-12, 1e-30, 0, 1e12]
  const wild = vectors.map((x, i) => x * (sizes[Math.floor(i / DIMENSIONS) % sizes.length] ?? 1))
  const file = segmentFile('wild', DIMENSIONS, wild)
  const [together, alone] = [open(helper, file), open(null, file)]
  const asked = [0, 1, 2].map((n) => {
    const size = [1, 3e38, 1e-20][n] ?? 1
    return queries.slice(n * DIMENSIONS, (n + 1) * DIMENSIONS).map((x) => x * size)
  })
  const offers = (segment: VectorSegment, kind: typeof Collector) => {
    const everything = asked.map((query) => new kind(query, COUNT, COUNT))
    segment.scan(everything)
    return everything.map(({ offered }) => [...offered].sort(([a], [b]) => a - b))
  }
  const expected = offers(alone, Collector)
  const before = helper.helped
  for (; helper.helped < before + 100; await turn()) expect(offers(together, Slow)).toEqual(expected)
})

test('one that is kept from its core with a block in hand is not waited for', async () => {
  const helper = helperOf('slow')
  const segment = open(helper)
  for (let round = 0; round < 3; round++) await scanTogether(segment, helper)
  // Nobody is slow here but the helper: it always has a block in hand at the end, or is not yet back from the last scan.
  for (let round = 0; round < 200; round++) {
    const asked = seekers(Collector, round)
    segment.scan(asked)
    expectComplete(asked.slice(0, 1))
  }
})

test.each(['dead', 'never'] as const)(
  'one that is %s only takes its help with it, and is not tried again',
  async (how) => {
    const helper = helperOf(how)
    const segment = open(helper)
    let rounds = 0
    for (let began = false; !began || helper.running; rounds++) {
      const asked = seekers(Slow)
      segment.scan(asked)
      began = true
      expectComplete(asked)
      await turn()
    }
    expect(rounds).toBeGreaterThan(0)
    for (let round = 0; round < 3; round++) {
      const asked = seekers(Collector)
      segment.scan(asked)
      expectComplete(asked)
      expect(helper.running).toBe(false)
    }
  },
)

test('a seeker that throws leaves a scan behind that the next one is not disturbed by', async () => {
  const helper = helperOf()
  const segment = open(helper)
  await scanTogether(segment, helper)
  class Broken extends Slow {
    override offer(label: number, lower: number, upper: number): void {
      super.offer(label, lower, upper)
      if (this.offered.size > 30) throw new Error('broken')
    }
  }
  for (let round = 0; round < 5; round++) {
    expect(() => segment.scan(seekers(Broken))).toThrow('broken')
    await scanTogether(segment, helper)
  }
})

test('it starts with the first scan of many rows, ends with the segments, and starts again', async () => {
  const helper = helperOf()
  const [one, two] = [open(helper), open(helper)]
  expect(helper.running).toBe(false)
  await scanTogether(one, helper)
  // Known to it is only what it has scanned.
  two.close()
  expect(helper.running).toBe(true)
  one.close()
  expect(helper.running).toBe(false)
  await scanTogether(open(helper), helper)

  const idle = new Helper({ leastBlocks: 1_000 })
  helpers.push(idle)
  open(idle).scan(seekers(Collector))
  expect(idle.running).toBe(false)
})

test('several segments, and rows of other dimensions beside them', async () => {
  const helper = helperOf()
  const others = vectors.toReversed()
  const [one, two] = [open(helper), open(helper, segmentFile('others', DIMENSIONS, others))]
  await scanTogether(one, helper)
  await scanTogether(two, helper, others)
  await scanTogether(one, helper)
  const third = open(helper, segmentFile('other', 40, randomUnits(2_000, 40, 9)), 40)
  const seeker = new Slow(new Float32Array(40).fill(1), 2_000, 2_000)
  third.scan([seeker])
  expect(seeker.offered.size).toBe(2_000)
  await scanTogether(two, helper, others)
})

test('with one core there is none', () => {
  vi.spyOn(os, 'availableParallelism').mockReturnValue(1)
  const helper = helperOf()
  const asked = seekers(Collector)
  open(helper).scan(asked)
  expectComplete(asked)
  expect(helper.running).toBe(false)
})

test.each(['', 'process.exit(0)'])('it does not keep a process alive (%s)', (end) => {
  const program = `
    import { coarseEngine } from ${urlOf('./coarse.ts')}
    import { Helper } from ${urlOf('./helper.ts')}
    const helper = new Helper({ leastBlocks: 2 })
    const segment = coarseEngine(helper).open(${JSON.stringify(all)}, ${DIMENSIONS})
    const seeker = { vector: new Float32Array(${DIMENSIONS}).fill(0.1), expected: 1, floor: -1, offer() {} }
    while (helper.helped === 0) segment.scan([seeker])
    console.log('helped')
    ${end}`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 60_000,
  })
  expect(said).toBe('helped\n')
})
