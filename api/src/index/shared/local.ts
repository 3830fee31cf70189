// The index process's folder, seen from beside it: it removes what its newest two checkpoints do not name whenever it
// writes another, so what is to be sent is held by names of its own.
import { randomBytes } from 'node:crypto'
import { link, mkdir, readdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { type Manifest, manifestNumbers, readManifest } from '../checkpoint/checkpoint.ts'

const LINKS = 'publishing-'
const TRIES = 5

export interface Linked extends AsyncDisposable {
  readonly manifest: Manifest
  /** Holds the manifest's files. */
  readonly dir: string
}

/** The newest checkpoint that can be read, its files under names that nobody else removes; null when there is none. */
export async function linkNewest(dir: string): Promise<Linked | null> {
  await removeLinks(dir)
  for (let tries = 1; ; tries++) {
    const manifest = await newest(dir)
    if (manifest === null) return null
    const folder = path.join(dir, `${LINKS}${randomBytes(4).toString('hex')}`)
    await mkdir(folder, { mode: 0o700 })
    try {
      for (const { name } of [manifest.state, ...manifest.segments])
        await link(path.join(dir, name), path.join(folder, name))
      return { manifest, dir: folder, [Symbol.asyncDispose]: () => remove(folder) }
    } catch (error) {
      await remove(folder)
      // Superseded in between; when there is nothing newer it is simply incomplete.
      if (!isMissing(error) || tries === TRIES) throw error
    }
  }
}

/** Position of the oldest checkpoint that can be read, at most `seq`. */
export async function oldestKept(dir: string, seq: number): Promise<number> {
  let oldest = seq
  for (const number of await manifestNumbers(dir)) {
    const manifest = await readManifest(dir, number).catch(() => null)
    if (manifest !== null) oldest = Math.min(oldest, manifest.position.seq)
  }
  return oldest
}

export async function newest(dir: string): Promise<Manifest | null> {
  for (const number of await numbers(dir)) {
    const manifest = await readManifest(dir, number).catch(() => null)
    if (manifest !== null) return manifest
  }
  return null
}

async function numbers(dir: string): Promise<number[]> {
  try {
    return await manifestNumbers(dir)
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

/** Left by a process that was killed: there is one at a time. */
async function removeLinks(dir: string): Promise<void> {
  const names = await readdir(dir).catch((error: unknown) => (isMissing(error) ? [] : Promise.reject(error)))
  for (const name of names) if (name.startsWith(LINKS)) await remove(path.join(dir, name))
}

function remove(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
