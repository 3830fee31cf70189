// Where a journal lies: one file for an account, a region and a set of inputs, replaced as a whole and on disk before
// anything else happens. Only one process at a time has it.
import { mkdirSync, readFileSync } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
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
  for (;;) {
    try {
      const handle = await open(name, 'wx', 0o600)
      try {
        await handle.writeFile(`${process.pid} ${startOf(process.pid) ?? ''}`)
      } finally {
        await handle.close()
      }
      return { [Symbol.asyncDispose]: () => rm(name, { force: true }) }
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
    }
    const owner = await ownerOf(name)
    if (owner !== undefined)
      throw new BakeFailure(
        `Another bake of the same inputs is running here, as process ${owner} (${name}). Nothing was changed: wait for it, or end it.`,
      )
    await rm(name, { force: true })
  }
}

/** @returns the pid of the process that has the lock, if it lives */
async function ownerOf(name: string): Promise<number | undefined> {
  const text = await readFile(name, 'utf8').catch(() => '')
  const [pid = '', start = ''] = text.split(' ')
  if (!/^\d+$/.test(pid) || !isAlive(Number(pid))) return undefined
  // Numbers of processes come again.
  return start === '' || start === startOf(Number(pid)) ? Number(pid) : undefined
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
}

/** Clock ticks from boot to the process's start; only Linux says. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

const codeOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
