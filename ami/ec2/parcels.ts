// A file on its way over S3, in pieces that can each be packed, sent and checked alone: a disk is mostly zeros, and none of it
// is ever in memory as a whole. What came is checked before it is put at its place.
import { createHash } from 'node:crypto'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { z } from 'zod'
import { errorCode, Problem } from '../../local/problem.ts'
import { BakeFailure } from '../ledger/failure.ts'

/** Of the file; packed, a piece of a disk is a fraction of it. */
const PARCEL_BYTES = 32 * 2 ** 20
/** Bytes of a piece, packed: what can't be packed becomes a little longer. */
export const MOST_PACKED = PARCEL_BYTES + 2 ** 20
/** Zeros of this length stay holes. */
const HOLE_BYTES = 64 * 1024
const ZEROS = Buffer.alloc(HOLE_BYTES)

const parcel = z.object({
  /** Bytes from the file's begin. */
  from: z.int().min(0),
  bytes: z.int().min(1).max(PARCEL_BYTES),
  /** Of these bytes, not packed, in hex. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
export const goodsSchema = z
  .object({ bytes: z.int().min(1), parcels: z.array(parcel).min(1) })
  // What no piece covers would be zeros that nobody has sent.
  .refine(({ bytes, parcels }) => endOf(parcels) === bytes, 'its pieces are not the whole file')
type Parcel = Readonly<z.infer<typeof parcel>>
/** What a file consists of. */
export type Goods = Readonly<z.infer<typeof goodsSchema>>

/** @returns where the last one ends; undefined when one does not begin where the one before it ends */
const endOf = (parcels: readonly Pick<Parcel, 'from' | 'bytes'>[]): number | undefined =>
  parcels.reduce<number | undefined>((end, { from, bytes }) => (from === end ? end + bytes : undefined), 0)

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

export async function goodsOf(file: string): Promise<Goods> {
  const handle = await open(file, 'r')
  try {
    const { size } = await handle.stat()
    const parcels: Parcel[] = []
    for (let from = 0; from < size; from += PARCEL_BYTES) {
      const bytes = Math.min(PARCEL_BYTES, size - from)
      parcels.push({ from, bytes, sha256: hashOf(await read(handle, from, bytes)) })
    }
    return { bytes: size, parcels }
  } finally {
    await handle.close()
  }
}

/** @param put is given each piece, packed, in their order */
export async function sendFile(
  file: string,
  { parcels }: Goods,
  put: (index: number, packed: Buffer) => Promise<void>,
): Promise<void> {
  const handle = await open(file, 'r')
  try {
    for (const [index, { from, bytes }] of parcels.entries())
      await put(index, await compress(await read(handle, from, bytes)))
  } finally {
    await handle.close()
  }
}

/**
 * Puts a file together beside its place, and then at it.
 * @param get a piece as it was put
 * @throws BakeFailure for what is not what was sent; Problem when this machine's disk is full. Nothing is left then.
 */
export async function receiveFile(
  file: string,
  { bytes, parcels }: Goods,
  get: (index: number) => Promise<Buffer>,
): Promise<void> {
  const beside = `${file}.part`
  try {
    const handle = await open(beside, 'w')
    try {
      await handle.truncate(bytes)
      for (const [index, parcel] of parcels.entries())
        await writeWithHoles(handle, parcel.from, await unpack(await get(index), parcel, file))
    } finally {
      await handle.close()
    }
    const { size } = await stat(beside)
    if (size !== bytes) throw other(file)
    await rename(beside, file)
  } catch (error) {
    await rm(beside, { force: true })
    if (errorCode(error) !== 'ENOSPC') throw error
    throw new Problem(
      `The disk that holds ${file} is full: it has ${Math.ceil(bytes / 2 ** 20)} MiB.`,
      'Make room and run it again.',
      { cause: error },
    )
  }
}

async function unpack(packed: Buffer, { bytes, sha256 }: Parcel, file: string): Promise<Buffer> {
  // It may not grow beyond what was said, whatever it is.
  const content = await decompress(packed, { maxOutputLength: bytes }).catch(() => undefined)
  if (content?.length !== bytes || hashOf(content) !== sha256) throw other(file)
  return content
}

const other = (file: string) =>
  new BakeFailure(`What came over S3 for ${file} is not what was sent: its checksum differs. Bake again.`)

async function writeWithHoles(handle: FileHandle, at: number, content: Buffer): Promise<void> {
  for (let from = 0; from < content.length; from += HOLE_BYTES) {
    const piece = content.subarray(from, from + HOLE_BYTES)
    if (!piece.equals(ZEROS.subarray(0, piece.length))) await handle.write(piece, 0, piece.length, at + from)
  }
}

async function read(handle: FileHandle, from: number, bytes: number): Promise<Buffer> {
  const into = Buffer.allocUnsafe(bytes)
  for (let got = 0; got < bytes; ) {
    const { bytesRead } = await handle.read(into, got, bytes - got, from + got)
    if (bytesRead === 0) throw new BakeFailure('A file became shorter while it was read. Bake again.')
    got += bytesRead
  }
  return into
}
