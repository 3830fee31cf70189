// Both images as they test themselves: in containers, with launch data of a boot test and nothing else in the world but
// metadata. What a container does not have, a disk and a clock, is a virtual machine's part (disk.image.test.ts).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { BOOT_CHECKS, BOOT_REPORT, type BootReport, type BootTestData } from '../../contract/boot-test.ts'
import type { Tier } from '../recipe/debian.ts'
import { exposure, property } from './boot-test/probes.ts'
import { type ImageRoot, imageRoot } from './image-root.ts'
import { bootContainer, type Container } from './nspawn.ts'

const RELEASE = 'boot-test'
const ID = 'i-0123456789abcdef0'
const NO_DISK = ['disk', 'clock']

let folder: string
let roots: Readonly<Record<Tier, ImageRoot>>
beforeAll(async () => {
  const facts = { release: RELEASE, madeAt: '2026-01-01T00:00:00Z' }
  roots = { api: await imageRoot('api', facts), web: await imageRoot('web', facts) }
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-self-check-'))
})
afterAll(() => {
  if (folder !== undefined) rmSync(folder, { recursive: true })
})

const checksOf = (tier: Tier) => BOOT_CHECKS[tier].filter((name) => !NO_DISK.includes(name))

function boot(tier: Tier, told: Partial<BootTestData['bootTest']>, binds = {}): Promise<Container> {
  const bootTest = { tier, release: RELEASE, id: 'test 1', volumeGiB: 3, checks: checksOf(tier), ...told }
  const metadata = path.join(folder, `${tier}-${Math.random()}.json`)
  writeFileSync(metadata, JSON.stringify({ id: ID, userData: JSON.stringify({ bootTest }) }))
  return bootContainer(roots[tier].dir, { metadata: async () => metadata, binds })
}

/** What it says of itself, once it has turned itself off. */
async function reportOf(container: Container): Promise<BootReport> {
  await vi.waitFor(() => expect(container.running()).toBe(false), { timeout: 180_000, interval: 100 })
  const lines = [...container.console().matchAll(new RegExp(`${BOOT_REPORT} (\\{.*\\})`, 'g'))]
  expect(lines.length, container.console().slice(-4_000)).toBe(3)
  return JSON.parse(lines[0]?.[1] ?? '')
}

for (const tier of ['api', 'web'] as const)
  test(`${tier}: the image says that all is well with it, and turns the machine off`, async () => {
    await using container = await boot(tier, {})
    expect(await reportOf(container)).toMatchObject({
      ...{ id: 'test 1', instance: ID, tier, release: RELEASE },
      ...{ passed: checksOf(tier), findings: [] },
    })
    expect(container.console()).toMatch(/systemd-shutdown|Powering off|Reached target.*[Pp]ower.?[Oo]ff/)
  })

test('the test’s own units have no more rights than servers', async () => {
  // It is not told to test anything else than the clock, which a container has not: time to look at it.
  await using container = await boot('api', { checks: ['clock'] })
  await vi.waitFor(
    async () =>
      expect(await property(container, 'terrace-boot-test.service', 'ActiveState')).toBe('activating'),
    { timeout: 60_000, interval: 100 },
  )
  expect(await exposure(container, 'terrace-self-check.service')).toBeLessThanOrEqual(2.1)
  expect(await exposure(container, 'terrace-boot-test.service')).toBeLessThanOrEqual(2.6)
  for (const unit of ['terrace-api', 'terrace-ingest', 'terrace-in-service'])
    expect(await property(container, `${unit}.service`, 'ActiveState'), unit).toBe('inactive')
  expect((await reportOf(container)).findings).toEqual([expect.stringContaining('its clock follows nobody')])
})

test('an image of another tier and release than was meant says what it is', async () => {
  await using container = await boot('web', {
    tier: 'api',
    release: 'other',
    checks: ['image', 'page', 'units'],
  })
  expect(await reportOf(container)).toMatchObject({
    ...{ tier: 'web', release: RELEASE, passed: ['page', 'units'] },
    findings: [
      'its tier is web, and api was meant to be tested',
      `its release is ${RELEASE}, and other was meant to be tested`,
    ],
  })
})

test('weights that are missing, and an addon that is damaged, are found', async () => {
  const nothing = path.join(folder, 'nothing')
  mkdirSync(nothing)
  await using weightless = await boot('api', {}, { [nothing]: '/opt/terrace/models' })
  const { passed, findings } = await reportOf(weightless)
  expect(passed).toEqual(['image', 'units'])
  expect(findings).toEqual([expect.stringMatching(/^the weights of .* are missing: \/opt\/terrace\/models/)])
  const addon = path.join(folder, 'faiss-node.node')
  writeFileSync(addon, 'no addon')
  const place = '/opt/terrace/node_modules/faiss-node/build/Release/faiss-node.node'
  await using damaged = await boot('api', {}, { [addon]: place })
  expect((await reportOf(damaged)).findings).toEqual(['FAISS’s addon can not be loaded'])
})

test('a check that is killed, as by an instruction that the processor does not have, is said with its unit’s end', async () => {
  const program = path.join(folder, 'process.ts')
  writeFileSync(program, "process.stderr.write('about to fail\\n'); process.kill(process.pid, 'SIGILL')\n")
  await using container = await boot('api', {}, { [program]: '/opt/terrace/api/src/self-check/process.ts' })
  expect((await reportOf(container)).findings).toEqual([
    'the API’s own check has ended without a result (signal, 4)',
    'terrace-self-check.service has failed',
  ])
  expect(container.console()).toContain('about to fail')
})

test('a page that does not come is said, with the end of its server’s journal', async () => {
  const server = path.join(folder, 'server.js')
  writeFileSync(server, "throw new Error('a build that does not start')\n")
  await using container = await boot('web', {}, { [server]: '/opt/terrace/web/server.js' })
  const { findings } = await reportOf(container)
  expect(findings[0]).toBe('terrace-web has ended 3 times')
  expect(container.console()).toContain('a build that does not start')
})
