// What a bake writes beside its record, and retention in the middle of it: whatever the order, the record names what is there.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import type { ImageSet } from '../../infra/images.ts'
import { retain } from '../ledger/retain.ts'
import { type Baked, bake } from './bake.ts'
import {
  account,
  BUCKET,
  bootstrapped,
  CHECKOUT,
  HOME,
  kitchenOf,
  LINE,
  pagesOf,
  region,
} from './test/kitchen.ts'

const DAY = 86_400_000
let folder: string
let world: StandIn
/** What the pages' build is called: other pages are other inputs. */
let pages: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-beside-'))
  world = standIn(account, region)
  world.buckets.make(BUCKET)
  pages = 'one'
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const run = (aws: Aws = world.aws) =>
  bake(LINE, {
    ...kitchenOf(folder, world.aws, () => undefined),
    aws: bootstrapped(aws),
    checkout: async () => ({ ...CHECKOUT, files: { [`web/${pages}.tsx`]: 'e'.repeat(64) } }),
    pages: pagesOf(folder, () => pages),
    now: () => world.clock.now(),
  })
const setOf = (baked: Baked): ImageSet => {
  if (baked.outcome !== 'set') throw new Error(baked.outcome)
  return baked.set
}
const clean = (keep = 2) =>
  retain(world.aws, HOME, {
    ...{ keep, days: 14, removes: true, agrees: async () => true, say: () => undefined },
  })
const partsOf = ({ packages = '', sbom = '', pages: its }: ImageSet): string[] => [
  LAYOUT.packages(packages),
  LAYOUT.sbom(sbom),
  LAYOUT.staticFiles(its?.files ?? ''),
]
const beside = () => world.buckets.keys(BUCKET).filter((key) => !key.startsWith('image-sets/'))
const allThere = (set: ImageSet) => expect(beside()).toEqual(expect.arrayContaining(partsOf(set)))
/** Something happens before the record is written. */
function beforeTheRecord(happens: () => unknown): Aws {
  const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
  const send = async (...args: unknown[]) => {
    const { constructor: of, input } = args[0] as { constructor: { name: string }; input: { Key?: string } }
    if (of.name === 'PutObjectCommand' && input.Key?.startsWith('image-sets/')) await happens()
    return client.send(...args)
  }
  return { ...world.aws, s3: { send } as Aws['s3'] }
}
/** It can't register its images, and leaves what it has written. */
async function ended(): Promise<void> {
  world.faults.add({ operation: 'RegisterImage', times: 99, error: FAULTS.noAnswer() })
  await expect(run()).rejects.toThrow('The same command goes on from here')
  world.faults.clear()
}

test('retention comes while a bake that found its parts there, and old, is uploading: they stay', async () => {
  await ended()
  const left = beside()
  expect(left).toHaveLength(3)
  await world.clock.sleep(60 * DAY)
  let removed: readonly string[] | undefined
  const set = setOf(
    await run(
      beforeTheRecord(async () => {
        removed = (await clean()).parts
      }),
    ),
  )
  expect(removed).toEqual([])
  expect(left).toEqual(expect.arrayContaining(partsOf(set)))
  allThere(set)
})

test('a bake that was ended comes back when its parts have gone: it writes them again', async () => {
  await ended()
  await world.clock.sleep(60 * DAY)
  expect((await clean()).parts).toHaveLength(3)
  expect(beside()).toEqual([])
  let before: string[] = []
  const set = setOf(
    await run(
      beforeTheRecord(() => {
        before = beside()
      }),
    ),
  )
  expect(before.sort()).toEqual(partsOf(set).sort())
  allThere(set)
})

test('parts that go while a bake is uploading are there once it has ended', async () => {
  const set = setOf(
    await run(
      beforeTheRecord(async () => {
        // As long as no upload lasts.
        await world.clock.sleep(60 * DAY)
        expect((await clean()).parts).toHaveLength(3)
      }),
    ),
  )
  allThere(set)
})

test('a set whose pages’ set has gone with it can be baked again without a word', async () => {
  const first = setOf(await run())
  pages = 'two'
  const second = setOf(await run())
  expect(second.previous).toBe(first.inputs)
  // What stays carries the pages of the third.
  for (pages of ['three', 'four', 'five']) {
    await world.clock.sleep(pages === 'four' ? 60 * DAY : DAY)
    await run()
  }
  pages = 'two'
  // Whoever bakes the same has used what leads to it.
  expect(setOf(await run())).toEqual(second)
  expect((await clean()).removed).toEqual(expect.arrayContaining([first.inputs, second.inputs]))
  rmSync(path.join(folder, 'disks'), { recursive: true })
  const again = await run()
  expect(again).toMatchObject({ outcome: 'set', made: true })
  expect(setOf(again).previous).not.toBe(first.inputs)
  allThere(setOf(again))
})
