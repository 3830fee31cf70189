import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { selfSigned } from '../../test/certificate.ts'
import { parseConfig } from '../config.ts'
import { parseDatabase } from './settings.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'terrace-settings-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const ca = selfSigned('localhost').cert
const IAM = {
  DATABASE_AUTH: 'iam',
  DATABASE_URL: 'postgresql://terrace_app@db.example.org:5432/terrace',
  DATABASE_CA: ca,
  AWS_REGION: 'eu-central-1',
}

test('sign-in by IAM needs an authority for TLS and a region; a password needs neither', () => {
  expect(parseDatabase(IAM)).toEqual({
    databaseCa: ca,
    databaseAuth: { kind: 'iam', region: 'eu-central-1' },
  })
  expect(() => parseDatabase({ ...IAM, DATABASE_CA: undefined })).toThrow(/DATABASE_CA: needed/)
  expect(() => parseDatabase({ ...IAM, AWS_REGION: undefined })).toThrow(/AWS_REGION: needed/)
  expect(parseDatabase({ DATABASE_URL: 'postgresql://a:b@c/d' })).toEqual({
    databaseCa: undefined,
    databaseAuth: { kind: 'password' },
  })
})

test('a server that may change no tables is not told to migrate', () => {
  const server = { ...IAM, STORAGE: 'file:/unused', AUTH_SECRET: 'x'.repeat(32) }
  const start = (more: Record<string, string>) => () => parseConfig({ ...server, ...more })
  expect(start({ MIGRATE_AT_START: '0' })).not.toThrow()
  expect(start({ MIGRATE_AT_START: '1' })).toThrow(
    'MIGRATE_AT_START: not with DATABASE_AUTH=iam: that role may change no tables; migrate as their owner, with its password',
  )
  const byPassword = { MIGRATE_AT_START: '1', DATABASE_AUTH: 'password' }
  expect(start(byPassword)().migrateAtStart).toBe(true)
})

test.each([
  ['a password', 'postgresql://terrace_app:sesame@db.example.org/terrace'],
  ['no role', 'postgresql://db.example.org/terrace'],
  ['no host', 'postgresql:///terrace'],
  ['no database', 'postgresql://terrace_app@db.example.org'],
  ['no address', 'terrace'],
])(
  '%s in an address is refused with IAM, of the primary and of the replica, without quoting it',
  (_, address) => {
    for (const name of ['DATABASE_URL', 'DATABASE_REPLICA_URL']) {
      const parse = () => parseDatabase({ ...IAM, [name]: address })
      expect(parse).toThrow(new RegExp(`${name}: with DATABASE_AUTH=iam`))
      expect(parse).not.toThrow(/sesame/)
    }
  },
)

test('an authority may stand in a file; one that has none, or is not there, is said', () => {
  const file = path.join(folder, 'ca.pem')
  writeFileSync(file, `# a region's bundle\n${ca}`)
  expect(parseDatabase({ ...IAM, DATABASE_CA: file }).databaseCa).toContain(ca)
  writeFileSync(path.join(folder, 'empty.pem'), '')
  const parse = (value: string) => () => parseDatabase({ ...IAM, DATABASE_CA: value })
  expect(parse(path.join(folder, 'empty.pem'))).toThrow(/DATABASE_CA: .*the file has no certificate/)
  expect(parse(path.join(folder, 'none.pem'))).toThrow(/DATABASE_CA: .*ENOENT/)
})
