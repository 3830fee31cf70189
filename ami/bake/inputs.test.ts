// What makes other images makes another set, and nothing else does.
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ROOT } from '../../local/install.mjs'
import type { LockedPackage } from '../local/package-lock.ts'
import { type Checkout, readCheckout } from './checkout.ts'
import { type DebianLists, inputsOf, withPrevious } from './inputs.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'terrace-checkout-'))
  write('package.json', '{"version":"0.1.0"}')
  write('api/src/main.ts', 'one')
  write('api/src/main.test.ts', 'a test')
  write('infra/fleet.ts', 'no part of an image')
  write('ami/bake/bake.ts', 'no part of it either')
  write('ami/ec2/builder.ts', 'nor this')
  git('init', '--quiet')
  commit('first')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(name: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
  writeFileSync(path.join(root, name), text)
}
const git = (...args: string[]) =>
  execFileSync('git', ['-C', root, '-c', 'user.name=test', '-c', 'user.email=test@example.com', ...args])
function commit(message: string): void {
  git('add', '--all')
  git('commit', '--quiet', '--allow-empty', '--no-gpg-sign', '--message', message)
}

const deb = (name: string, version: string): LockedPackage => ({
  name,
  version,
  architecture: 'amd64',
  sha256: 'a'.repeat(64),
  bytes: 1,
})
const LISTS: DebianLists = {
  images: { api: [deb('chrony', '4.6')], web: [deb('chrony', '4.6')] },
  tools: [deb('g++', '14')],
}
const of = async (lists = LISTS) => inputsOf(await readCheckout(root), lists)

test('another commit of the same files is the same set', async () => {
  const { inputs, release } = await of()
  expect(release).toBe(`0.1.0-${inputs.slice(0, 12)}`)
  commit('nothing')
  write('infra/fleet.ts', 'changed')
  write('ami/bake/bake.ts', 'changed')
  write('ami/ec2/builder.ts', 'changed')
  write('api/src/main.test.ts', 'changed')
  write('notes.txt', 'beside')
  expect(await of()).toEqual(await of())
  expect((await of()).inputs).toBe(inputs)
  expect((await readCheckout(root)).uncommitted).toEqual([])
})

test.each<[string, () => void]>([
  ['a file that servers run', () => write('api/src/main.ts', 'two')],
  ['a file more', () => write('contract/more.ts', '')],
  ['a file less', () => rmSync(path.join(root, 'api/src/main.ts'))],
  ['what can be run', () => chmodSync(path.join(root, 'api/src/main.ts'), 0o755)],
])('%s makes another set', async (_what, change) => {
  const before = await of()
  change()
  commit('changed')
  expect((await of()).inputs).not.toBe(before.inputs)
})

test('another version of a package, or of a tool, makes another set', async () => {
  const before = await of()
  const newer = { ...LISTS, images: { ...LISTS.images, web: [deb('chrony', '4.7')] } }
  const tools = { ...LISTS, tools: [deb('g++', '15')] }
  const all = [before, await of(newer), await of(tools)]
  expect(new Set(all.map(({ inputs }) => inputs)).size).toBe(3)
  expect(new Set(all.map(({ packages }) => packages.sha256)).size).toBe(3)
  expect(JSON.parse(before.packages.text)).toMatchObject({ suite: 'trixie', ...LISTS })
})

test('another set’s static files make another set; none make none', async () => {
  const checkout = await readCheckout(root)
  const base = inputsOf(checkout, LISTS)
  const others = ['a', 'b'].map((digit) => withPrevious(base, checkout, digit.repeat(64)))
  expect(withPrevious(base, checkout, undefined)).toEqual(base)
  expect(new Set([base, ...others].map(({ inputs }) => inputs)).size).toBe(3)
  for (const { inputs, release, packages } of others)
    expect([release, packages]).toEqual([`0.1.0-${inputs.slice(0, 12)}`, base.packages])
})

test('what is not committed is named, and makes a set of its own', async () => {
  const before = await of()
  write('api/src/main.ts', 'two')
  write('web/new.ts', '')
  const { uncommitted }: Checkout = await readCheckout(root)
  expect(uncommitted).toEqual(['api/src/main.ts', 'web/new.ts'])
  const dirty = await of()
  expect(dirty.release).toBe(`0.1.0-${dirty.inputs.slice(0, 12)}-dirty`)
  commit('now it is')
  const clean = await of()
  expect(new Set([before.inputs, dirty.inputs, clean.inputs]).size).toBe(3)
})

describe('this repository', () => {
  /** What a file needs while it runs; types are gone by then. */
  const needs = (name: string) =>
    [
      ...readFileSync(path.join(ROOT, name), 'utf8').matchAll(
        /^(?:import|export)(?! type)[^'"]*? from ['"](\.[^'"]+)['"]|\bimport\(['"](\.[^'"]+)['"]\)/gm,
      ),
    ].map(([, from, later]) => path.join(path.dirname(name), from ?? later ?? ''))
  /** Tests' own files that stand beside what they try. */
  const OF_TESTS =
    /(?:fixtures|cases)\.tsx?$|^ami\/local\/(?:boot-test\/|test-run)|^local\/(?:\w+\/)?test-run/
  /** Is made of the schema, by a tool that the lock file names. */
  const MADE = /\/generated\//

  test('what servers run needs nothing whose change would make no other set', async () => {
    const { files } = await readCheckout(ROOT)
    const sources = Object.keys(files).filter((name) => /\.(?:tsx?|mjs)$/.test(name) && !OF_TESTS.test(name))
    expect(sources.length).toBeGreaterThan(300)
    const outside = sources.flatMap((name) =>
      needs(name)
        .filter(
          (one) => !MADE.test(one) && !['', '.ts', '.tsx'].some((end) => files[one + end] !== undefined),
        )
        .map((one) => `${name} needs ${one}`),
    )
    // Of its own words alone, which say how a file is read.
    expect(outside).toEqual(['ami/agents/pins.ts needs infra/images.ts'])
  })

  test('so do lock file, recipe, agents, migrations, samples and licences', async () => {
    const { files } = await readCheckout(ROOT)
    const tracked = git(
      '-C',
      ROOT,
      '-c',
      `safe.directory=${ROOT}`,
      'ls-files',
      'prisma',
      'docs/samples',
      'contract',
    )
    const wanted = [
      ...['package.json', 'package-lock.json', 'tsconfig.json', 'LICENSE', 'docs/third-party.md'],
      ...['ami/agents/pins.json', 'ami/recipe/tree/etc/systemd/system/terrace-api.service'],
      ...tracked.toString().trim().split('\n'),
    ]
    expect(wanted.length).toBeGreaterThan(30)
    expect(wanted.filter((name) => files[name] === undefined && !/\.test\.ts$/.test(name))).toEqual([])
  })
})

test('a folder that is no checkout is refused in words', async () => {
  rmSync(path.join(root, '.git'), { recursive: true })
  await expect(readCheckout(root)).rejects.toThrow('git does not say what is checked out')
})
