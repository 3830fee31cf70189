// What AWS can do to an upload meanwhile.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { begin, end, endingAt, HOME, nothingIsThere, now, onlyWhatIsRecorded, run } from './fixture.ts'

beforeEach(begin)
afterEach(end)

describe('what AWS does', () => {
  test('what was just made is not known at once', async () => {
    now.world.compute.snapshots.lag = 30_000
    onlyWhatIsRecorded(now.world, await run())
  })

  test('slowed down, and mistakes of its own: the blocks are put until they are confirmed', async () => {
    const throttled = Object.assign(new Error('slow down'), {
      name: 'RequestThrottledException',
      $metadata: { httpStatusCode: 400 },
    })
    const broken = Object.assign(new Error('internal'), {
      name: 'InternalServerException',
      $metadata: { httpStatusCode: 500 },
    })
    now.world.faults.add({ operation: 'StartSnapshot', times: 2, error: throttled })
    now.world.faults.add({ operation: 'PutSnapshotBlock', times: 5, error: throttled })
    now.world.faults.add({ operation: 'PutSnapshotBlock', call: 4, times: 3, error: broken })
    now.world.faults.add({ operation: 'CompleteSnapshot', times: 2, error: broken })
    onlyWhatIsRecorded(now.world, await run())
  })

  test('a block that is damaged on its way is put again', async () => {
    now.world.blocks.damages = 2
    onlyWhatIsRecorded(now.world, await run())
  })

  test('a block that is refused each time: which one, and nothing is left', async () => {
    now.world.blocks.damages = 1_000
    await expect(run()).rejects.toThrow(/AWS refused block \d of snap-\w+:.*Removed: snap-/)
    nothingIsThere(now.world)
  })

  test('no block gets through: said, kept, and the next run goes on', async () => {
    const error = Object.assign(new Error('internal'), { $metadata: { httpStatusCode: 500 } })
    now.world.faults.add({ operation: 'PutSnapshotBlock', call: 2, times: 100_000, error })
    await expect(run()).rejects.toThrow(/No block got through to snap-\w+ for \d+ minutes.*Kept: snap-/)
    now.world.faults.clear()
    const set = await run()
    expect(set.regions[HOME.region]?.api).toBe(`ami-${'1'.padStart(17, '0')}`)
    onlyWhatIsRecorded(now.world, set)
  })

  test('it has taken so long that a sweep may remove its images any moment: they are not recorded, and go', async () => {
    const client = now.world.aws.ec2 as { send: (...args: unknown[]) => Promise<unknown> }
    const send = async (...args: unknown[]) => {
      const answer = await client.send(...args)
      if ((args[0] as object).constructor.name === 'RegisterImageCommand')
        await now.world.clock.sleep(1.5 * 86_400_000)
      return answer
    }
    const aws = { ...now.world.aws, ec2: { send } as Aws['ec2'] }
    await expect(run(aws)).rejects.toThrow(
      /longer than its images may live unrecorded\. Removed: ami-\w+, snap-\w+, ami-\w+, snap-\w+/,
    )
    nothingIsThere(now.world)
  })

  test('a snapshot that stays pending: said after an hour, kept, and the next run waits on', async () => {
    now.world.compute.snapshots.stuck = true
    await expect(run()).rejects.toThrow(/snap-\w+ is not completed after 60 minutes\. Kept: snap-\w+\./)
    for (const snapshot of now.world.compute.snapshots.all.values()) snapshot.state = 'completed'
    now.world.compute.snapshots.stuck = false
    onlyWhatIsRecorded(now.world, await run())
  })

  test('an image that stays pending: said, kept, and the next run waits on', async () => {
    now.world.compute.images.stuck = true
    await expect(run()).rejects.toThrow(/ami-\w+ is not available after \d+ minutes\. Kept: /)
    for (const image of now.world.compute.images.all.values()) image.state = 'available'
    now.world.compute.images.stuck = false
    onlyWhatIsRecorded(now.world, await run())
  })

  test('a snapshot that AWS gave up meanwhile is replaced', async () => {
    const ending = endingAt(6, 'before', now.world)
    await run(ending.aws).catch(() => undefined)
    await now.world.clock.sleep(25 * 3_600_000)
    expect([...now.world.compute.snapshots.all.values()].map(({ state }) => state)).toEqual(['error'])
    const set = await run()
    expect(now.said.join('\n')).toContain('is given up by AWS: another one is begun')
    onlyWhatIsRecorded(now.world, set)
  })

  test('an image that fails: why, and nothing is left', async () => {
    now.world.compute.images.failing = 'Snapshot could not be read'
    await expect(run()).rejects.toThrow(
      /ami-\w+ is failed: Snapshot could not be read\. Removed: ami-\w+, snap-/,
    )
    nothingIsThere(now.world)
  })

  test('credentials that run out: everything is kept, and the next run goes on', async () => {
    now.world.faults.add({ operation: 'PutSnapshotBlock', call: 3, times: 100, error: FAULTS.expired() })
    const failed = run()
    await expect(failed).rejects.toMatchObject({ name: 'AwsProblem', kind: 'credentials-expired' })
    await expect(failed).rejects.toThrow(/sign in again.*Kept: snap-\w+\. The same command goes on from here/)
    now.world.faults.clear()
    onlyWhatIsRecorded(now.world, await run())
  })
})
