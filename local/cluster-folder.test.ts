import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clusterFolder, rememberCluster } from './cluster-folder.ts'
import { readSecrets } from './home.ts'

const PASSWORD = 'a password of the database'
let folder: string
let home: string
let outside: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-cluster-test-'))
  chmodSync(folder, 0o755)
  home = path.join(folder, 'closed', '.terrace')
  outside = path.join(folder, 'outside')
  mkdirSync(home, { recursive: true })
  chmodSync(path.join(folder, 'closed'), 0o700)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const find = () => clusterFolder(home, PASSWORD, outside)
const usual = () => path.join(home, 'postgres')
const open = () => chmodSync(path.join(folder, 'closed'), 0o711)

function make(dataDir: string): void {
  mkdirSync(dataDir, { recursive: true })
  writeFileSync(path.join(dataDir, 'PG_VERSION'), '18\n')
}

// Only root's PostgreSQL runs as somebody else.
describe.skipIf(process.getuid?.() !== 0)('started as root below a closed folder', () => {
  test('the database lies outside, and is found again when the folder was opened', () => {
    const dataDir = find()
    expect(path.dirname(path.dirname(dataDir))).toBe(outside)
    make(dataDir)
    open()
    // As an earlier version left it, without a record; then with one.
    expect(find()).toBe(dataDir)
    rememberCluster(home, dataDir)
    expect(find()).toBe(dataDir)
  })

  test('nothing is there yet: the folder’s rights decide', () => {
    expect(find()).not.toBe(usual())
    open()
    expect(find()).toBe(usual())
  })

  test('a database in the usual place stays there when a folder above is closed', () => {
    make(usual())
    expect(find()).toBe(usual())
  })

  test('an empty folder in the place of the database is not the database', () => {
    const dataDir = find()
    rememberCluster(home, dataDir)
    mkdirSync(dataDir, { recursive: true })
    expect(find).toThrow(/is not there any more/)
  })
})

test('a database outside that has gone is not replaced by an empty one', () => {
  const dataDir = path.join(outside, 'f00', 'postgres')
  make(dataDir)
  rememberCluster(home, dataDir)
  expect(find()).toBe(dataDir)
  renameSync(outside, `${outside}-moved`)
  open()
  expect(find).toThrow(`The database of ${home} was in ${dataDir}, and is not there any more.`)
  // Brought back into the usual place.
  make(usual())
  expect(find()).toBe(usual())
})

test('missing secrets of a database outside are not replaced', () => {
  rememberCluster(home, path.join(outside, 'f00', 'postgres'))
  expect(() => readSecrets(home)).toThrow(/secrets\.json is missing/)
})

test('nothing is written about a database in the usual place', () => {
  rememberCluster(home, usual())
  expect(readSecrets(home).postgresPassword).toHaveLength(32)
})
