// From disks to an image set, over the stand-in: ended at every step, and with every answer lost.
import { readFileSync, rmSync } from 'node:fs'
import type { PutSnapshotBlockCommandInput } from '@aws-sdk/client-ebs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { BLOCK_BYTES, digestOf } from './disk.ts'
import {
  begin,
  end,
  endingAt,
  HOME,
  INPUTS,
  journal,
  journals,
  KEY,
  newWorld,
  now,
  onlyWhatIsRecorded,
  run,
} from './fixture.ts'

beforeEach(begin)
afterEach(end)

test('every block is in the snapshot, zeros too and the last one filled up; the image is what a server needs', async () => {
  const set = await run()
  const image = now.world.compute.images.all.get(set.regions[HOME.region]?.api ?? '')
  expect(image).toMatchObject({
    state: 'available',
    bootMode: 'uefi',
    imds: 'v2.0',
    ena: true,
    architecture: 'x86_64',
    virtualization: 'hvm',
  })
  const snapshot = now.world.compute.snapshots.all.get(image?.snapshot ?? '')
  expect(snapshot).toMatchObject({ state: 'completed', encrypted: true, key: KEY, volumeSize: 1 })
  const bytes = Buffer.alloc(4 * BLOCK_BYTES)
  readFileSync(now.publication.tiers.api.file).copy(bytes)
  expect([...(snapshot?.digests.keys() ?? [])].sort()).toEqual([0, 1, 2, 3])
  for (const [index, digest] of snapshot?.digests ?? [])
    expect(digest).toEqual(digestOf(bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)))
  expect(JSON.parse(now.world.buckets.text(stateBucket(HOME), LAYOUT.record(INPUTS)) ?? '')).toEqual(set)
  onlyWhatIsRecorded(now.world, set)
})

test('everything that is made carries from its first moment whose it is, and until when', async () => {
  await run()
  const made = [...now.world.compute.snapshots.all.values(), ...now.world.compute.images.all.values()]
  expect(made).toHaveLength(4)
  for (const { tags } of made) {
    expect(tags.get('service')).toBe('terrace')
    expect(tags.get('terrace-inputs')).toBe(INPUTS)
    expect(tags.get('terrace-bake')).toMatch(/^[0-9a-f]{16}$/)
    expect(Date.parse(tags.get('terrace-expires') ?? '')).toBeGreaterThan(now.world.clock.now().getTime())
  }
})

test('the same inputs again: the same set, and nothing is asked of EBS', async () => {
  const set = await run()
  const from = now.world.calls.length
  expect(await run()).toEqual(set)
  expect(now.world.calls.slice(from).map(({ operation }) => operation)).toEqual([
    'GetCallerIdentity',
    'GetObject',
    'DescribeImages',
  ])
})

test('ended at every step, before it and after it, the next run makes the same set, and nothing is left behind', async () => {
  const whole = endingAt(0, 'after', now.world)
  const expected = await run(whole.aws, { store: whole.store(journal()) })
  const steps = whole.steps()
  expect(steps).toBeGreaterThan(25)
  for (const when of ['before', 'after'] as const)
    for (let step = 1; step <= steps; step++) {
      const other = newWorld()
      rmSync(journals(), { recursive: true, force: true })
      const ending = endingAt(step, when, other)
      await run(ending.aws, { store: ending.store(journal()) }).catch(() => undefined)
      expect(ending.isDead(), `step ${step}`).toBe(true)
      const set = await run(other.aws)
      expect(set, `${when} step ${step}`).toEqual(expected)
      onlyWhatIsRecorded(other, set)
    }
})

test('ended twice, and what was confirmed is not put again', async () => {
  const puts = () =>
    now.world.calls
      .filter(({ operation }) => operation === 'PutSnapshotBlock')
      .map(({ input }) => (input as unknown as PutSnapshotBlockCommandInput).BlockIndex)
  for (const step of [6, 6]) {
    const ending = endingAt(step, 'before', now.world)
    await run(ending.aws, { workers: 1 }).catch(() => undefined)
  }
  const set = await run(now.world.aws, { workers: 1 })
  expect(puts().length).toBe(4 + 2)
  onlyWhatIsRecorded(now.world, set)
})

describe('an answer that is lost', () => {
  test.each([
    'GetCallerIdentity',
    'StartSnapshot',
    'PutSnapshotBlock',
    'CompleteSnapshot',
    'DescribeSnapshots',
    'RegisterImage',
    'DescribeImages',
    'PutObject',
  ])('%s: the next run at the latest makes one set', async (operation) => {
    now.world.faults.add({ operation, error: FAULTS.noAnswer(), answer: 'lost' })
    const set = await run().catch(() => run())
    onlyWhatIsRecorded(now.world, set)
  })

  test('CompleteSnapshot: this run itself goes on, as the snapshot tells', async () => {
    now.world.faults.add({ operation: 'CompleteSnapshot', error: FAULTS.noAnswer(), answer: 'lost' })
    onlyWhatIsRecorded(now.world, await run())
  })

  test('RegisterImage, and the client asks again itself: the image is found by its name', async () => {
    let first = true
    const client = now.world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      const isRegister = (args[0] as object).constructor.name === 'RegisterImageCommand'
      if (isRegister && first) {
        first = false
        await client.send(...args)
      }
      return client.send(...args)
    }
    now.world.compute.snapshots.lag = 20_000
    const set = await run({ ...now.world.aws, ec2: { send } as Aws['ec2'] })
    onlyWhatIsRecorded(now.world, set)
  })
})

test('progress ends at the size of the disk', async () => {
  const seen: number[] = []
  await run(now.world.aws, { progress: (tier, { done }) => tier === 'api' && seen.push(done) })
  expect(seen.at(-1)).toBe(3.5 * BLOCK_BYTES)
  expect(seen).toEqual([...seen].sort((a, b) => a - b))
})
