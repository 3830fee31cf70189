// Which blocks AWS has confirmed, by their digests: 32 bytes for each, at the block's place in a file. It is written
// after the confirmation and never synced: what is lost or torn is a digest that the disk does not have, and its block is put again.
import { open, rm } from 'node:fs/promises'

const DIGEST_BYTES = 32

export interface DigestLog {
  has(index: number, digest: Uint8Array): boolean
  add(index: number, digest: Uint8Array): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function openDigestLog(file: string, blocks: number): Promise<DigestLog> {
  const handle = await open(file, 'a+').then(async (made) => {
    // Made if need be, and never emptied; what is opened for appending can't be written in the middle.
    await made.close()
    return open(file, 'r+', 0o600)
  })
  const known = Buffer.alloc(blocks * DIGEST_BYTES)
  await handle.read(known, 0, known.length, 0)
  const at = (index: number) => index * DIGEST_BYTES
  return {
    has: (index, digest) => known.subarray(at(index), at(index) + DIGEST_BYTES).equals(digest),
    add: async (index, digest) => {
      await handle.write(digest, 0, DIGEST_BYTES, at(index))
    },
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

export const removeDigestLog = (file: string): Promise<void> => rm(file, { force: true })
