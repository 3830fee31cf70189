// The blob store on a filesystem: `blobs/KEY` holds what is complete, `incoming/` what is being written.
// A blob appears by link(2) after its bytes are synced, so neither a crash nor a second writer shows half of it.
import { constants, createReadStream, type Dirent } from 'node:fs'
import { access, type FileHandle, link, mkdir, open, readdir, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../errors.ts'
import { ownFile, sweepOwnFiles } from './own-files.ts'
import { type BlobEntry, type BlobStore, checkKey, checkPrefix, type Stored } from './port.ts'
import { receiveBody } from './receive-body.ts'

/** Nothing writes for this long without a byte. */
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
  await sweepOwnFiles(incoming, ABANDONED_MS)
  const fileOf = (key: string) => path.join(blobs, checkKey(key))

  /** Null when there is no such blob; a folder that is gone as a whole (unmounted) is another matter. */
  async function find(key: string): Promise<{ file: string; bytes: number } | null> {
    const file = fileOf(key)
    const found = await statBlob(file)
    if (found !== null) return { file, bytes: found.size }
    await access(blobs).catch((cause: unknown) => {
      throw new AppError('UNAVAILABLE', { reason: 'the storage is not there' }, { cause })
    })
    return null
  }

  return {
    async put(key, body, options = {}) {
      const temporary = ownFile(incoming)
      try {
        const file = fileOf(key)
        options.signal?.throwIfAborted()
        const handle = await open(temporary, 'wx', 0o600)
        let stored: Stored
        try {
          stored = await receiveBody(body, options, (chunk) => writeAll(handle, chunk))
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
        return stored
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
        if (codeOf(error) === 'ENOENT') await find(key)
        throw translate(error, key)
      }
    },

    async size(key) {
      return (await find(key))?.bytes ?? null
    },

    async delete(key) {
      await rm(fileOf(key), { force: true })
    },

    async *list(prefix) {
      yield* list(blobs, '', checkPrefix(prefix))
    },

    async localPath(key) {
      const found = await find(key)
      if (found === null) throw new AppError('NOT_FOUND', {}, { internal: `blob ${key}` })
      return { path: found.file, async [Symbol.asyncDispose]() {} }
    },

    async presignPut(key) {
      checkKey(key)
      return null
    },

    async check() {
      for (const folder of [blobs, incoming])
        try {
          await access(folder, constants.W_OK)
        } catch (cause) {
          throw new AppError('UNAVAILABLE', { reason: 'the storage can not be written' }, { cause })
        }
    },

    sweep: () => sweepOwnFiles(incoming, ABANDONED_MS),
  }
}

async function statBlob(file: string): Promise<{ size: number; mtime: Date } | null> {
  try {
    return await stat(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
}

/** A folder counts in the order as its name with the slash, as it stands in keys: `a-1` comes before `a/x`. */
async function* list(folder: string, before: string, prefix: string): AsyncGenerator<BlobEntry> {
  let entries: Dirent[]
  try {
    entries = await readdir(folder, { withFileTypes: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const names = entries.map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name)).sort()
  for (const name of names) {
    const key = before + name
    if (name.endsWith('/')) {
      if (key.startsWith(prefix) || prefix.startsWith(key)) yield* list(path.join(folder, name), key, prefix)
    } else if (key.startsWith(prefix)) {
      const found = await statBlob(path.join(folder, name))
      if (found !== null) yield { key, bytes: found.size, modifiedAt: found.mtime }
    }
  }
}

/** write(2) may take less than it was given, which is how a nearly full disk shows itself first. */
async function writeAll(handle: FileHandle, chunk: Buffer): Promise<void> {
  for (let offset = 0; offset < chunk.length; ) {
    const { bytesWritten } = await handle.write(chunk, offset, chunk.length - offset)
    offset += bytesWritten
  }
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
