// The files of a checkpoint, each written front to back with its hash, in slices that leave searches their turn.
import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import path from 'node:path'
import { newFile, settle } from '../making.ts'
import type { Pace } from '../pace.ts'
import type { ManifestFile } from './checkpoint.ts'

const SLICE = 1 << 20

/** The files of a checkpoint that is being written. None of them is left unless it is `complete`. */
export class NewFiles implements AsyncDisposable {
  readonly dir: string
  readonly pace: Pace
  #writers: FileWriter[] = []
  readonly #others: (() => Promise<void>)[] = []

  constructor(dir: string, pace: Pace) {
    this.dir = dir
    this.pace = pace
  }

  async create(name: string): Promise<FileWriter> {
    const writer = await FileWriter.create(this.dir, name, this.pace)
    this.#writers.push(writer)
    return writer
  }

  /** To be done when all is written: names that the manifest says. */
  beforeManifest(work: () => Promise<void>): void {
    this.#others.push(work)
  }

  /** Each under its name. They have to be finished. */
  async settle(): Promise<void> {
    for (const writer of this.#writers) await writer.settle()
    for (const work of this.#others) await work()
  }

  /** There is a manifest that names them. */
  complete(): void {
    this.#writers = []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#writers.map((writer) => writer.remove()))
  }
}

export class FileWriter {
  readonly #handle: FileHandle
  readonly #dir: string
  readonly #name: string
  readonly #pace: Pace
  readonly #hash = createHash('sha256')
  #path: string
  #bytes = 0
  #open = true

  private constructor(handle: FileHandle, file: string, place: { dir: string; name: string; pace: Pace }) {
    this.#handle = handle
    this.#path = file
    this.#dir = place.dir
    this.#name = place.name
    this.#pace = place.pace
  }

  static async create(dir: string, name: string, pace: Pace): Promise<FileWriter> {
    const file = await newFile(dir)
    return new FileWriter(await open(file, 'wx', 0o600), file, { dir, name, pace })
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
    await this.#close()
    return { name: this.#name, bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }

  async settle(): Promise<void> {
    await settle(this.#path, this.#dir, this.#name)
    this.#path = path.join(this.#dir, this.#name)
  }

  async remove(): Promise<void> {
    try {
      await this.#close()
    } finally {
      await rm(this.#path, { force: true })
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#handle.close()
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
