// Where a journal lies: one file for an account, a region and a set of inputs, replaced as a whole and on disk before
// anything else happens. Only one process at a time has it.
import { mkdirSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { holder, tryLock } from '../../local/lock.mjs'
import { BakeFailure } from './failure.ts'

export interface LedgerStore {
  /** For people. */
  readonly place: string
  read(): Promise<string | undefined>
  /** It is on disk, or it is as it was. */
  write(text: string): Promise<void>
  remove(): Promise<void>
}

export function fileStore(file: string): LedgerStore {
  const folder = path.dirname(file)
  mkdirSync(folder, { recursive: true })
  return {
    place: file,
    read: async () => {
      try {
        return await readFile(file, 'utf8')
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined
        throw error
      }
    },
    write: async (text) => {
      const unfinished = `${file}.tmp`
      const handle = await open(unfinished, 'w', 0o600)
      try {
        await handle.writeFile(text)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(unfinished, file)
      await syncFolder(folder)
    },
    remove: async () => {
      await rm(file, { force: true })
      await syncFolder(folder)
    },
  }
}

/** A rename is on disk when its folder is. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Keeps other processes of this machine away from a journal. What an ended process left is taken over.
 * @throws BakeFailure when another one has it
 */
export async function lock(file: string): Promise<AsyncDisposable> {
  const name = `${file}.lock`
  mkdirSync(path.dirname(file), { recursive: true })
  const release = tryLock(name)
  if (release !== null) return { [Symbol.asyncDispose]: async () => release() }
  throw new BakeFailure(
    `Another bake of the same inputs is running here, as process ${holder(name)?.pid} (${name}). Nothing was changed: wait for it, or end it.`,
  )
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
