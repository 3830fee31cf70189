// Originals and checkpoints: bytes under keys. Filesystem now, S3 later; every adapter runs storage/port.cases.ts.
// A key is `[a-z0-9/_.-]+`, made by us, never a name that a person typed.
// A blob is written once: `put` is atomic (nothing is visible before all bytes are on disk) and durable (fsynced).
import type { Readable } from 'node:stream'

export interface BlobStore {
  /**
   * Stores a stream. Nothing is left behind when it throws or the signal aborts.
   * @throws AppError STORAGE_FULL (ENOSPC, EDQUOT), TOO_LARGE past `maxBytes`
   */
  put(
    key: string,
    body: Readable,
    options?: { maxBytes?: number; signal?: AbortSignal },
  ): Promise<{ bytes: number; sha256: string }>
  /** @throws AppError NOT_FOUND */
  get(key: string, range?: { start: number; end: number }): Promise<Readable>
  /** Bytes, or null when there is none. */
  size(key: string): Promise<number | null>
  delete(key: string): Promise<void>
  /** A readable local path of the blob, for parsers that need a file; the store may have to fetch it first. */
  localPath(key: string): Promise<string>
}
