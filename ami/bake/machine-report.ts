// What a machine under test says of itself on its serial console, and what of it is wrong: much can't be asked from outside.
import type { Tier } from '../recipe/debian.ts'

const GIB = 2 ** 30
const UNITS: Readonly<Record<Tier, readonly string[]>> = {
  api: ['terrace-api', 'terrace-ingest'],
  web: ['terrace-web'],
}
/** They ask the metadata of an instance: a virtual machine here has none, and they would ask for ever. */
const OF_EC2 = [
  'terrace-drain.service',
  'terrace-in-service.service',
  'terrace-logs.service',
  'terrace-ssm.service',
] as const

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
echo "REPORT memory $(systemctl show --value -p MemoryMax ${UNITS[tier][0]})"
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
  ...Object.fromEntries(
    OF_EC2.map((unit) => [`systemd.unit-dropin.${unit}`, '[Unit]\nConditionPathExists=/sys/not-on-ec2\n']),
  ),
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
    ...(blocks * size > (volumeGiB - 1) * GIB
      ? []
      : [`its root has not grown over the volume: ${blocks * size} bytes`]),
    ...(/^erofs +ro,/.test(said.get('app') ?? '')
      ? []
      : [`the application is not on its read-only partition: ${said.get('app')}`]),
    ...failed.map((unit) => `${unit} has failed`),
    ...(Number(said.get('memory')) > 0 ? [] : ['its server has no memory limit']),
    ...(tier === 'web' || said.get('sandbox') === 'permissions, network'
      ? []
      : [`its parsers are not locked in: ${said.get('sandbox')}`]),
  ]
}
