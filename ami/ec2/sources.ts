// The checkout as it goes to an instance: what git knows of it, as it lies here. What the images are named by has been read before,
// and has to be the same.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { lstat, readFile, readlink } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { errorCode, Problem } from '../../local/problem.ts'
import { type Checkout, digestOf } from '../bake/checkout.ts'
import { type TarEntry, tarOf } from './tar.ts'

export interface Sources {
  /** A tar, packed by gzip. */
  readonly bytes: Buffer
  /** Of the bytes, in hex. */
  readonly sha256: string
}

const run = promisify(execFile)

/**
 * @param checkout as it was read; files that git does not know go along only when they are among its inputs
 * @throws Problem when it has changed since
 */
export async function packSources(root: string, checkout: Checkout): Promise<Sources> {
  const { stdout } = await run('git', ['-C', root, '-c', `safe.directory=${root}`, 'ls-files', '-z'], {
    maxBuffer: 2 ** 26,
  })
  const names = new Set([...stdout.split('\0').filter(Boolean), ...Object.keys(checkout.files)])
  const entries: TarEntry[] = []
  const changed: string[] = []
  for (const name of names) {
    const entry = await entryOf(root, name)
    if (entry !== undefined) entries.push(entry)
    const wanted = checkout.files[name]
    if (wanted !== undefined && (entry === undefined || digestOf(entry) !== wanted)) changed.push(name)
  }
  if (changed.length > 0)
    throw new Problem(
      `The checkout changed while it was read: ${changed.slice(0, 5).join(', ')}.`,
      'Bake again, and leave it alone meanwhile, or bake from a clone of its own.',
    )
  const bytes = gzipSync(tarOf(entries))
  return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
}

/** @returns undefined for what is in git only: it was removed */
async function entryOf(root: string, name: string): Promise<TarEntry | undefined> {
  const file = path.join(root, name)
  try {
    const about = await lstat(file)
    if (about.isSymbolicLink()) return { name, content: Buffer.alloc(0), link: await readlink(file) }
    if (!about.isFile()) return undefined
    return { name, content: await readFile(file), isExecutable: (about.mode & 0o111) !== 0 }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined
    throw error
  }
}
