// Weaknesses: read from what Debian's tracker and npm's registry really look like, on this machine; and what stops an image.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../../local/install.mjs'
import type { Bom } from '../sbom/sbom.ts'
import { debianFindings } from './debian.ts'
import { compareVersions } from './debian-version.ts'
import type { Finding } from './finding.ts'
import { judge, linesOf } from './gate.ts'
import { npmFindings } from './npm.ts'
import { type Scanning, type Sources, scan, sourcesOf } from './scan.ts'
import type { Waiver } from './waivers.ts'

const deb = (name: string, source: string, version: string) => ({
  type: 'library' as const,
  'bom-ref': `pkg:deb/debian/${name}@${version}`,
  name,
  version,
  properties: [
    { name: 'debian:source', value: source },
    { name: 'debian:source-version', value: version },
  ],
})
const BOM: Bom = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  serialNumber: 'urn:uuid:00000000-0000-8000-8000-000000000000',
  version: 1,
  metadata: { component: { type: 'application', 'bom-ref': 'terrace', name: 'terrace', version: '1' } },
  components: [
    deb('libssl3t64', 'openssl', '3.5.1-1'),
    deb('openssl-provider-legacy', 'openssl', '3.5.1-1'),
    deb('linux-image-6.12.57+deb13-cloud-amd64', 'linux-signed-amd64', '6.12.57+1'),
  ],
}

/** As the tracker has it, for releases that are of no interest too. */
const release = (status: string, urgency: string, fixed?: string) => ({
  trixie: {
    status,
    repositories: { trixie: '3.5.1-1', 'trixie-security': '3.5.1-1+deb13u1' },
    ...(fixed !== undefined && { fixed_version: fixed }),
    urgency,
  },
  bookworm: { status: 'resolved', repositories: {}, fixed_version: '99', urgency: 'high' },
})
const TRACKER = {
  openssl: {
    'CVE-2025-9230': {
      scope: 'remote',
      releases: release('resolved', 'not yet assigned', '3.5.1-1+deb13u1'),
    },
    'CVE-2025-0001': { releases: release('resolved', 'high', '3.5.0-2') },
    'CVE-2025-0002': { releases: release('resolved', 'high', '0') },
    'CVE-2025-0003': { releases: release('open', 'high**') },
    'CVE-2025-0004': { releases: release('resolved', 'unimportant', '3.6') },
    'CVE-2025-0005': { releases: release('undetermined', 'not yet assigned') },
    'TEMP-0000000-ABC': { releases: { sid: { status: 'open', repositories: {}, urgency: 'high' } } },
  },
  linux: {
    'CVE-2025-1000': { releases: release('resolved', 'not yet assigned', '6.12.57-1') },
    'CVE-2025-1001': { releases: release('resolved', 'not yet assigned', '6.12.60-1') },
  },
  unrelated: { 'CVE-2025-2000': { releases: release('open', 'high') } },
}

/** @param answer path and body of a question → JSON; undefined: 404 */
async function serve(answer: (place: string, body: string) => unknown) {
  const server = http.createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request.setEncoding('utf8')) body += chunk
    const said = answer(request.url ?? '', body)
    response
      .writeHead(said === undefined ? 404 : 200, { 'content-type': 'application/json' })
      .end(said === undefined ? '{}' : JSON.stringify(said))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('Debian’s versions', () => {
  const PAIRS = [
    ['1.0', '1.0-0'],
    ['1.0~rc1-1', '1.0-1'],
    ['1.0-1', '1.0-1+b1'],
    ['1.0-1~deb13u1', '1.0-1'],
    ['3.5.1-1', '3.5.1-1+deb13u1'],
    ['9.10', '9.9'],
    ['1:0.1', '2.0'],
    ['1.0a', '1.0+'],
    ['1.0.', '1.0a'],
    ['20260101000000000000001-1', '20260101000000000000002-1'],
    ['007', '7'],
    ['1.2-3-4', '1.2-3-5'],
    ['2.41-12+deb13u1', '2.41-12+deb13u1'],
  ] as const
  const sign = (a: string, b: string) => Math.sign(compareVersions(a, b))

  test('are ordered as its policy says', () => {
    const said = PAIRS.map(([a, b]) => sign(a, b))
    expect(said).toEqual([0, -1, -1, -1, -1, 1, 1, -1, 1, -1, 0, -1, 0])
    expect(PAIRS.map(([a, b]) => sign(b, a))).toEqual(said.map((one) => (one === 0 ? 0 : -one)))
  })
  test.runIf(existsSync('/usr/bin/dpkg'))('as dpkg does', () => {
    const holds = (a: string, how: string, b: string) => {
      try {
        execFileSync('dpkg', ['--compare-versions', a, how, b])
        return true
      } catch {
        return false
      }
    }
    for (const [a, b] of PAIRS)
      expect([a, b, sign(a, b)]).toEqual([a, b, holds(a, 'lt', b) ? -1 : holds(a, 'gt', b) ? 1 : 0])
  })
})

