// Blocks: all of them, few at a time when AWS says so, and what is on the disk and nothing else.

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { PutSnapshotBlockCommand, StartSnapshotCommand } from '@aws-sdk/client-ebs'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { openDigestLog } from './digest-log.ts'
import { BLOCK_BYTES, checksumOf, openDisk, volumeFor } from './disk.ts'
import { pause } from './persist.ts'
import { putBlocks } from './put-blocks.ts'

let folder: string
let file: string
let world: StandIn
let snapshot: string
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-blocks-'))
  file = path.join(folder, 'disk.raw')
  world = standIn()
  snapshot = (await world.aws.ebs.send(new StartSnapshotCommand({ VolumeSize: 1 }))).SnapshotId ?? ''
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (bytes: number) => {
  const data = Buffer.alloc(bytes)
  for (let at = 0; at < bytes; at += 1024) data.write(String(at), at, Math.min(8, bytes - at))
  writeFileSync(file, data)
}
const put = async (aws: Aws, more: { workers?: number; signal?: AbortSignal } = {}) => {
  await using disk = await openDisk(file)
  await using confirmed = await openDigestLog(path.join(folder, 'log'), disk.blocks)
  return await putBlocks(aws, { snapshot, disk, confirmed, ...more })
}
/**
 * Lets every answer come a turn later, so that puts are under way at the same time; counts how many.
 * @param first no answer comes before so many are under way
 */
function counting(first = 1): { aws: Aws; most: () => number; reset: () => void } {
  let now = 0
  let most = 0
  const enough = Promise.withResolvers<void>()
  const client = world.aws.ebs as { send: (...args: unknown[]) => Promise<unknown> }
  const send = async (...args: unknown[]) => {
    most = Math.max(most, ++now)
    if (now >= first) enough.resolve()
    try {
      await enough.promise
      await new Promise((resolve) => setTimeout(resolve, 1))
      return await client.send(...args)
    } finally {
      now--
    }
  }
  return {
    aws: { ...world.aws, ebs: { send } as Aws['ebs'] },
    most: () => most,
    reset: () => {
      most = 0
    },
  }
}

test('the checksum is SHA-256 over the blocks’ raw digests in their order, the last block filled up', async () => {
  write(2 * BLOCK_BYTES + 1)
  const bytes = Buffer.alloc(3 * BLOCK_BYTES)
  readFileSync(file).copy(bytes)
  const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest()
  const digests = [0, 1, 2].map((at) => sha256(bytes.subarray(at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES)))
  const expected = sha256(Buffer.concat(digests)).toString('hex')
  expect(await checksumOf(file)).toBe(expected)
  const blocks = await put(world.aws)
  expect(blocks.count).toBe(3)
  expect(blocks.checksum.toString('hex')).toBe(expected)
})

test('as many at a time as are allowed, and never more', async () => {
  write(40 * BLOCK_BYTES)
  const { aws, most } = counting(8)
  await put(aws, { workers: 8 })
  expect(most()).toBe(8)
})

test('when AWS slows us down, fewer are under way', async () => {
  write(60 * BLOCK_BYTES)
  const { aws, most, reset } = counting()
  // The first sixteen say so, and count once; those that follow do again.
  world.faults.add({ operation: 'PutSnapshotBlock', times: 24, error: FAULTS.throttled() })
  let answered = 0
  const client = aws.ebs as { send: (...args: unknown[]) => Promise<unknown> }
  const send = async (...args: unknown[]) => {
    if (++answered === 45) reset()
    return client.send(...args)
  }
  await put({ ...aws, ebs: { send } as Aws['ebs'] }, { workers: 16 })
  expect(most()).toBeLessThan(16)
  expect(world.compute.snapshots.all.get(snapshot)?.digests.size).toBe(60)
})

test('the first block that fails ends the others, and is what is thrown', async () => {
  write(30 * BLOCK_BYTES)
  world.faults.add({ operation: 'PutSnapshotBlock', call: 5, error: FAULTS.denied('ebs:PutSnapshotBlock') })
  await expect(put(world.aws, { workers: 4 })).rejects.toMatchObject({ kind: 'access-denied' })
  const tried = world.calls.length
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(world.calls.length).toBe(tried)
  expect(tried).toBeLessThan(15)
})

test('ended by its signal, and nothing goes on behind', async () => {
  write(30 * BLOCK_BYTES)
  const ended = new AbortController()
  const client = world.aws.ebs as { send: (...args: unknown[]) => Promise<unknown> }
  let puts = 0
  const send = async (...args: unknown[]) => {
    if (++puts === 6) ended.abort(new Error('enough'))
    return client.send(...args)
  }
  const aws = { ...world.aws, ebs: { send } as Aws['ebs'] }
  await expect(put(aws, { workers: 4, signal: ended.signal })).rejects.toThrow('enough')
  expect(puts).toBeLessThan(12)
})

test('confirmed blocks are not put again, changed ones are, and half a digest is none', async () => {
  write(4 * BLOCK_BYTES)
  await put(world.aws)
  const bytes = readFileSync(file)
  bytes.write('changed', 2 * BLOCK_BYTES)
  writeFileSync(file, bytes)
  const log = readFileSync(path.join(folder, 'log'))
  log.fill(0, 3 * 32 + 16, 4 * 32)
  writeFileSync(path.join(folder, 'log'), log)
  const from = world.calls.length
  const blocks = await put(world.aws)
  const again = world.calls.slice(from).map(({ input }) => input.BlockIndex)
  expect(again.sort()).toEqual([2, 3])
  expect(blocks.checksum.toString('hex')).toBe(await checksumOf(file))
})

test('a file that becomes shorter while it is read', async () => {
  write(3 * BLOCK_BYTES)
  await using disk = await openDisk(file)
  writeFileSync(file, 'short')
  await expect(disk.read(2, Buffer.alloc(BLOCK_BYTES))).rejects.toThrow('was changed while it was read')
  await expect(disk.unchanged()).rejects.toThrow('was changed while it was read')
})

test('a volume is as large as its disk needs, in whole GiB', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 * 2 ** 30 }), (size) => {
      const gib = volumeFor({ file: 'x', size }, undefined)
      expect(gib * 2 ** 30).toBeGreaterThanOrEqual(size)
      expect((gib - 1) * 2 ** 30).toBeLessThan(size)
      expect(volumeFor({ file: 'x', size }, gib + 1)).toBe(gib + 1)
      expect(() => volumeFor({ file: 'x', size }, gib - 1)).toThrow('too big for its volume')
    }),
  )
})

test('pauses grow, and not for ever', () => {
  for (let tries = 1; tries < 100; tries++) {
    expect(pause(tries)).toBeGreaterThanOrEqual(250)
    expect(pause(tries)).toBeLessThanOrEqual(15_000)
  }
  expect(pause(6)).toBeGreaterThan(pause(1))
})

test('a put says what the model wants of it', async () => {
  write(BLOCK_BYTES)
  await put(world.aws)
  const { input } = world.calls.at(-1) ?? {}
  expect(new PutSnapshotBlockCommand(input as never).input).toMatchObject({
    DataLength: 524_288,
    ChecksumAlgorithm: 'SHA256',
    BlockIndex: 0,
  })
})
