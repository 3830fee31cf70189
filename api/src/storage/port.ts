// Originals and checkpoints: bytes under keys. Filesystem now, S3 later; every adapter runs storage/port.cases.ts.
// A key is made by us, never a name that a person typed.
// A blob is written once: `put` is atomic (nothing is visible before all bytes are on disk) and durable (fsynced).
import type { Readable } from 'node:stream'

export interface StoredBlob {
  readonly key: string
  readonly bytes: number
  readonly modifiedAt: Date
}

export interface BlobStore {
  /**
   * Stores a stream. Nothing is left behind when it throws or the signal aborts; the stream is destroyed then.
   * @throws AppError STORAGE_FULL (ENOSPC, EDQUOT), TOO_LARGE past `maxBytes`, CONFLICT when the key is taken
   */
  put(
    key: string,
    body: Readable,
    options?: { maxBytes?: number; signal?: AbortSignal },
  ): Promise<{ bytes: number; sha256: string }>
  /** `range` is inclusive at both ends. @throws AppError NOT_FOUND */
  get(key: string, range?: { start: number; end: number }): Promise<Readable>
  /** Bytes, or null when there is none. */
  size(key: string): Promise<number | null>
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>
  /** Blobs whose key begins with `prefix`, in the order of their keys. */
  list(prefix: string): AsyncIterable<StoredBlob>
  /** A readable local path of the blob, for parsers that need a file; the store may have to fetch it first. @throws AppError NOT_FOUND */
  localPath(key: string): Promise<string>
}

/** Parts of `[a-z0-9_.-]`, none of them beginning with a dot, joined by `/`; at most 200 characters. */
const KEY = /^(?=.{1,200}$)[a-z0-9_-][a-z0-9_.-]*(?:\/[a-z0-9_-][a-z0-9_.-]*)*$/

/** @throws Error: a wrong key is a fault of this program, never a person's. */
export function checkKey(key: string): string {
  if (!KEY.test(key)) throw new Error(`not a blob key: ${JSON.stringify(key)}`)
  return key
}
