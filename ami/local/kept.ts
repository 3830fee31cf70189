// What a bake makes once and keeps under .images/, named after the hash of what it was made from.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import path from 'node:path'
import { lock } from '../../local/lock.mjs'
import { IMAGES } from './host.ts'

export interface Kept {
  readonly dir: string
  readonly key: string
  readonly fresh: boolean
}

/**
 * The folder of this kind and key; `make` fills it, whole or not at all, one process at a time.
 * @param kind such as `modules`
 * @param keep how many of the kind stay; default: the one in use, and the one before it
 */
export async function kept(
  kind: string,
  key: string,
  make: (dir: string) => Promise<void>,
  keep = 2,
): Promise<Kept> {
  const shelf = path.join(IMAGES, kind)
  const dir = path.join(shelf, key)
  mkdirSync(shelf, { recursive: true })
  const release = await lock(path.join(shelf, 'making.lock'), () => {})
  try {
    const fresh = !existsSync(dir)
    if (fresh) {
      const beside = `${dir}.${process.pid}`
      try {
        await make(beside)
        renameSync(beside, dir)
      } finally {
        rmSync(beside, { recursive: true, force: true })
      }
    }
    const now = new Date()
    utimesSync(dir, now, now)
    removeOld(shelf, keep)
    return { dir, key, fresh }
  } finally {
    release()
  }
}

/** Leaves the folders that were used last. */
export function removeOld(shelf: string, keep: number): void {
  const places = readdirSync(shelf, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(shelf, entry.name))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  for (const place of places.slice(keep)) rmSync(place, { recursive: true, force: true })
}
