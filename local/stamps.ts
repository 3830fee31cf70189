// What was built from what: a fingerprint of the sources, kept beside the result, so that a second start builds nothing.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { NATIVE, ROOT } from './install.mjs'

const SKIPPED = new Set(['node_modules', '.next', 'generated', 'test-results', 'coverage'])

/** SHA-256 over names and contents of files and folders (below the checkout), and of extra words. Tests don't count. */
export function fingerprint(places: readonly string[], extra: readonly string[] = []): string {
  const hash = createHash('sha256')
  for (const word of extra) hash.update(`${word}\0`)
  for (const place of places) visit(path.join(ROOT, place), place, hash)
  return hash.digest('hex')
}

function visit(file: string, name: string, hash: ReturnType<typeof createHash>): void {
  let entries: string[] | undefined
  try {
    entries = readdirSync(file).sort()
  } catch {
    // a file, or missing
  }
  if (entries) {
    for (const entry of entries)
      if (!SKIPPED.has(entry) && !/\.test\.tsx?$|\.tsbuildinfo$|^next-env\.d\.ts$/.test(entry))
        visit(path.join(file, entry), `${name}/${entry}`, hash)
    return
  }
  hash.update(`${name}\0`)
  try {
    hash.update(readFileSync(file))
  } catch {
    hash.update('missing')
  }
  hash.update('\0')
}

export function readStamp(name: string): string | null {
  try {
    return readFileSync(path.join(NATIVE, `${name}.stamp`), 'utf8')
  } catch {
    return null
  }
}

export function writeStamp(name: string, value: string): void {
  mkdirSync(NATIVE, { recursive: true })
  writeFileSync(path.join(NATIVE, `${name}.stamp`), value)
}