test('Debian: what is fixed in a later version, and what nobody has fixed yet; by source, in this suite', () => {
  expect(debianFindings(BOM, TRACKER).map(({ id, severity, fixed }) => [id, severity, fixed])).toEqual([
    ['CVE-2025-9230', 'unknown', '3.5.1-1+deb13u1'],
    ['CVE-2025-0003', 'high', undefined],
    ['CVE-2025-0004', 'low', '3.6'],
    // Of a kernel that is built from a source of its own, where it is signed.
    ['CVE-2025-1001', 'unknown', '6.12.60-1'],
  ])
  expect(() => debianFindings(BOM, { openssl: { 'CVE-1': { releases: { trixie: {} } } } })).toThrow()
})

describe('npm', () => {
  const [zod] = JSON.parse(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages[
    'node_modules/zod'
  ].version.split(' ')
  const advisory = {
    id: 1096410,
    url: 'https://github.com/advisories/GHSA-m95q-7qp3-xv42',
    title: 'for a test',
    severity: 'high',
    vulnerable_versions: '<99.0.0',
    cwe: ['CWE-400'],
    cvss: { score: 7.5, vectorString: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H' },
  }
  const packument = {
    name: 'zod',
    'dist-tags': { latest: '99.0.0' },
    versions: Object.fromEntries(
      [zod, '99.0.0'].map((version) => [
        version,
        { name: 'zod', version, dist: { tarball: '', shasum: '' } },
      ]),
    ),
  }

  test('is asked by its own client, for what is deployed', async () => {
    let asked: unknown
    await using registry = await serve((place, body) => {
      if (place.endsWith('/advisories/bulk')) {
        asked = body
        return { zod: [advisory] }
      }
      return place === '/zod' ? packument : undefined
    })
    expect(await npmFindings(registry.url)).toContainEqual({
      source: 'npm',
      id: 'GHSA-m95q-7qp3-xv42',
      package: 'zod',
      version: zod,
      severity: 'high',
      fixed: '99.0.0',
    })
    expect(asked).toBeDefined()
  })

  test('what no version is free of is said to be without a cure', async () => {
    const endless = { ...advisory, vulnerable_versions: '>=0.0.0' }
    await using registry = await serve((place) =>
      place.endsWith('/advisories/bulk') ? { zod: [endless] } : place === '/zod' ? packument : undefined,
    )
    expect(await npmFindings(registry.url)).toMatchObject([{ package: 'zod', fixed: undefined }])
  })

  test('a registry that does not tell is no registry without weaknesses, and is not named', async () => {
    await using registry = await serve(() => undefined)
    const refused = npmFindings(registry.url)
    await expect(refused).rejects.toThrow()
    await expect(refused).rejects.not.toThrow('127.0.0.1')
  })
})

const NOW = new Date('2026-11-28T12:00:00Z')
const finding = (more: Partial<Finding> = {}): Finding => ({
  source: 'debian',
  id: 'CVE-2025-9230',
  package: 'openssl',
  version: '3.5.1-1',
  severity: 'high',
  fixed: '3.5.1-1+deb13u1',
  ...more,
})
const waiver = (more: Partial<Waiver> = {}): Waiver => ({
  id: 'CVE-2025-9230',
  package: 'openssl',
  reason: 'not reached',
  until: '2026-12-24',
  ...more,
})

describe('the gate', () => {
  test.each<[string, Partial<Finding>, boolean]>([
    ['high', {}, true],
    ['critical', { severity: 'critical' }, true],
    ['of which nobody has said how bad it is', { severity: 'unknown' }, true],
    ['moderate', { severity: 'moderate' }, false],
    ['low', { severity: 'low' }, false],
    ['high, and fixed nowhere', { fixed: undefined }, false],
  ])('what is %s', (_what, more, blocks) => {
    const verdict = judge([finding(more)], [], NOW, true)
    expect([verdict.blocking.length, verdict.others.length]).toEqual(blocks ? [1, 0] : [0, 1])
  })

  test('a waiver lets pass what it names, to the end of its last day', () => {
    const { blocking, waived } = judge([finding()], [waiver()], NOW, true)
    expect([blocking.length, waived.length]).toEqual([0, 1])
    const lastMinute = new Date('2026-12-24T23:59:00Z')
    expect(judge([finding()], [waiver()], lastMinute, true).blocking).toEqual([])
    for (const other of [{ id: 'CVE-1' }, { package: 'curl' }])
      expect(judge([finding()], [waiver(other)], NOW, true).blocking).toHaveLength(1)
  })

  test('one whose time is over blocks again, and is said', () => {
    const verdict = judge([finding()], [waiver()], new Date('2026-12-25T00:00:00Z'), true)
    expect([verdict.blocking.length, verdict.waived.length, verdict.expired.length]).toEqual([1, 0, 1])
    expect(linesOf(verdict).join('\n')).toContain(
      'the waiver of CVE-2025-9230 of openssl was until 2026-12-24',
    )
  })

  test('one for nothing is said, once everybody was asked', () => {
    expect(linesOf(judge([], [waiver()], NOW, true))).toEqual([
      'a waiver is for nothing any more: CVE-2025-9230 of openssl',
    ])
    expect(judge([], [waiver()], NOW, false).idle).toEqual([])
  })

  test.each(['2027-02-27', '2027-01-01T00:00:00Z', 'soon', ''])('one until %j is refused', (until) => {
    expect(() => judge([], [waiver({ until })], NOW, true)).toThrow('at most 90 days away')
  })
  test('90 days are not too many', () => {
    expect(() => judge([], [waiver({ until: '2027-02-26' })], NOW, true)).not.toThrow()
  })
})

describe('before an upload', () => {
  const said: string[] = []
  const sources = (debian: () => Promise<Finding[]>): Sources => ({ debian, npm: async () => [] })
  const run = (more: Partial<Scanning>) =>
    scan({
      ...{ bom: BOM, now: NOW, say: (line) => said.push(line), stops: true, allowUnscanned: undefined },
      ...{ sources: sources(async () => []), waivers: [] },
      ...more,
    })

  test('who was asked stands in the record', async () => {
    expect(await run({})).toEqual({ at: NOW.toISOString(), sources: ['debian', 'npm'], waived: [] })
    const waived = { sources: sources(async () => [finding()]), waivers: [waiver()] }
    expect(await run(waived)).toMatchObject({ waived: ['CVE-2025-9230'] })
  })

  test('what is known and fixed stops it; without an upload it is said', async () => {
    const weak = { sources: sources(async () => [finding()]) }
    await expect(run(weak)).rejects.toThrow(/CVE-2025-9230 \(openssl 3\.5\.1-1\)\. Nothing was sent/)
    // No reason lets pass what is known.
    await expect(run({ ...weak, allowUnscanned: 'because' })).rejects.toThrow('CVE-2025-9230')
    await run({ ...weak, stops: false })
    expect(said.at(-1)).toContain('weakness: CVE-2025-9230')
  })

  test('a source that can’t be asked stops it too, until somebody says why not; that stands in the record', async () => {
    const away = { sources: sources(async () => Promise.reject(new Error('no route to host'))) }
    await expect(run(away)).rejects.toThrow(/debian could not be asked\. Nothing was sent/)
    expect(said.at(-1)).toBe('Debian’s security tracker could not be asked: no route to host')
    expect(await run({ ...away, allowUnscanned: 'closed network' })).toEqual({
      ...{ at: NOW.toISOString(), sources: ['npm'], waived: [] },
      unscanned: 'closed network',
    })
    expect(await run({ ...away, stops: false })).not.toHaveProperty('unscanned')
  })

  test('the tracker is asked where it is said to be, and its answer is read', async () => {
    await using tracker = await serve((place) => (place === '/json' ? TRACKER : undefined))
    const at = (place: string) => sourcesOf({ DEBIAN_SECURITY_TRACKER: `${tracker.url}${place}` })
    expect(await at('/json').debian(BOM)).toHaveLength(4)
    await expect(at('/elsewhere').debian(BOM)).rejects.toThrow('it answers 404')
  })
})
