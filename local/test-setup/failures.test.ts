import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ROOT } from '../install.mjs'
import { FAILURES_FILE, readFailures } from './failures.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'terrace-failures-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function runOf(name: string, text: string) {
  const file = path.join(folder, `${name}.test.js`)
  const list = path.join(folder, `${name}.json`)
  writeFileSync(file, text)
  spawnSync(
    process.execPath,
    [
      path.join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      '--globals',
      `--root=${folder}`,
      `--reporter=${path.join(ROOT, 'local/test-setup/failures.ts')}`,
      file,
    ],
    { cwd: folder, env: { ...process.env, [FAILURES_FILE]: list }, timeout: 60_000 },
  )
  return readFailures(list)
}

test('failed tests, suites, files and errors outside of tests are named with their message and place', () => {
  const failures = runOf(
    'some',
    `describe('a suite', () => {
       beforeAll(() => { throw new Error('not set up') })
       test('never runs', () => {})
     })
     test('passes', () => {})
     test('compares', () => { expect({ a: 1 }).toEqual({ a: 2 }) })
     test('ends too early', async () => {
       setTimeout(() => { throw new Error('too late') }, 5)
       await new Promise((go) => setTimeout(go, 50))
     })`,
  )
  expect(
    failures.map(({ test, message }) => [test.replace(/^.*some/, 'some'), message.split('\n')[0]]),
  ).toEqual([
    ['some.test.js > a suite', 'not set up'],
    ['some.test.js > compares', 'expected { a: 1 } to deeply equal { a: 2 }'],
    ['outside of a test', 'too late'],
  ])
  expect(failures[1]?.message).toMatch(/\nat .*some\.test\.js:6:/)
})

test('a file that can not be loaded is named; long messages are cut', () => {
  expect(runOf('broken', `import './nothing.js'`)).toEqual([
    { test: expect.stringMatching(/broken\.test\.js$/), message: expect.stringContaining('./nothing.js') },
  ])
  const [long] = runOf('long', `test('long', () => { throw new Error('x'.repeat(100_000)) })`)
  expect(long?.message.length).toBeLessThan(3000)
})

test('a run that ended before it could say anything has no list', () => {
  expect(readFailures(path.join(folder, 'nothing.json'))).toEqual([])
})
