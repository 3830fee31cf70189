// The application's part of an image: /opt/terrace with the layout of the repository, so that every import holds.
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { DATABASE_CA_FILE } from '../../contract/launch.ts'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import type { FetchedAgent } from '../agents/install.ts'
import type { Fetched } from '../sbom/debian.ts'
import { installAddon } from './addon.ts'
import { type Authorities, databaseAuthorities } from './authorities.ts'
import type { Tier } from './debian.ts'
import { parseLock, productionPackages } from './production-lock.ts'

const REPOSITORY = path.resolve(import.meta.dirname, '../..')
export const HOME = '/opt/terrace'

/** Folders and files of the repository that a tier runs; what isn't there yet is left out. */
export const SOURCES_OF: Readonly<Record<Tier, readonly string[]>> = {
  api: [
    'api/package.json',
    'api/src',
    'contract',
    'prisma/migrations',
    'docs/samples',
    'ami/boot',
    'ami/recipe/service',
  ],
  web: ['contract', 'ami/boot', 'ami/recipe/service'],
}
/** Workspaces whose packages a tier runs on; the pages bring their own. */
export const WORKSPACES: Readonly<Record<Tier, readonly string[]>> = { api: ['api', 'ami'], web: ['ami'] }
const LICENCES = ['LICENSE', 'docs/third-party.md'] as const
const NOT_SHIPPED = /\.test\.tsx?$|\.tsbuildinfo$|(?:^|\/)(?:test|node_modules)$/

export interface Parts {
  /** With node_modules of the API and of what runs at boot, and node/bin/node. */
  readonly modules: string
  /** API only: FAISS's addon (recipe/addon.ts). */
  readonly addon: string
  /** API only: a folder as MODEL_DIR is. */
  readonly weights: string
  /** Web only: Next's standalone server with its static files. */
  readonly web: string
  /** Web only: static files of another build, for pages that were opened with it; empty: none. */
  readonly previous: string
  /** Of Amazon, those that are pinned (ami/agents). */
  readonly agents: readonly FetchedAgent[]
  /** Packages of Debian in the root, as they were locked. */
  readonly packages: readonly Fetched[]
  /** API only: version of the libfaiss that the addon has in it. */
  readonly faiss: string | undefined
}

/** What an image says of itself; nothing of a stage. */
export interface ImageFacts {
  readonly tier: Tier
  readonly release: string
  /** ISO 8601, UTC. */
  readonly madeAt: string
  /** SHA-256 over everything that it was made from, in hex. */
  readonly inputs: string
}

/** Writes the application of a tier into a root. @throws Error of the file system, or when a part is missing */
export function writePayload(root: string, facts: ImageFacts, parts: Parts): void {
  const home = path.join(root, HOME)
  const settings = path.join(root, path.dirname(DATABASE_CA_FILE))
  rmSync(home, { recursive: true, force: true })
  mkdirSync(home, { recursive: true })
  mkdirSync(settings, { recursive: true })
  cpSync(path.join(parts.modules, 'node'), path.join(home, 'node'), { recursive: true })
  chmodSync(path.join(home, 'node/bin/node'), 0o755)
  copyModules(parts.modules, home, facts.tier)
  for (const place of SOURCES_OF[facts.tier]) copySource(place, home)
  for (const name of LICENCES) copyFileSync(path.join(REPOSITORY, name), path.join(home, path.basename(name)))
  const authorities = facts.tier === 'api' ? databaseAuthorities() : undefined
  if (authorities !== undefined) writeApi(root, home, parts, authorities)
  // Nothing in its place is replaced: packages that both have are of one lock file, and those above are whole.
  else writeWeb(home, parts)
  writeFileSync(path.join(home, 'package.json'), `${JSON.stringify({ name: 'terrace', type: 'module' })}\n`)
  const record = { ...facts, ...(authorities && { databaseRegions: authorities.regions }) }
  writeFileSync(path.join(settings, 'image.json'), `${JSON.stringify(record, null, 2)}\n`)
}

/** Where the web server looks for static files, below the layout of the repository. */
export const STATIC_FILES = 'web/.next/static'

/** @throws Error when another build has a file of the same name that is another: each is named by what is in it */
export function writeWeb(home: string, { web, previous }: Pick<Parts, 'web' | 'previous'>): void {
  cpSync(web, home, { recursive: true, force: false, verbatimSymlinks: true })
  if (previous === '') return
  const own = path.join(home, STATIC_FILES)
  for (const entry of readdirSync(previous, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = path.join(entry.parentPath, entry.name)
    const there = path.join(own, path.relative(previous, file))
    if (existsSync(there) && !readFileSync(there).equals(readFileSync(file)))
      throw new Error(
        `${path.relative(previous, file)} is another file in the static files of the set before this one. ` +
          'Bake with --previous none: pages that are open then have to be loaded anew.',
      )
  }
  cpSync(previous, own, { recursive: true, force: false })
}

function writeApi(root: string, home: string, parts: Parts, authorities: Authorities): void {
  installAddon(parts.addon, path.join(home, 'node_modules'))
  const { folder } = EMBEDDER_WEIGHTS
  cpSync(path.join(parts.weights, folder), path.join(home, 'models', folder), { recursive: true })
  writeFileSync(path.join(root, DATABASE_CA_FILE), authorities.pem)
}

function copyModules(modules: string, home: string, tier: Tier): void {
  const lock = parseLock(readFileSync(path.join(REPOSITORY, 'package-lock.json'), 'utf8'))
  for (const place of productionPackages(lock, WORKSPACES[tier])) {
    const from = path.join(modules, place)
    // Of another platform, or left out on purpose (trim.ts).
    if (existsSync(from)) cpSync(from, path.join(home, place), { recursive: true, verbatimSymlinks: true })
  }
}

function copySource(place: string, home: string): void {
  const from = path.join(REPOSITORY, place)
  if (!existsSync(from)) return
  cpSync(from, path.join(home, place), { recursive: true, filter: (file) => !NOT_SHIPPED.test(file) })
}
