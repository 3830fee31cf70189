// The raw disks in virtual machines, each beside the other tier in a container: firmware, kernel, first boot on a greater
// volume, metadata at their address, and the server.
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { PORTS } from '../../contract/ports.ts'
import { createOwner } from '../../e2e/harness/people.ts'
import type { Tier } from '../recipe/debian.ts'
import { ask, cited, readManual } from './boot-test/answer.ts'
import type { Server } from './boot-test/cloud.ts'
import { type Installation, startInstallation } from './boot-test/installation.ts'
import { ASK } from './boot-test/probes.ts'
import { makeDisk } from './disk.ts'
import { IMAGES } from './host.ts'
import { bootMachine, type Machine } from './qemu.ts'

/** Says on the console what can't be asked from outside. `command`: one more of SCRIPT's. */
const REPORT = (tier: Tier, command: string) => `[Unit]
After=terrace-${tier}.service terrace-in-service.service
[Service]
Type=oneshot
StandardOutput=tty
TTYPath=/dev/ttyS0
LoadCredential=test.ask
LoadCredential=test.report
Environment=UNIT=terrace-${tier}.service
ExecStart=/bin/sh -c '. %d/test.report; ${command}; echo REPORT end'
`
/** `inside` asks from the server's own control group, which its unit's limits are of. */
const SCRIPT = `echo
echo "REPORT root $(stat -f -c %b:%S /)"
echo "REPORT app $(findmnt -no FSTYPE,OPTIONS /opt/terrace)"
echo "REPORT failed $(systemctl list-units --failed --plain --no-legend)"
echo "REPORT memory $(systemctl show --value -p MemoryMax $UNIT)"
ask() { /opt/terrace/node/bin/node $CREDENTIALS_DIRECTORY/test.ask; }
echo "REPORT outside $(ask)"
echo "REPORT inside $(sh -c 'echo $$ > /sys/fs/cgroup/system.slice/$UNIT/cgroup.procs; exec /opt/terrace/node/bin/node $CREDENTIALS_DIRECTORY/test.ask')"
sandbox() {
  until journalctl -u terrace-ingest | grep -q sandbox; do sleep 1; done
  echo "REPORT sandbox $(journalctl -o cat -u terrace-ingest | grep -o "permissions[a-z, ]*" | tail -1)"
}
`

let terrace: Installation
beforeAll(async () => {
  terrace = await startInstallation((line) => console.log(line))
})
afterAll(async () => terrace?.[Symbol.asyncDispose]())

async function ready(machine: Machine, url: string): Promise<void> {
  // Emulated, beside other work, it may take minutes; the limit ends what hangs.
  for (let waited = 0; waited < 900 && machine.running(); waited += 1) {
    const response = await fetch(url, { signal: AbortSignal.timeout(5_000) }).catch(() => null)
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

interface Virtual {
  readonly machine: Machine
  readonly server: Server
  /** Says how long it has been since it was switched on. */
  tell(what: string): void
}

async function boot(tier: Tier, command: string): Promise<Virtual & AsyncDisposable> {
  const disk = await makeDisk(terrace.roots[tier].dir, path.join(IMAGES, `disks/boot-test-${tier}.raw`))
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20)
  console.log(`${tier}.raw: ${mib(disk.bytes)} MiB, allocated ${mib(disk.allocatedBytes)}`)
  const launched = terrace.launch(tier)
  const machine = await bootMachine(disk.file, {
    volumeGiB: 3,
    ports: [PORTS[tier]],
    metadata: launched.metadata,
    credentials: () => ({
      'systemd.extra-unit.terrace-test-report.service': REPORT(tier, command),
      'systemd.unit-dropin.multi-user.target': '[Unit]\nWants=terrace-test-report.service\n',
      'test.ask': ASK,
      'test.report': SCRIPT,
    }),
  })
  const began = Date.now()
  return {
    ...{ machine, server: launched.server() },
    tell: (what) =>
      console.log(
        `${tier}: ${what} after ${(Date.now() - began) / 1000} s; ${machine.cpuSeconds()} s of processor`,
      ),
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  }
}

async function booted({ machine, server }: Virtual): Promise<Map<string, string>> {
  await vi.waitFor(() => expect(server.state()).toBe('InService'), { timeout: 300_000, interval: 500 })
  const report = await reported(machine)
  const [blocks = 0, size = 0] = (report.get('root') ?? '').split(':').map(Number)
  expect(blocks * size).toBeGreaterThan(2 * 2 ** 30)
  expect(report.get('app')).toMatch(/^erofs +ro,/)
  expect(report.get('failed')).toBe('')
  expect(Number(report.get('memory'))).toBeGreaterThan(0)
  expect(report.get('outside')).toBe('answer 200')
  return report
}

test('the web disk boots by UEFI on a volume greater than itself, and serves the page over an API', async () => {
  await using web = await boot('web', 'true')
  const url = `http://${web.machine.address}:${PORTS.web}`
  await ready(web.machine, `${url}/readyz`)
  web.tell('ready')
  const page = await fetch(`${url}/sign-in`)
  expect(page.status).toBe(200)
  expect(await page.text()).toMatch(/<title[^>]*>[^<]*Terrace<\/title>/)
  const report = await booted(web)
  // Whatever a page makes its server ask for, it is not the machine's credentials.
  expect(report.get('inside')).toBe('no answer')
})

test('the API’s disk boots, gets ready, and answers a question over a document that it reads, with a citation', async () => {
  const owner = await createOwner(terrace)
  // What is read and answered from here on, the virtual machine does.
  await terrace.api.stop()
  await using api = await boot('api', 'sandbox')
  await ready(api.machine, `http://${api.machine.address}:${PORTS.api}/readyz`)
  api.tell('ready')
  terrace.useApi(api.machine.address)
  const collection = await readManual(owner, 300_000)
  const { chat } = await ask(owner, collection)
  await cited(owner, chat, 300_000)
  api.tell('answer with a citation')
  const report = await booted(api)
  expect(report.get('inside')).toBe('answer 200')
  expect(report.get('sandbox')).toBe('permissions, network')
})
