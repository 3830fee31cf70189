// What the stand-in promises of EBS direct: the rules that AWS’s documents and the service’s model state.
import { DeleteSnapshotCommand, DeregisterImageCommand } from '@aws-sdk/client-ec2'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  begin,
  block,
  complete,
  MINUTE,
  put,
  registering,
  renew,
  sha256,
  snapshot,
  stateOf,
  world,
} from './ec2/fixture.ts'

beforeEach(renew)

describe('a snapshot that is written', () => {
  test('takes blocks in any order and again, and is completed with their number and checksum', async () => {
    const id = await begin()
    for (const index of [2, 0, 1, 2]) await put(id, index)
    const checksum = sha256(Buffer.concat([0, 1, 2].map((index) => sha256(block(index)))))
    expect((await complete(id, 3, checksum)).Status).toBe('pending')
    expect(await stateOf(id)).toBe('pending')
    await world.clock.sleep(MINUTE)
    expect(await stateOf(id)).toBe('completed')
  })

  test.each([
    ['a count that is not theirs', 2, undefined],
    ['a checksum of other blocks', 3, sha256(Buffer.from('x'))],
    ['a checksum in another order', 3, sha256(Buffer.concat([2, 1, 0].map((index) => sha256(block(index)))))],
  ])('is not completed with %s', async (_, count, checksum) => {
    const id = await begin()
    for (const index of [0, 1, 2]) await put(id, index)
    await expect(complete(id, count, checksum)).rejects.toMatchObject({ name: 'ValidationException' })
    await complete(id, 3)
  })

  test.each([
    ['outside of the volume', { BlockIndex: 2048 }, 'INVALID_BLOCK'],
    ['of another size', { BlockData: Buffer.alloc(512) }, 'INVALID_PARAMETER_VALUE'],
    ['that says another size', { DataLength: 512 }, 'INVALID_PARAMETER_VALUE'],
    ['with another checksum', { Checksum: sha256(Buffer.from('x')).toString('base64') }, 'INVALID_BLOCK'],
  ])('takes no block %s', async (_, more, Reason) => {
    const id = await begin()
    await expect(put(id, 0, more)).rejects.toMatchObject({ name: 'ValidationException', Reason })
    await put(id, 2047)
  })

  test('takes none once it is sealed, and no second seal', async () => {
    const id = await begin()
    await complete(id, 0)
    await expect(put(id, 0)).rejects.toMatchObject({ name: 'ValidationException' })
    await expect(complete(id, 0)).rejects.toMatchObject({ name: 'ValidationException' })
  })

  test('the same token is the same snapshot, with other parameters a conflict', async () => {
    const id = await begin({ ClientToken: 't' })
    expect(await begin({ ClientToken: 't' })).toBe(id)
    await expect(begin({ ClientToken: 't', VolumeSize: 2 })).rejects.toMatchObject({
      name: 'ConflictException',
    })
    expect(await begin({ ClientToken: 'u' })).not.toBe(id)
  })

  test.each([
    ['a parent and encryption', { ParentSnapshotId: 'snap-1', Encrypted: true }],
    ['a key without encryption', { KmsKeyArn: 'arn' }],
    ['no size', { VolumeSize: 0 }],
    ['a size that no volume has', { VolumeSize: 65_537 }],
    ['nine minutes', { Timeout: 9 }],
    ['a tag without a key', { Tags: [{ Key: '', Value: 'x' }] }],
  ])('is not begun with %s', async (_, more) => {
    await expect(begin(more)).rejects.toMatchObject({ name: 'ValidationException' })
  })

  test('has its parent’s encryption', async () => {
    const parent = await begin({ Encrypted: true, KmsKeyArn: 'arn:key' })
    await complete(parent, 0)
    await world.clock.sleep(MINUTE)
    const child = await begin({ ParentSnapshotId: parent })
    expect(world.compute.snapshots.all.get(child)).toMatchObject({ encrypted: true, key: 'arn:key' })
    await expect(begin({ ParentSnapshotId: 'snap-0' })).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    })
  })

  test('is given up when no block comes for its time; each block gives it that again', async () => {
    const [left, kept] = [await begin({ Timeout: 10 }), await begin({ Timeout: 10 })]
    for (let index = 0; index < 3; index++) {
      await world.clock.sleep(8 * MINUTE)
      await put(kept, index)
    }
    expect(await stateOf(left)).toBe('error')
    expect(await stateOf(kept)).toBe('pending')
    await world.clock.sleep(11 * MINUTE)
    expect(await stateOf(kept)).toBe('error')
  })

  test('is not known at once', async () => {
    world.compute.snapshots.lag = 5_000
    const id = await begin()
    await expect(put(id, 0)).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    await expect(stateOf(id)).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
    await world.clock.sleep(5_000)
    await put(id, 0)
  })

  test('is not deleted while an image uses it', async () => {
    const id = await snapshot()
    const { ImageId = '' } = await registering(id)
    const remove = () => world.aws.ec2.send(new DeleteSnapshotCommand({ SnapshotId: id }))
    await expect(remove()).rejects.toMatchObject({
      name: 'InvalidSnapshot.InUse',
      message: expect.stringContaining(ImageId),
    })
    await world.aws.ec2.send(new DeregisterImageCommand({ ImageId }))
    await remove()
    await expect(remove()).rejects.toMatchObject({ name: 'InvalidSnapshot.NotFound' })
  })
})
