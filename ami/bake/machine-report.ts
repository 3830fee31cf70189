// What a machine under test says of itself on its serial console, and what of it is wrong: much can't be asked from outside.
import { wrongOfDisk, wrongOfUnits } from '../boot/boot-test/facts.ts'
import type { Tier } from '../recipe/debian.ts'

const UNITS: Readonly<Record<Tier, readonly string[]>> = {
  api: ['terrace-configure', 'terrace-api', 'terrace-ingest', 'terrace-drain', 'terrace-in-service'],
  web: ['terrace-configure', 'terrace-web', 'terrace-drain', 'terrace-in-service'],
}
const SERVER: Readonly<Record<Tier, string>> = { api: 'terrace-api', web: 'terrace-web' }

/** Waits for each unit; says what its journal says when it fails, or was started for the third time. */
const script = (tier: Tier): string => `
for unit in ${UNITS[tier].join(' ')}; do
  until systemctl --quiet is-active $unit; do
    if systemctl --quiet is-failed $unit || test "$(systemctl show --value -p NRestarts $unit)" -ge 2; then
      echo; echo "TROUBLE $unit"; journalctl --no-pager -o cat -n 40 -u $unit; echo "TROUBLE end $unit"; exit 1
    fi
    sleep 1
  done
done
${tier === 'api' ? 'until journalctl -u terrace-ingest | grep -q sandbox; do sleep 1; done' : ''}
echo
echo "REPORT root $(stat -f -c %b:%S /)"
echo "REPORT app $(findmnt -no FSTYPE,OPTIONS /opt/terrace)"
echo "REPORT failed $(systemctl list-units --failed --plain --no-legend | cut -d ' ' -f 1 | tr '\\n' ' ')"
echo "REPORT memory $(systemctl show --value -p MemoryMax ${SERVER[tier]})"
${tier === 'api' ? 'echo "REPORT sandbox $(journalctl -o cat -u terrace-ingest | grep -o "permissions[a-z, ]*" | tail -1)"' : ''}
echo REPORT end
`

/** Credentials of systemd that make a machine report. */
export const REPORTER = (tier: Tier): Readonly<Record<string, string>> => ({
  'systemd.extra-unit.terrace-test-report.service': `[Unit]
Description=What the boot test wants to know
After=terrace-configure.service
[Service]
Type=exec
LoadCredential=test.report
StandardOutput=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh %d/test.report
`,
  'systemd.unit-dropin.multi-user.target': '[Unit]\nWants=terrace-test-report.service\n',
  'test.report': script(tier),
})

/**
 * @param console what the machine wrote
 * @param volumeGiB size of the volume that it was booted on
 * @returns what is wrong, in words
 */
export function findingsOf(console: string, tier: Tier, volumeGiB: number): string[] {
  const lines = [...console.matchAll(/^REPORT (\w+) ?(.*)$/gm)]
  const said = new Map(lines.map(([, name = '', text = '']) => [name, text.trim()]))
  if (!said.has('end')) return ['it did not say how it is']
  const [blocks = 0, size = 0] = (said.get('root') ?? '').split(':').map(Number)
  const failed = (said.get('failed') ?? '').split(' ').filter(Boolean)
  return [
    ...wrongOfDisk({ rootBytes: blocks * size, application: said.get('app') ?? '' }, volumeGiB),
    ...wrongOfUnits({ failedUnits: failed, memoryMax: Number(said.get('memory')) }),
    ...(tier === 'web' || said.get('sandbox') === 'permissions, network'
      ? []
      : [`its parsers are not locked in: ${said.get('sandbox')}`]),
  ]
}

/**
 * QEMU before 8.1 that emulates several processors lets one of them, once in a while, meet an instruction that another one is just
 * changing, as the kernel does while it starts: a trap that nobody has set, and the kernel's end.
 */
export const isEmulatorsFault = (console: string): boolean =>
  /Oops: int3: [\s\S]*Kernel panic - not syncing: Fatal exception/.test(console)

/** A boot that says nothing of the disk. */
export class EmulatorsFault extends Error {
  override readonly name = 'EmulatorsFault'

  /** @param failure of the boot */
  constructor(failure: unknown) {
    super('the emulated processor has failed', { cause: failure })
  }
}

/** @throws the boot's own failure, when it is the disk's, or the emulator's for the second time */
export async function onceMore<T>(boot: () => Promise<T>, tell: () => void): Promise<T> {
  try {
    return await boot()
  } catch (error) {
    if (!(error instanceof EmulatorsFault)) throw error
  }
  tell()
  return boot().catch((error: unknown) => {
    throw error instanceof EmulatorsFault ? error.cause : error
  })
}
