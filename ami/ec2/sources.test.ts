// The checkout as it is sent: read back by the tar that an instance has.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readCheckout } from '../bake/checkout.ts'
import { packSources } from './sources.ts'
import { tarOf } from './tar.ts'

const LONG = `api/src/${'folder/'.repeat(20)}${'n'.repeat(90)}.ts`
let folder: string
let root: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-sources-'))
  root = path.join(folder, 'checkout')
  write('package.json', '{"version":"0.1.0"}')
  write('.gitignore', 'secret\n')
  write('docs/page.md', 'ä page')
  write('local/run.mjs', 'run')
  write(LONG, 'long')
  write('secret', 'not known to git')
  chmodSync(path.join(root, 'local/run.mjs'), 0o755)
  symlinkSync('../package.json', path.join(root, 'docs/link'))
  git('init', '--quiet')
  git('add', '--all')
  git(
    '-c',
    'user.name=test',
    '-c',
    'user.email=test@example.com',
    'commit',
    '--quiet',
    '--no-gpg-sign',
    '-m',
    'x',
  )
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
  writeFileSync(path.join(root, name), text)
}
const git = (...args: string[]) => execFileSync('git', ['-C', root, ...args])
const pack = async () => packSources(root, await readCheckout(root))
function unpack(bytes: Buffer): string {
  const there = mkdtempSync(path.join(folder, 'there-'))
  execFileSync('tar', ['--extract', '--gzip', '--directory', there], { input: bytes })
  return there
}

test('all that git knows is there as it is here, and nothing else', async () => {
  const there = unpack((await pack()).bytes)
  expect(readFileSync(path.join(there, LONG), 'utf8')).toBe('long')
  expect(readFileSync(path.join(there, 'docs/page.md'), 'utf8')).toBe('ä page')
  expect(statSync(path.join(there, 'local/run.mjs')).mode & 0o777).toBe(0o755)
  expect(statSync(path.join(there, 'package.json')).mode & 0o111).toBe(0)
  expect(readlinkSync(path.join(there, 'docs/link'))).toBe('../package.json')
  expect(lstatSync(path.join(there, 'secret'), { throwIfNoEntry: false })).toBeUndefined()
})

test('the same files are the same bytes, whenever they were written', async () => {
  const first = await pack()
  utimesSync(path.join(root, 'package.json'), new Date(0), new Date(0))
  expect((await pack()).sha256).toBe(first.sha256)
  write('docs/page.md', 'another')
  expect((await pack()).sha256).not.toBe(first.sha256)
})

test('a new file goes along when images are made of it; one that was removed does not', async () => {
  write('api/src/new.ts', 'new')
  write('notes.txt', 'somebody’s own')
  rmSync(path.join(root, 'docs/page.md'))
  const there = unpack((await pack()).bytes)
  expect(readFileSync(path.join(there, 'api/src/new.ts'), 'utf8')).toBe('new')
  for (const gone of ['notes.txt', 'docs/page.md'])
    expect(lstatSync(path.join(there, gone), { throwIfNoEntry: false }), gone).toBeUndefined()
})

test.each([
  ['a file that is another by now', () => write('package.json', '{"version":"0.2.0"}')],
  ['a file that is gone by now', () => rmSync(path.join(root, 'package.json'))],
  ['a file that can be run by now', () => chmodSync(path.join(root, 'package.json'), 0o755)],
])('%s is said: images are named by what was read', async (_what, change) => {
  const checkout = await readCheckout(root)
  change()
  await expect(packSources(root, checkout)).rejects.toThrow(
    'The checkout changed while it was read: package.json',
  )
})

test('a name that no archive can have is said', () => {
  expect(() => tarOf([{ name: 'n'.repeat(120), content: Buffer.alloc(0) }])).toThrow(
    'too long for an archive',
  )
})
