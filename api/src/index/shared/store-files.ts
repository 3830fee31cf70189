// A checkpoint's files into the blob store, those that this term has not stored before.
import { createReadStream } from 'node:fs'
import path from 'node:path'
import type { ManifestFile } from '../checkpoint/checkpoint.ts'
import { type CheckpointStore, FILES, fileKey, read, Unusable } from './shared.ts'

export interface StoreDeps {
  readonly store: CheckpointStore
  readonly signal: AbortSignal
  /** Blobs can be read at all: one that can not is stored again. */
  readonly readable: boolean
}

/** @throws Error when a file on this disk is not what its checkpoint says */
export async function storeFiles(
  { store, signal, readable }: StoreDeps,
  dir: string,
  files: readonly ManifestFile[],
  term: number,
): Promise<void> {
  const there = new Map<string, number>()
  for await (const { key, bytes } of store.list(`${FILES}${String(term).padStart(10, '0')}/`))
    there.set(key, bytes)
  for (const file of files) {
    const key = fileKey(term, file)
    // A name is random and a blob is whole or not there: name and size say that it is this one. One whose bytes were
    // changed all the same is removed by whoever fetches it.
    if (there.get(key) === file.bytes && (!readable || (await canBeRead(store, key)))) continue
    if (there.has(key)) await store.delete(key)
    const { sha256 } = await store.put(key, createReadStream(path.join(dir, file.name)), { signal })
    if (sha256 === file.sha256) continue
    await store.delete(key)
    throw new Error(`${file.name} is damaged on this disk`)
  }
}

/** Its first byte: one that was archived, or whose key is gone, stays in the list. What can't be asked is left as it is. */
async function canBeRead(store: CheckpointStore, key: string): Promise<boolean> {
  try {
    const first = await read(store, key, { start: 0, end: 0 })
    first.destroy()
    return true
  } catch (error) {
    return !(error instanceof Unusable)
  }
}
