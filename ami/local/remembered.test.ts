import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { remembered } from './remembered.ts'

let folder: string
let asked: number
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-apt-'))
  mkdirSync(path.join(folder, 'lists'))
  asked = 0
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const mirror = (suite: string, says: string) =>
  writeFileSync(path.join(folder, `lists/mirror.example_debian_dists_${suite}_InRelease`), says)
const ask = (...question: string[]) => remembered(folder, question, async () => `answer ${++asked}`)

test('the same question over the same lists is asked once', async () => {
  mirror('trixie', 'one')
  expect(await ask('systemd')).toBe('answer 1')
  expect(await ask('systemd')).toBe('answer 1')
  expect(await ask('systemd', 'chrony')).toBe('answer 2')
})

test.each<[string, () => void]>([
  ['something newer', () => mirror('trixie-security', 'two')],
  ['one list more', () => mirror('trixie-updates', 'one')],
  [
    'one list less',
    () => rmSync(path.join(folder, 'lists/mirror.example_debian_dists_trixie-security_InRelease')),
  ],
])('a mirror that has %s is noticed', async (_what, change) => {
  mirror('trixie', 'one')
  mirror('trixie-security', 'one')
  await ask('systemd')
  change()
  expect(await ask('systemd')).toBe('answer 2')
})

test('what can’t be relied on is not kept: no lists, lists that change meanwhile, half a file, a failure', async () => {
  await ask('systemd')
  expect(await ask('systemd')).toBe('answer 2')
  mirror('trixie', 'one')
  await remembered(folder, ['systemd'], async () => {
    mirror('trixie', 'two')
    return 'of one of them'
  })
  expect(await ask('systemd')).toBe('answer 3')
  for (const name of readdirSync(path.join(folder, 'answers')))
    writeFileSync(path.join(folder, 'answers', name), '{"releases":')
  expect(await ask('systemd')).toBe('answer 4')
  const fails = remembered(folder, ['other'], async () => Promise.reject(new Error('no such package')))
  await expect(fails).rejects.toThrow('no such package')
  expect(await ask('other')).toBe('answer 5')
})
