// The blob store on a filesystem: `blobs/KEY` holds what is complete, `incoming/` what is being written.
// A blob appears by link(2) after its bytes are synced, so neither a crash nor a second writer shows half of it.
import { createHash, randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { AppError } from '../errors.ts'
import { type BlobStore, checkKey } from './port.ts'

/** One per process: a file of our pid with another token was left by an earlier process of that pid. */
const TOKEN = randomUUID()
/** Nothing writes for this long without a byte; only matters where a pid was given to a stranger. */
const ABANDONED_MS = 6 * 3_600_000

/**
 * Opens the store in `dir`, making it when needed, and removes what crashed writers left.
 * Safe beside other processes that write into the same folder.
 */
export async function createFileBlobStore(dir: string): Promise<BlobStore> {
  const blobs = path.join(dir, 'blobs')
  const incoming = path.join(dir, 'incoming')
  await makeFolder(blobs)
  await makeFolder(incoming)
  await sweep(incoming)
  const fileOf = (key: string) => path.join(blobs, checkKey(key))

  return {
    async put(key, body, options = {}) {
      const temporary = path.join(incoming, `${process.pid}.${TOKEN}.${randomUUID()}`)
      try {
        const file = fileOf(key)
        options.signal?.throwIfAborted()
        const handle = await open(temporary, 'wx', 0o600)
        let written: { bytes: number; sha256: string }
        try {
          written = await write(handle, body, options)
          await handle.sync()
        } finally {
          await handle.close()
        }
        const folder = path.dirname(file)
        await makeFolder(folder)
        // link, unlike rename, never replaces a blob that is there already.
        await link(temporary, file)
        try {
          await syncFolder(folder)
        } catch (error) {
          await rm(file, { force: true })
          throw error
        }
        return written
      } catch (error) {
        body.destroy()
        throw translate(error, key)
      } finally {
        await rm(temporary, { force: true })
      }
    },

    async get(key, range) {
      try {
        const handle = await open(fileOf(key), 'r')
        return createReadStream('', { fd: handle, ...range, highWaterMark: 256 * 1024 })
      } catch (error) {
        throw translate(error, key)
      }
    },

    async size(key) {
      try {
        return (await stat(fileOf(key))).size
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return null
        throw error
      }
    },

    async delete(key) {
      await rm(fileOf(key), { force: true })
    },

    async *list(prefix) {
      const names = await readdir(blobs, { recursive: true })
      for (const key of names.filter((name) => name.startsWith(prefix)).sort()) {
        const found = await stat(path.join(blobs, key)).catch(() => null)
        if (found?.isFile() === true) yield { key, bytes: found.size, modifiedAt: found.mtime }
      }
    },

    async localPath(key) {
      const file = fileOf(key)
      try {
        await stat(file)
        return file
      } catch (error) {
        throw translate(error, key)
      }
    },
  }
}

async function write(
  handle: FileHandle,
  body: Readable,
  options: { maxBytes?: number; signal?: AbortSignal },
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256')
  const abort = () => body.destroy(abortReason(options.signal))
  options.signal?.addEventListener('abort', abort, { once: true })
  let bytes = 0
  try {
    for await (const piece of body) {
      options.signal?.throwIfAborted()
      const chunk: Buffer = typeof piece === 'string' ? Buffer.from(piece) : piece
      bytes += chunk.length
      if (options.maxBytes !== undefined && bytes > options.maxBytes)
        throw new AppError('TOO_LARGE', { limit: inMegabytes(options.maxBytes) })
      hash.update(chunk)
      await writeAll(handle, chunk)
    }
    options.signal?.throwIfAborted()
  } finally {
    options.signal?.removeEventListener('abort', abort)
  }
  // A peer that vanished ends its request without the rest; only a stream that ended by itself is whole.
  if (!body.readableEnded) throw new Error('the stream closed before its end')
  return { bytes, sha256: hash.digest('hex') }
}

/** write(2) may take less than it was given, which is how a nearly full disk shows itself first. */
async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset)
    offset += bytesWritten
  }
}

function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason : new Error('aborted')
}

/** mkdir -p whose every new name is on disk before anything is put below it. */
async function makeFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  for (let made = folder; made.length >= first.length; made = path.dirname(made))
    await syncFolder(path.dirname(made))
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Removes what no living process is writing. */
async function sweep(incoming: string): Promise<void> {
  for (const name of await readdir(incoming)) {
    const [pid = '', token] = name.split('.')
    const file = path.join(incoming, name)
    if (Number(pid) === process.pid ? token === TOKEN : alive(Number(pid))) {
      const modified = (await stat(file).catch(() => null))?.mtimeMs ?? 0
      if (Date.now() - modified < ABANDONED_MS) continue
    }
    await rm(file, { force: true })
  }
}

function alive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function translate(error: unknown, key: string): unknown {
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new AppError('STORAGE_FULL', {}, { cause: error, internal: `while storing ${key}` })
    case 'ENOENT':
      return new AppError('NOT_FOUND', {}, { cause: error, internal: `blob ${key}` })
    case 'EEXIST':
      return new AppError('CONFLICT', { reason: 'it is stored already' }, { internal: `blob ${key}` })
    default:
      return error
  }
}

export function inMegabytes(bytes: number): string {
  const megabytes = bytes / (1024 * 1024)
  return `${megabytes >= 1 ? Math.floor(megabytes) : Number(megabytes.toPrecision(2))} MB`
}
