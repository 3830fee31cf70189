// Whose static files a web image carries, by what the state bucket holds.
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { type Choice, choosePrevious, keepChoice } from './previous.ts'
import { listObjects, writeSet } from './record.ts'

const HOME = { account: '222233334444', region: 'eu-west-1' }
const BASE = 'b'.repeat(64)
const CHOICE: Choice = { which: 'usual', base: BASE, build: 'now', allowDirty: false }
let world: StandIn
beforeEach(() => {
  world = standIn(HOME.account, HOME.region)
  world.buckets.make(stateBucket(HOME))
})

/** @param digit its inputs */
async function recorded(digit: string, build: string | undefined, mark = ''): Promise<string> {
  const inputs = digit.repeat(64)
  await writeSet(world.aws, HOME, {
    ...{ inputs, release: `0.1.0-${inputs.slice(0, 12)}${mark}`, madeAt: '2026-11-28T12:00:00Z' },
    ...{ account: HOME.account, architecture: 'x86_64', regions: {}, bootSeconds: { api: 1, web: 1 } },
    ...(build !== undefined && { pages: { build, files: 'f'.repeat(64) } }),
  })
  await world.clock.sleep(60_000)
  return inputs
}
const choose = (of: Partial<Choice> = {}) => choosePrevious(world.aws, HOME, { ...CHOICE, ...of })

test('the newest set of other pages: not of these, not of files that nobody has committed, not without static files', async () => {
  expect(await choose()).toBeUndefined()
  await recorded('1', 'old')
  const older = await recorded('9', 'older')
  await recorded('2', 'now')
  await recorded('3', undefined)
  const dirty = await recorded('4', 'other', '-dirty')
  expect(await choose()).toBe(older)
  expect(await choose({ allowDirty: true })).toBe(dirty)
  expect(await choose({ which: 'none' })).toBeUndefined()
})

test('what was chosen once for the same inputs stays, also that there was none', async () => {
  await keepChoice(world.aws, HOME, CHOICE, undefined)
  const one = await recorded('1', 'old')
  expect(await choose()).toBeUndefined()
  expect(await choose({ base: 'c'.repeat(64) })).toBe(one)
  expect(await choose({ which: 'latest' })).toBe(one)
  await keepChoice(world.aws, HOME, { ...CHOICE, which: 'latest' }, one)
  await recorded('2', 'newer')
  expect(await choose()).toBe(one)
  // Whoever bakes without for once has decided nothing for others.
  await keepChoice(world.aws, HOME, { ...CHOICE, which: 'none' }, undefined)
  expect(await choose()).toBe(one)
})

test('what is kept once more counts as used now, also when it says the same', async () => {
  const at = async () => (await listObjects(world.aws, HOME, LAYOUT.base(BASE))).map(({ at }) => at.getTime())
  await keepChoice(world.aws, HOME, CHOICE, undefined)
  const before = await at()
  await world.clock.sleep(60_000)
  await keepChoice(world.aws, HOME, CHOICE, undefined)
  expect(await at()).toEqual(before.map((time) => time + 60_000))
})

test('what is removed while it is kept once more is there afterwards', async () => {
  await keepChoice(world.aws, HOME, CHOICE, undefined)
  const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
  let isRemoved = false
  const send = async (...args: unknown[]) => {
    if (!isRemoved && (args[0] as object).constructor.name === 'PutObjectCommand') {
      isRemoved = true
      const Key = LAYOUT.base(BASE)
      await world.aws.s3.send(new DeleteObjectCommand({ Bucket: stateBucket(HOME), Key }))
    }
    return client.send(...args)
  }
  await keepChoice({ ...world.aws, s3: { send } as Aws['s3'] }, HOME, CHOICE, undefined)
  expect(isRemoved).toBe(true)
  await recorded('1', 'old')
  expect(await choose()).toBeUndefined()
})

test('a set by how its name begins', async () => {
  const one = await recorded('1', 'old')
  await recorded('2', 'newer')
  expect(await choose({ which: { set: '1'.repeat(12) } })).toBe(one)
  await expect(choose({ which: { set: '3'.repeat(12) } })).rejects.toThrow('there is no such image set')
  world.buckets.write(stateBucket(HOME), LAYOUT.record(`${'1'.repeat(63)}0`), '{}')
  await expect(choose({ which: { set: '1'.repeat(12) } })).rejects.toThrow('2 image sets begin so')
})

test('what somebody has spoilt is said', async () => {
  world.buckets.write(stateBucket(HOME), LAYOUT.base(BASE), '{"previous":"x"}')
  await expect(choose()).rejects.toThrow(`image-bases/${BASE}.json does not say`)
})
