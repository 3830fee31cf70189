// The API's raw disk as it tests itself on EC2: by UEFI and NVMe on a volume greater than itself, with nothing but metadata.
// A virtual machine has no source of time, so that is what its clock is found to lack, and nothing else.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { BOOT_CHECKS } from '../../contract/boot-test.ts'
import { reportsIn } from '../ec2/boot-test.ts'
import { makeDisk } from './disk.ts'
import { IMAGES } from './host.ts'
import { imageRoot } from './image-root.ts'
import { bootMachine } from './qemu.ts'

const RELEASE = 'boot-test'
const ID = 'i-0123456789abcdef0'
/** Emulated, beside other work, it may take minutes; this ends one that hangs. */
const LONGEST_S = 1_200

test('the disk says on its console how it is, and turns the machine off', async () => {
  const root = await imageRoot('api', { release: RELEASE, madeAt: '2026-01-01T00:00:00Z' })
  const disk = await makeDisk(root.dir, path.join(IMAGES, 'disks/self-check-api.raw'))
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-disk-'))
  try {
    const metadata = path.join(folder, 'metadata.json')
    const bootTest = { tier: 'api', release: RELEASE, id: 'test 1', volumeGiB: 3, checks: BOOT_CHECKS.api }
    writeFileSync(metadata, JSON.stringify({ id: ID, userData: JSON.stringify({ bootTest }) }))
    await using machine = await bootMachine(disk.file, {
      ...{ volumeGiB: 3, ports: [], metadata: async () => metadata },
    })
    for (let waited = 0; waited < LONGEST_S && machine.running(); waited++) await sleep(1_000)
    const [report, ...more] = reportsIn(machine.console())
    console.log(report, `${machine.console().length} letters of console`)
    expect(machine.running(), machine.console().slice(-6_000)).toBe(false)
    expect(report, machine.console().slice(-6_000)).toMatchObject({
      ...{ id: 'test 1', instance: ID, tier: 'api', release: RELEASE },
      passed: BOOT_CHECKS.api.filter((name) => name !== 'clock'),
      findings: [expect.stringMatching(/^its clock follows nobody: \^,\?,169\.254\.169\.123,/)],
    })
    // The kernel may have written into one of three.
    expect(more.length).toBeGreaterThan(0)
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 1_500_000)
