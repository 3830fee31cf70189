import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { lockHome, prepareHome, readSecrets } from './home.ts'
import { explain, Problem } from './problem.ts'
import { readSettings } from './settings.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-home-test-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('secrets are made once, kept, and readable by their owner only', () => {
  const first = readSecrets(folder)
  expect(readSecrets(folder)).toEqual(first)
  expect(statSync(path.join(folder, 'secrets.json')).mode & 0o777).toBe(0o600)
  expect(new Set(Object.values(first)).size).toBe(3)
})

test("damaged secrets are not replaced behind one's back", () => {
  writeFileSync(path.join(folder, 'secrets.json'), '{"authSecret":')
  expect(() => readSecrets(folder)).toThrow(/secrets\.json is damaged/)
  expect(readFileSync(path.join(folder, 'secrets.json'), 'utf8')).toBe('{"authSecret":')
})

test('missing secrets of a database that is there are not replaced either', () => {
  mkdirSync(path.join(folder, 'postgres'))
  writeFileSync(path.join(folder, 'postgres', 'PG_VERSION'), '18\n')
  expect(() => readSecrets(folder)).toThrow(/secrets\.json is missing/)
})

test('a disk with little room is refused before anything is written to it', ({ skip }) => {
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder])
  if (mounted.status !== 0) skip('mounting needs root')
  try {
    expect(() => prepareHome(path.join(folder, 'home'))).toThrow(/Only 6\d MB are free on the disk/)
  } finally {
    spawnSync('umount', [folder])
  }
})

test('a full disk is a sentence wherever it is met', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  expect(explain(full)).toMatch(/^The disk that holds .* is full\.\nMake room/)
})

test('what is wrong is said without a stack, a bug with one', () => {
  expect(explain(new Problem('This is so.', 'Do that.'))).toBe('This is so.\nDo that.')
  expect(explain(new Error('bug'))).toContain('home.test.ts')
})

test('one Terrace a data folder', () => {
  const settings = readSettings({ TERRACE_HOME: folder, PORT: '3123' })
  const release = lockHome(settings)
  expect(() => lockHome(settings)).toThrow(/already runs .*localhost:3123/)
  release()
  lockHome(settings)()
})

test('ports and addresses from the environment', () => {
  expect(readSettings({})).toMatchObject({ webPort: 3000, apiPort: 4000, publicUrl: 'http://localhost:3000' })
  expect(readSettings({ PORT: '8080', PUBLIC_URL: 'https://x.test/' })).toMatchObject({
    webPort: 8080,
    publicUrl: 'https://x.test',
  })
  expect(() => readSettings({ PORT: 'eighty' })).toThrow('PORT=eighty is not a port.')
  expect(() => readSettings({ PORT: '4000' })).toThrow(/can not both use port 4000/)
})
