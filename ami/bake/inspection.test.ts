// What a bake looks at, of SBOMs that lie beside its disks.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf, mergeBoms, printBom } from '../sbom/sbom.ts'
import { LICENCE_WAIVERS } from '../sbom/waivers.ts'
import { inspection, sbomBeside } from './inspection.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-inspection-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const part = (name: string, licence: string) => ({
  type: 'library' as const,
  'bom-ref': `pkg:npm/${name}@1`,
  name: name.replace(/^@[^/]+\//, ''),
  ...(name.startsWith('@') && { group: name.split('/')[0] ?? '' }),
  version: '1',
  licenses: [{ license: { name: licence } }],
  purl: `pkg:npm/${name.replace('@', '%40')}@1`,
})
const WAIVED = LICENCE_WAIVERS.map((one) => part(one.package, one.licence))

function disk(tier: 'api' | 'web', ...components: ReturnType<typeof part>[]): string {
  const file = path.join(folder, `${tier}.raw`)
  const bom = mergeBoms({ [tier]: { ...mergeBoms({}, '1'), components } }, '1')
  writeFileSync(sbomBeside(file), printBom(bom))
  return file
}
// Nobody is asked in a test: a name that does not exist, and no npm on the path.
const look = async (disks: Readonly<Record<string, string>>) => {
  const { DEBIAN_SECURITY_TRACKER: tracker, PATH: programs } = process.env
  process.env.DEBIAN_SECURITY_TRACKER = 'http://127.0.0.1:1/'
  process.env.PATH = folder
  try {
    const said: string[] = []
    const found = await inspection.look({
      ...{ disks, release: '1', now: new Date('2026-11-28T12:00:00Z'), say: (line) => said.push(line) },
      ...{ stops: true, allowUnscanned: 'a test' },
    })
    return { ...found, said }
  } finally {
    process.env.PATH = programs
    if (tracker === undefined) delete process.env.DEBIAN_SECURITY_TRACKER
    else process.env.DEBIAN_SECURITY_TRACKER = tracker
  }
}

test('both are one SBOM by its hash; who could not be asked is said, and why they may go without is recorded', async () => {
  const disks = { api: disk('api', part('a', 'MIT'), ...WAIVED), web: disk('web', part('b', 'MIT')) }
  const { sbom, scan, said } = await look(disks)
  expect(digestOf(sbom.text)).toBe(sbom.sha256)
  expect(JSON.parse(sbom.text).components.map((one: { name: string }) => one.name)).toEqual(
    expect.arrayContaining(['a', 'b']),
  )
  expect(scan).toMatchObject({ sources: [], unscanned: 'a test' })
  expect(said).toHaveLength(2)
})

test('what may not be passed on stops it', async () => {
  await expect(look({ api: disk('api', part('a', 'GPL-3.0-only')) })).rejects.toThrow('a 1 (GPL-3.0-only)')
})

test('a disk of which nothing says what is in it is made anew', async () => {
  await expect(look({ web: path.join(folder, 'web.raw') })).rejects.toThrow('nothing says what is in it')
})
