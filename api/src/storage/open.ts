// Opens the store that STORAGE names. S3's client is loaded only where it is used.
import path from 'node:path'
import type { Config } from '../config.ts'
import { createFileBlobStore } from './files.ts'
import type { BlobStore } from './port.ts'

/** @throws Error when the folder can not be made, or no AWS region is configured */
export async function openBlobStore({ storage, home }: Pick<Config, 'storage' | 'home'>): Promise<BlobStore> {
  if (storage.kind === 'files') return await createFileBlobStore(storage.dir)
  const { createS3BlobStore } = await import('./s3.ts')
  const { bucket, prefix } = storage
  return await createS3BlobStore({ bucket, prefix, fetched: path.join(home, 'fetched') })
}
