// A raw disk as EBS takes it: blocks of 512 KiB, the last one filled up with zeros, and one checksum over all.
// Every block is sent, also one of zeros: on an encrypted volume a block that was left out reads as garbage.
import { createHash, hash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { BakeFailure } from '../ledger/failure.ts'

export const BLOCK_BYTES = 512 * 1024
const GIB = 2 ** 30

export interface Disk {
  readonly file: string
  /** Bytes. */
  readonly size: number
  readonly blocks: number
  /**
   * @param into exactly 512 KiB
   * @throws BakeFailure when the file has become shorter
   */
  read(index: number, into: Buffer): Promise<void>
  /** @throws BakeFailure when the file is not the one any more that was opened */
  unchanged(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** @throws BakeFailure when there is no such file, or nothing in it */
export async function openDisk(file: string): Promise<Disk> {
  let handle: FileHandle
  try {
    handle = await open(file, 'r')
  } catch (cause) {
    throw new BakeFailure(`There is no disk to upload: ${file} can’t be read. Nothing was sent.`, { cause })
  }
  const before = await handle.stat({ bigint: true })
  const size = Number(before.size)
  if (!before.isFile() || size === 0) {
    await handle.close()
    throw new BakeFailure(
      `${file} is no disk: it is ${before.isFile() ? 'empty' : 'not a file'}. Nothing was sent.`,
    )
  }
  return {
    file,
    size,
    blocks: Math.ceil(size / BLOCK_BYTES),
    read: async (index, into) => {
      const wanted = Math.min(BLOCK_BYTES, size - index * BLOCK_BYTES)
      for (let got = 0; got < wanted; ) {
        const { bytesRead } = await handle.read(into, got, wanted - got, index * BLOCK_BYTES + got)
        if (bytesRead === 0) throw changed(file)
        got += bytesRead
      }
      into.fill(0, wanted)
    },
    unchanged: async () => {
      const now = await handle.stat({ bigint: true })
      if (now.size !== before.size || now.mtimeNs !== before.mtimeNs) throw changed(file)
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

export const changed = (file: string): BakeFailure =>
  new BakeFailure(
    `${file} was changed while it was read: what would be uploaded is not what was tested. Bake again.`,
  )

export const digestOf = (block: Uint8Array): Buffer => hash('sha256', block, 'buffer')

/** SHA-256 over the raw digests of all blocks in their order: what CompleteSnapshot calls LINEAR. */
export function linear(digests: readonly Uint8Array[]): Buffer {
  const all = createHash('sha256')
  for (const digest of digests) all.update(digest)
  return all.digest()
}

/** What names a disk: to be taken before it is tested, so that what was tested is what is uploaded. @returns hex */
export async function checksumOf(file: string): Promise<string> {
  await using disk = await openDisk(file)
  const digests: Buffer[] = []
  const block = Buffer.allocUnsafe(BLOCK_BYTES)
  for (let index = 0; index < disk.blocks; index++) {
    await disk.read(index, block)
    digests.push(digestOf(block))
  }
  await disk.unchanged()
  return linear(digests).toString('hex')
}

/**
 * @param wanted GiB; undefined: as few as the disk needs
 * @throws BakeFailure when the disk is larger
 */
export function volumeFor(disk: Pick<Disk, 'file' | 'size'>, wanted: number | undefined): number {
  const needed = Math.max(1, Math.ceil(disk.size / GIB))
  if (wanted === undefined) return needed
  if (wanted < needed)
    throw new BakeFailure(
      `${disk.file} is too big for its volume: it has ${(disk.size / GIB).toFixed(2)} GiB and needs ${needed}, the volume is to have ${wanted}. Nothing was sent.`,
    )
  return wanted
}
