// A checkpoint's files into the blob store, those that this term has not stored before.
import { createReadStream } from 'node:fs'
import path from 'node:path'
import type { ManifestFile } from '../checkpoint/checkpoint.ts'
import { type CheckpointStore, FILES, fileKey } from './shared.ts'

/** @throws Error when a file on this disk is not what its checkpoint says */
export async function storeFiles(
  { store, signal }: { store: CheckpointStore; signal: AbortSignal },
  dir: string,
  files: readonly ManifestFile[],
  term: number,
): Promise<void> {
  const there = new Map<string, number>()
  // A name is random and a blob is whole or not there: name and size say that it is this one.
  for await (const { key, bytes } of store.list(`${FILES}${String(term).padStart(10, '0')}/`))
    there.set(key, bytes)
  for (const file of files) {
    const key = fileKey(term, file)
    if (there.get(key) === file.bytes) continue
    const { sha256 } = await store.put(key, createReadStream(path.join(dir, file.name)), { signal })
    if (sha256 === file.sha256) continue
    await store.delete(key)
    throw new Error(`${file.name} is damaged on this disk`)
  }
}
