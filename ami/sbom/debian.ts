// What Debian has put into a root: dpkg's own list, with the hash by which each package was fetched and the licences that
// its copyright file names.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { PackageURL } from 'packageurl-js'
import { SUITE } from '../recipe/debian.ts'
import type { Component } from './component.ts'

interface Installed {
  readonly name: string
  readonly version: string
  readonly architecture: string
  readonly source: { readonly name: string; readonly version: string }
}
/** A package as it was locked before the root was made. */
export interface Fetched {
  readonly name: string
  readonly version: string
  /** Of the .deb, in hex. */
  readonly sha256: string
}

/** @throws Error when the list and what was locked differ: the SBOM would be of another root */
export function debianComponents(root: string, locked: readonly Fetched[]): Component[] {
  const hashes = new Map(locked.map(({ name, version, sha256 }) => [`${name}=${version}`, sha256]))
  const status = readFileSync(path.join(root, 'var/lib/dpkg/status'), 'utf8')
  const version = readFileSync(path.join(root, 'etc/debian_version'), 'utf8').trim()
  return parseStatus(status).map((one) => {
    const sha256 = hashes.get(`${one.name}=${one.version}`)
    if (sha256 === undefined) throw new Error(`${one.name} ${one.version} is in the root and was not locked`)
    const qualifiers = { arch: one.architecture, distro: `debian-${version}` }
    const purl = new PackageURL('deb', 'debian', one.name, one.version, qualifiers, undefined).toString()
    const licences = licencesOf(root, one.name)
    return {
      type: 'library',
      'bom-ref': purl,
      name: one.name,
      version: one.version,
      ...(licences.length > 0 && { licenses: licences.map((name) => ({ license: { name } })) }),
      hashes: [{ alg: 'SHA-256', content: sha256 }],
      purl,
      properties: [
        { name: 'debian:source', value: one.source.name },
        { name: 'debian:source-version', value: one.source.version },
        { name: 'debian:suite', value: SUITE },
      ],
    }
  })
}

/** Packages of dpkg's status that are installed. */
export function parseStatus(text: string): Installed[] {
  return text
    .split(/\n\n+/)
    .map((paragraph) => new Map([...paragraph.matchAll(/^([A-Z][\w-]*): (.*)$/gm)].map(([, a, b]) => [a, b])))
    .filter((fields) => fields.get('Status')?.endsWith(' ok installed'))
    .map((fields) => {
      const [name = '', version = ''] = [fields.get('Package'), fields.get('Version')]
      // `Source: glibc (2.41-12)` where the source has another version than the package.
      const [, source = name, of = version] = /^(\S+)(?: \((.+)\))?$/.exec(fields.get('Source') ?? '') ?? []
      const architecture = fields.get('Architecture') ?? ''
      return { name, version, architecture, source: { name: source, version: of } }
    })
}

/** As the files name them: Debian's short names, which are not always those of SPDX. */
function licencesOf(root: string, name: string): string[] {
  const file = path.join(root, 'usr/share/doc', name, 'copyright')
  if (!existsSync(file)) return []
  const text = readFileSync(file, 'utf8')
  if (!/^Format: .*copyright-format/m.test(text)) return ['see /usr/share/doc/*/copyright']
  const names = [...text.matchAll(/^License: *(\S.*)$/gm)].map(([, one = '']) => one.trim())
  return [...new Set(names)].sort()
}
