// How the database is reached, as the environment says it: with whose certificates, and how one signs in.
import { readFileSync } from 'node:fs'

export type DatabaseAuth =
  /** That of DATABASE_URL. */
  | { readonly kind: 'password' }
  /** A token for each connection (database/iam.ts), signed for the region. */
  | { readonly kind: 'iam'; readonly region: string }

export interface DatabaseSettings {
  /** PEM text. */
  readonly databaseCa: string | undefined
  readonly databaseAuth: DatabaseAuth
}

/** What is said of the database, in the terms of the environment. */
export interface DatabaseVariables {
  readonly DATABASE_URL: string
  readonly DATABASE_REPLICA_URL?: string | undefined
  readonly DATABASE_AUTH?: string | undefined
  readonly DATABASE_CA?: string | undefined
  readonly AWS_REGION?: string | undefined
  readonly MIGRATE_AT_START?: boolean | undefined
}

/** @throws Error naming what sign-in by IAM lacks, or an authority that can't be read */
export function parseDatabase(e: DatabaseVariables): DatabaseSettings {
  const databaseCa = e.DATABASE_CA === undefined ? undefined : readAuthority(e.DATABASE_CA)
  if (e.DATABASE_AUTH !== 'iam') return { databaseCa, databaseAuth: { kind: 'password' } }
  const wrong = (reason: string) => new Error(`The environment is not complete:\n  ${reason}`)
  for (const name of ['DATABASE_URL', 'DATABASE_REPLICA_URL'] as const) {
    const value = e[name]
    if (value === undefined) continue
    const url = URL.canParse(value) ? new URL(value) : null
    if (
      url === null ||
      url.hostname === '' ||
      url.username === '' ||
      url.password !== '' ||
      url.pathname.length < 2
    )
      throw wrong(
        `${name}: with DATABASE_AUTH=iam it is postgresql://ROLE@HOST:PORT/DATABASE, all by name and without a password`,
      )
  }
  if (databaseCa === undefined)
    throw wrong('DATABASE_CA: needed with DATABASE_AUTH=iam: a token goes over verified TLS only')
  if (e.AWS_REGION === undefined)
    throw wrong('AWS_REGION: needed with DATABASE_AUTH=iam: the region of the database')
  // It would start as long as nothing is missing, and fail with the next release.
  if (e.MIGRATE_AT_START === true)
    throw wrong(
      'MIGRATE_AT_START: not with DATABASE_AUTH=iam: that role may change no tables; migrate as their owner, with its password',
    )
  return { databaseCa, databaseAuth: { kind: 'iam', region: e.AWS_REGION } }
}

/** PEM text, or the path of a file with it: a region's bundle is too long for some stores of variables. */
function readAuthority(value: string): string {
  const wrong = (reason: string) =>
    new Error(
      `The environment is not complete:\n  DATABASE_CA: must be PEM text or the path of a file with it${reason}`,
    )
  if (value.includes('-----BEGIN CERTIFICATE-----')) return value
  try {
    const text = readFileSync(value, 'utf8')
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
    throw wrong(`; the file can not be read (${code})`)
  }
  throw wrong('; the file has no certificate')
}
