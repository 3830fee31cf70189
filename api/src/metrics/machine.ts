// The machine's memory and disk, and its image's age. One process of a machine tells: the API's.
import { readFile, statfs } from 'node:fs/promises'
import { freemem, totalmem } from 'node:os'
import type { Config } from '../config.ts'
import type { Readings } from './metrics.ts'

const DAY_MS = 24 * 3_600_000

export async function readMachine(
  config: Pick<Config, 'home' | 'indexDir' | 'storage' | 'imageMadeAt'>,
): Promise<Readings> {
  const { home, indexDir, storage, imageMadeAt } = config
  const folders = [home, indexDir, ...(storage.kind === 'files' ? [storage.dir] : [])]
  const [memory, ...disks] = await Promise.all([memoryUsed(), ...folders.map(diskUsed)])
  const known = disks.filter((used) => used !== null)
  return {
    MemoryUsed: memory,
    // Where they lie on several disks, the fullest one.
    DiskUsed: known.length === 0 ? null : Math.max(...known),
    ImageAge: imageMadeAt === undefined ? null : Math.max(0, Date.now() - imageMadeAt.getTime()) / DAY_MS,
  }
}

/** Per cent. Linux knows what could be had without swapping; elsewhere caches count as used. */
async function memoryUsed(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '')
  const kilobytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(text)?.[1])
  const [total, available] = [kilobytes('MemTotal'), kilobytes('MemAvailable')]
  const free = available / total
  return 100 * (1 - (Number.isFinite(free) ? free : freemem() / totalmem()))
}

/** Per cent of what programs may use, as `df` reckons; null where the folder is not there (yet). */
async function diskUsed(folder: string): Promise<number | null> {
  try {
    const { blocks, bfree, bavail } = await statfs(folder)
    const used = blocks - bfree
    return (100 * used) / (used + bavail)
  } catch {
    return null
  }
}
