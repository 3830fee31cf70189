// What npm has put into a root: every package that lies below the application, and those that the pages' build has
// worked into its own files. Hashes are those that npm has checked (package-lock.json).
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { PackageURL } from 'packageurl-js'
import { type PackageLock, productionPackages } from '../recipe/production-lock.ts'
import { type Component, licence } from './component.ts'

interface Found {
  readonly name: string
  readonly version: string
  readonly licence: string | undefined
  readonly integrity: string | undefined
}

/**
 * @param home the application's folder in the root
 * @param bundled workspaces whose packages are part of files that a build has made
 */
export function npmComponents(home: string, lock: PackageLock, bundled: readonly string[]): Component[] {
  const locked = new Map<string, Found>()
  for (const [place, entry] of Object.entries(lock.packages)) {
    const name = nameAt(place)
    if (name === undefined || entry.version === undefined) continue
    const { version, license, integrity } = entry
    const found = { name, version, licence: text(license), integrity: text(integrity) }
    // Of places that have the same package one is as good as the other.
    locked.set(`${name}@${version}`, found)
  }
  const all = new Map<string, Found>()
  const add = (found: Found) => {
    const key = `${found.name}@${found.version}`
    const known = locked.get(key)
    all.set(key, known === undefined ? found : { ...known, licence: known.licence ?? found.licence })
  }
  for (const found of packagesBelow(home)) add(found)
  if (bundled.length > 0)
    for (const place of productionPackages(lock, bundled)) {
      const [name, version] = [nameAt(place), lock.packages[place]?.version]
      if (name === undefined || version === undefined || isProgram(name)) continue
      add({ name, version, licence: undefined, integrity: undefined })
    }
  return [...all.values()].map(component)
}

const nameAt = (place: string): string | undefined =>
  /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(place)?.[1]

/** Packages of nothing but a program: that is in the image elsewhere, or is another platform's. */
const isProgram = (name: string): boolean =>
  /^node-(?:linux|bin)-|^@(?:img|next)\/.*-(?:linux|darwin|win32|wasm)/.test(name)

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

function packagesBelow(folder: string): Found[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).flatMap((entry) => {
    if (entry.name !== 'package.json' || nameAt(entry.parentPath) === undefined) return []
    const about: unknown = JSON.parse(readFileSync(path.join(entry.parentPath, entry.name), 'utf8'))
    const of = (key: string) => text(Reflect.get(Object(about), key))
    const [name, version] = [of('name'), of('version')]
    if (name === undefined || version === undefined) return []
    return [{ name, version, licence: licenceOf(about), integrity: undefined }]
  })
}

/** As packages have written it since npm began. */
function licenceOf(about: unknown): string | undefined {
  const one: unknown = Reflect.get(Object(about), 'license')
  const many: unknown = Reflect.get(Object(about), 'licenses')
  if (typeof one === 'string') return one
  const types = [one, ...(Array.isArray(many) ? many : [])].flatMap(
    (each) => text(Reflect.get(Object(each), 'type')) ?? [],
  )
  return types.length === 0 ? undefined : types.length === 1 ? types[0] : `(${types.join(' OR ')})`
}

function component({ name, version, licence: said, integrity }: Found): Component {
  const [, group, plain = name] = /^(@[^/]+)\/(.+)$/.exec(name) ?? []
  const purl = new PackageURL('npm', group, plain, version, undefined, undefined).toString()
  const [, algorithm, base64 = ''] = /^(sha512|sha1)-([\w+/=]+)/.exec(integrity ?? '') ?? []
  return {
    type: 'library',
    'bom-ref': purl,
    ...(group !== undefined && { group }),
    name: plain,
    version,
    ...(said !== undefined && { licenses: licence(said) }),
    ...(algorithm !== undefined && {
      hashes: [
        {
          alg: algorithm === 'sha512' ? ('SHA-512' as const) : ('SHA-1' as const),
          content: Buffer.from(base64, 'base64').toString('hex'),
        },
      ],
    }),
    purl,
  }
}
