// The raw disk of the API image in a virtual machine: firmware, kernel, first boot on a greater volume, the server.
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { PORTS } from '../../contract/ports.ts'
import { forward } from './boot-test/forward.ts'
import { apiEnvironment, configureByCredentials, makeDatabase } from './boot-test/installation.ts'
import { makeDisk } from './disk.ts'
import { IMAGES } from './host.ts'
import { imageRoot } from './image-root.ts'
import { bootMachine, type Machine } from './qemu.ts'

/** Says on the console what can't be asked from outside. */
const REPORT = `[Unit]
After=terrace-api.service
[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c 'until journalctl -u terrace-ingest | grep -q sandbox; do sleep 1; done; echo; echo "REPORT root $(stat -f -c %%b:%%S /)"; echo "REPORT app $(findmnt -no FSTYPE,OPTIONS /opt/terrace)"; echo "REPORT failed $(systemctl list-units --failed --plain --no-legend)"; echo "REPORT sandbox $(journalctl -o cat -u terrace-ingest | grep -o "permissions[a-z, ]*" | tail -1)"; echo "REPORT memory $(systemctl show --value -p MemoryMax terrace-api)"; echo REPORT end'
`

async function ready(machine: Machine): Promise<void> {
  // Emulated, beside other work, it may take minutes; the limit ends what hangs.
  for (let waited = 0; waited < 900 && machine.running(); waited += 1) {
    const response = await fetch(`http://${machine.address}:${PORTS.api}/readyz`, {
      signal: AbortSignal.timeout(5_000),
    }).catch(() => null)
    await response?.body?.cancel()
    if (response?.status === 200) return
    await sleep(1_000)
  }
  throw new Error(
    `the machine did not become ready. The end of its console:\n${machine.console().slice(-6_000)}`,
  )
}

async function reported(machine: Machine): Promise<Map<string, string>> {
  while (!/^REPORT end/m.test(machine.console()) && machine.running()) await sleep(500)
  const lines = machine.console().matchAll(/^REPORT (\w+) ?(.*)$/gm)
  return new Map([...lines].map(([, name = '', text = '']) => [name, text.trim()]))
}

test('the disk boots by UEFI on a volume greater than itself, and the API gets ready', async () => {
  const { dir } = await imageRoot('api', { release: 'boot-test', madeAt: '2026-01-01T00:00:00Z' })
  const disk = await makeDisk(dir, path.join(IMAGES, 'disks/boot-test-api.raw'))
  console.log(
    `disk: ${Math.round(disk.bytes / 2 ** 20)} MiB, allocated ${Math.round(disk.allocatedBytes / 2 ** 20)}`,
  )
  await using stack = new AsyncDisposableStack()
  const database = await makeDatabase(stack)
  const toDatabase = stack.use(await forward('0.0.0.0'))
  toDatabase.to('127.0.0.1', database.port)
  const machine = stack.use(
    await bootMachine(disk.file, {
      volumeGiB: 3,
      ports: [PORTS.api],
      credentials: (host) => ({
        ...configureByCredentials(
          apiEnvironment({
            url: 'http://localhost:3000',
            setupToken: randomBytes(16).toString('hex'),
            databaseUrl: `postgresql://postgres:test@${host}:${toDatabase.port}/terrace`,
          }),
        ),
        'systemd.extra-unit.terrace-test-report.service': REPORT,
        'systemd.unit-dropin.multi-user.target': '[Unit]\nWants=terrace-test-report.service\n',
      }),
    }),
  )
  const began = Date.now()
  await ready(machine)
  console.log(`ready after ${(Date.now() - began) / 1000} s; ${machine.cpuSeconds()} s of processor`)
  const report = await reported(machine)
  const [blocks = 0, size = 0] = (report.get('root') ?? '').split(':').map(Number)
  expect(blocks * size).toBeGreaterThan(2 * 2 ** 30)
  expect(report.get('app')).toMatch(/^erofs +ro,/)
  expect(report.get('failed')).toBe('')
  expect(report.get('sandbox')).toBe('permissions, network')
  expect(Number(report.get('memory'))).toBeGreaterThan(0)
})
