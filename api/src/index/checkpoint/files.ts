// A file of a checkpoint, written front to back with its hash, in slices that leave searches their turn.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import path from 'node:path'
import type { Pace } from '../pace.ts'
import type { ManifestFile } from './checkpoint.ts'

const SLICE = 1 << 20

export class FileWriter implements AsyncDisposable {
  readonly #handle: FileHandle
  readonly #path: string
  readonly #name: string
  readonly #pace: Pace
  readonly #hash = createHash('sha256')
  #bytes = 0
  #finished = false

  private constructor(handle: FileHandle, dir: string, name: string, pace: Pace) {
    this.#handle = handle
    this.#path = path.join(dir, name)
    this.#name = name
    this.#pace = pace
  }

  static async create(dir: string, name: string, pace: Pace): Promise<FileWriter> {
    return new FileWriter(await open(path.join(dir, name), 'wx', 0o600), dir, name, pace)
  }

  get bytes(): number {
    return this.#bytes
  }

  async write(data: ArrayBufferView): Promise<void> {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    for (let from = 0; from < bytes.length; from += SLICE) {
      const slice = bytes.subarray(from, from + SLICE)
      this.#hash.update(slice)
      await this.#handle.writeFile(slice)
      this.#bytes += slice.length
      if (this.#pace.due) await this.#pace.pause()
    }
  }

  /** Synced and closed. */
  async finish(): Promise<ManifestFile> {
    await this.#handle.sync()
    await this.#handle.close()
    this.#finished = true
    return { name: this.#name, bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  /** Leaves nothing behind unless it was finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#finished) return
    await this.#handle.close()
    await unlink(this.#path)
  }
}

/** Reads a file that should be exactly this; without `hashed` only its size is looked at. @throws Error when it is not */
export function readWhole(dir: string, file: ManifestFile, hashed: boolean): Buffer {
  const whole = Buffer.from(new ArrayBuffer(file.bytes))
  check(dir, file, { into: whole, hashed })
  return whole
}

/** Checks a file without keeping it. @throws Error when size or hash differ */
export function verify(dir: string, file: ManifestFile): void {
  check(dir, file, { hashed: true })
}

function check(dir: string, file: ManifestFile, { into, hashed }: { into?: Buffer; hashed: boolean }): void {
  const fd = openSync(path.join(dir, file.name), 'r')
  try {
    const hash = hashed ? createHash('sha256') : null
    const slice = into ?? Buffer.alloc(Math.min(SLICE, file.bytes + 1))
    let done = 0
    for (;;) {
      const offset = into === undefined ? 0 : done
      const got = readSync(fd, slice, offset, slice.length - offset, null)
      if (got === 0) break
      hash?.update(slice.subarray(offset, offset + got))
      done += got
    }
    const longer = into !== undefined && readSync(fd, Buffer.alloc(1)) > 0
    if (done !== file.bytes || longer || (hash !== null && hash.digest('hex') !== file.sha256))
      throw new Error(`${file.name} is damaged`)
  } finally {
    closeSync(fd)
  }
}
