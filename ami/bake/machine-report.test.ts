import { expect, test } from 'vitest'
import { EmulatorsFault, findingsOf, isEmulatorsFault, onceMore } from './machine-report.ts'

const SAID = [
  'kernel: [    1.0] hello',
  `REPORT root ${(2.5 * 2 ** 30) / 4096}:4096`,
  'REPORT app erofs ro,nosuid,nodev,relatime',
  'REPORT failed ',
  'REPORT memory 1073741824',
  'REPORT sandbox permissions, network',
  'REPORT end',
]
const of = (name: string, text: string) =>
  findingsOf(SAID.map((line) => (line.startsWith(`REPORT ${name}`) ? text : line)).join('\n'), 'api', 3)

test('a machine that is as it has to be', () => {
  expect(findingsOf(SAID.join('\n'), 'api', 3)).toEqual([])
  expect(findingsOf(SAID.filter((line) => !line.includes('sandbox')).join('\n'), 'web', 3)).toEqual([])
})

test.each([
  ['end', '', 'did not say'],
  ['root', 'REPORT root 1000:4096', 'has not grown'],
  ['app', 'REPORT app ext4 rw', 'not on its read-only partition: ext4 rw'],
  ['failed', 'REPORT failed chrony.service', 'chrony.service has failed'],
  ['memory', 'REPORT memory infinity', 'no memory limit'],
  ['sandbox', 'REPORT sandbox permissions', 'parsers are not locked in: permissions'],
])('what is wrong with %s is said', (name, text, why) => {
  expect(of(name, text)).toEqual([expect.stringContaining(why)])
})

test('a trap that nobody set is the emulator’s fault, any other end of a kernel the image’s', () => {
  const end = '[ 3.479] Kernel panic - not syncing: Fatal exception in interrupt'
  expect(isEmulatorsFault(`[ 3.435] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[ 3.436] CPU: 1\n${end}`)).toBe(
    true,
  )
  expect(isEmulatorsFault(`[ 3.435] Oops: general protection fault: 0000 [#1]\n${end}`)).toBe(false)
  expect(isEmulatorsFault('[ 2.1] Kernel panic - not syncing: VFS: Unable to mount root fs')).toBe(false)
  expect(isEmulatorsFault('[ 3.435] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI')).toBe(false)
})

test('a boot is tried once more for that alone, and no second time', async () => {
  const told: string[] = []
  const boots = (...ends: (Error | string)[]) => {
    const boot = async () => {
      const end = ends.shift()
      if (end instanceof Error) throw end
      return end
    }
    return onceMore(boot, () => told.push('once more'))
  }
  const fault = () => new EmulatorsFault(new Error('its machine ended'))
  expect(await boots('ready')).toBe('ready')
  await expect(boots(new Error('terrace-api does not start'), 'ready')).rejects.toThrow('does not start')
  expect(told).toEqual([])
  expect(await boots(fault(), 'ready')).toBe('ready')
  await expect(boots(fault(), fault(), 'ready')).rejects.toThrow('its machine ended')
  await expect(boots(fault(), new Error('not ready'), 'ready')).rejects.toThrow('not ready')
  expect(told).toHaveLength(3)
})
