// An image that somebody else has made, to start instances from; and what runs on those that test their own.
import type { StandIn } from '../../aws/stand-in/stand-in.ts'
import { BOOT_REPORT, type BootReport, type BootTestData } from '../../contract/boot-test.ts'

export function placeImage({ compute: { images, snapshots } }: StandIn, id: string): void {
  const snapshot = snapshots.begin({
    volumeSize: 8,
    encrypted: false,
    key: undefined,
    description: '',
    tags: new Map(),
  })
  images.all.set(id, {
    id,
    name: 'debian',
    description: '',
    snapshot: snapshot.id,
    volumeSize: 8,
    architecture: 'x86_64',
    virtualization: 'hvm',
    bootMode: 'uefi',
    imds: 'v2.0',
    ena: true,
    rootDevice: '/dev/xvda',
    tags: new Map(),
    madeAt: new Date(0),
    state: 'available',
    reason: undefined,
    deprecatedAt: undefined,
  })
}

/**
 * Every machine that is told to test its image does so, a minute after it runs, and turns itself off.
 * @param change of what it says
 */
export function imagesTestThemselves(
  { clock, compute: { instances } }: StandIn,
  change: (report: BootReport) => Partial<BootReport> = () => ({}),
): void {
  instances.program = (id) =>
    clock.after(60_000, () => {
      const { bootTest }: BootTestData = JSON.parse(instances.all.get(id)?.userData ?? '')
      const { tier, release, checks: passed } = bootTest
      const processor = 'Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz'
      const report: BootReport = {
        ...{ id: bootTest.id, instance: id, tier, release, passed, findings: [], processor, seconds: 31.5 },
      }
      const line = `${BOOT_REPORT} ${JSON.stringify({ ...report, ...change(report) })}`
      instances.says(id, `[    0.000000] Linux version\r\n[   31.5] node[400]: ${line}\r\n`)
      instances.powerOff(id)
    })
}
