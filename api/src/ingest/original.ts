// The file that was uploaded, as a parser is given it: checked on its way.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { AppError } from '../errors.ts'
import type { BlobStore } from '../storage/port.ts'
import type { Version } from './versions.ts'

/** @returns what `ParserPool.parse` takes; `body` may be called again */
export function originalOf(
  blobs: Pick<BlobStore, 'get'>,
  { filename, bytes, storageKey, sha256 }: Pick<Version, 'filename' | 'bytes' | 'storageKey' | 'sha256'>,
) {
  const body = async () => Readable.from(checked(await blobs.get(storageKey), sha256), { objectMode: false })
  return { filename, bytes, body }
}

/** Ends with an error when it is not what was uploaded: nothing of it is to be published then. */
async function* checked(original: Readable, sha256: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const chunk of original) {
    hash.update(chunk)
    yield chunk
  }
  if (hash.digest('hex') !== sha256)
    throw new AppError('FILE_ORIGINAL_MISSING', {}, { internal: 'the stored file is not what was uploaded' })
}
