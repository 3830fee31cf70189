// Originals and checkpoints: bytes under keys, in a folder (files.ts) or in a bucket (s3.ts); every adapter runs
// storage/port.cases.ts. A key is made by us, never a name that a person typed.
// A blob is written once and whole: what a key holds never changes until it is deleted.
import type { Readable } from 'node:stream'
import { AppError } from '../errors.ts'

export interface Stored {
  readonly bytes: number
  /** Lower-case hex, of what was stored. */
  readonly sha256: string
}

export interface BlobEntry {
  readonly key: string
  readonly bytes: number
  /** By the store's own clock, in steps of up to a second. */
  readonly modifiedAt: Date
}

/** A file that is there until it is disposed of: `await using file = await blobs.localPath(key)`. */
export interface LocalFile extends AsyncDisposable {
  readonly path: string
}

export interface PresignedPut {
  readonly url: string
  readonly method: 'PUT'
  /** To be sent as they are, beside the Content-Length that every client sends by itself. */
  readonly headers: Readonly<Record<string, string>>
}

/**
 * UNAVAILABLE because the store answers and says no: to this server, or of this one blob (archived, encrypted with a key
 * that is gone, somebody else's). `check` tells which.
 */
export class StorageRefuses extends AppError {}

/**
 * A store that does not answer, refuses this server or is not there is never taken for a blob that is missing: then
 * everything rejects with AppError UNAVAILABLE (or, of a filesystem, with the system's own error).
 */
export interface BlobStore {
  /**
   * Stores a stream, on condition that the key is free: of any number of writers of one key, in any number of
   * processes, exactly one succeeds and its bytes are the ones that stay. That is the compare-and-swap of numbered
   * names (`manifest-000042`): who gets CONFLICT has lost, and reads what the winner wrote.
   * Nothing is visible before all bytes are there, durably. Nothing is left behind when it throws or the signal
   * aborts; the stream is destroyed then. A stream that was closed before its end is no blob.
   * @throws AppError STORAGE_FULL, TOO_LARGE past `maxBytes`, CONFLICT when the key is taken
   */
  put(
    key: string,
    body: Readable,
    options?: { readonly maxBytes?: number; readonly signal?: AbortSignal },
  ): Promise<Stored>
  /**
   * `range` is inclusive at both ends; what lies beyond the blob's end is left out. To be read to its end or
   * destroyed. It ends with an error (UNAVAILABLE) rather than short.
   * @throws AppError NOT_FOUND
   */
  get(key: string, range?: { readonly start: number; readonly end: number }): Promise<Readable>
  /** Bytes, or null when there is none. */
  size(key: string): Promise<number | null>
  /** Deleting what is not there is no error. */
  delete(key: string): Promise<void>
  /** All whose keys begin with `prefix` (which may end in the middle of a name), in the keys' order. */
  list(prefix: string): AsyncIterable<BlobEntry>
  /**
   * A readable file with the blob's bytes, for what can not read a stream; the store may have to fetch it first. It
   * must not be written to, nor used once it is disposed of.
   * @throws AppError NOT_FOUND, STORAGE_FULL (this machine's disk)
   */
  localPath(key: string, options?: { readonly signal?: AbortSignal }): Promise<LocalFile>
  /**
   * An address by which whoever has it may put this key once, within `seconds` (at most an hour), with exactly so many
   * bytes and, where `sha256` (hex) is given, exactly those. Null where the store has no such thing.
   */
  presignPut(
    key: string,
    allowed: { readonly bytes: number; readonly sha256?: string; readonly seconds: number },
  ): Promise<PresignedPut | null>
  /** Resolves when the store answers and takes this server in. */
  check(signal?: AbortSignal): Promise<void>
  /** Removes what killed writers and readers left, once it is old enough to be nobody's. */
  sweep(): Promise<void>
}

/** Parts of `[a-z0-9_.-]`, none of them beginning with a dot, joined by `/`; at most 200 characters. */
const KEY = /^(?=.{1,200}$)[a-z0-9_-][a-z0-9_.-]*(?:\/[a-z0-9_-][a-z0-9_.-]*)*$/
/** The beginning of such a key. */
const PREFIX = /^(?=.{0,200}$)(?:[a-z0-9_-][a-z0-9_.-]*\/)*(?:[a-z0-9_-][a-z0-9_.-]*)?$/

export function isKey(key: string): boolean {
  return KEY.test(key)
}

/** @throws Error: a wrong key is a fault of this program, never a person's. */
export function checkKey(key: string): string {
  if (!isKey(key)) throw new Error(`not a blob key: ${JSON.stringify(key)}`)
  return key
}

/** @throws Error like checkKey */
export function checkPrefix(prefix: string): string {
  if (!PREFIX.test(prefix)) throw new Error(`not the beginning of a blob key: ${JSON.stringify(prefix)}`)
  return prefix
}
