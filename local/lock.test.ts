import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { holder, tryLock } from './lock.mjs'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

test('one takes it, the next is refused until it is released', () => {
  const file = path.join(folder, 'lock')
  const release = tryLock(file, { url: 'http://x' })
  expect(release).not.toBeNull()
  expect(tryLock(file)).toBeNull()
  expect(holder(file)).toMatchObject({ pid: process.pid, url: 'http://x' })
  release?.()
  expect(holder(file)).toBeNull()
  expect(tryLock(file)).not.toBeNull()
})

test('what a killed process held is free again', async () => {
  const file = path.join(folder, 'lock')
  const module = new URL('lock.mjs', import.meta.url).href
  const script = `const { tryLock } = await import(${JSON.stringify(module)}); tryLock(${JSON.stringify(file)}); console.log('held'); setInterval(() => {}, 1e9)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  expect(tryLock(file)).toBeNull()
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(tryLock(file)).not.toBeNull()
  expect(readdirSync(folder)).toEqual(['lock'])
})

test('a process id that was used again does not hold it', () => {
  const file = path.join(folder, 'lock')
  writeFileSync(file, JSON.stringify({ pid: process.pid, start: '1' }))
  expect(tryLock(file)).not.toBeNull()
})

test('a damaged lock file is no lock', () => {
  const file = path.join(folder, 'lock')
  writeFileSync(file, '')
  expect(tryLock(file)).not.toBeNull()
})

test('of twenty that find a dead lock at once, one gets it', () => {
  const file = path.join(folder, 'lock')
  writeFileSync(file, JSON.stringify({ pid: 999_999_999, start: '1' }))
  const module = new URL('lock.mjs', import.meta.url).href
  const script = `const { tryLock } = await import(${JSON.stringify(module)}); console.log(tryLock(${JSON.stringify(file)}) ? 'mine' : 'no'); setTimeout(() => {}, 4000)`
  const all = spawnSync(
    '/bin/sh',
    ['-c', `for i in $(seq 20); do "$0" --input-type=module -e "$1" & done; wait`, process.execPath, script],
    { encoding: 'utf8' },
  )
  expect(all.stdout.split('\n').filter((line) => line === 'mine')).toHaveLength(1)
})
