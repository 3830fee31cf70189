// The units that start the programs, and that the programs find in the image whatever they import.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'

const ROOT = path.resolve(import.meta.dirname, '../..')
const UNITS = path.join(ROOT, 'ami/recipe/tree/etc/systemd/system')
const OURS = ['configure', 'in-service', 'drain', 'handed-back'].map((name) => `terrace-${name}.service`)
const SERVERS = ['terrace-api.service', 'terrace-ingest.service', 'terrace-web.service']
const TESTS = ['terrace-boot-test.service', 'terrace-self-check.service']
/** How a server is started, told, watched and given time, and not what it may do. */
const NOT_OF_THE_SANDBOX =
  /^(?:Description|Documentation|Requires|Wants|WantedBy|After|Condition\w+|StartLimit\w+|Type|NotifyAccess|Environment\w*|Exec\w+|StateDirectory\w*|CacheDirectory\w*|RuntimeDirectory\w*|Restart\w*|Timeout\w+|WatchdogSec|KillMode|StandardError|CPUWeight|IOWeight|Nice)=/
const read = (name: string) => readFileSync(path.join(UNITS, name), 'utf8')
/** All values of a setting. */
const setting = (unit: string, name: string) =>
  [...read(unit).matchAll(new RegExp(`^${name}=(.*)$`, 'gm'))].map(([, value = '']) => value)

describe('the units', () => {
  test('start programs that there are', () => {
    for (const unit of OURS) {
      const [start = ''] = setting(unit, 'ExecStart')
      expect(start).toMatch(/^\/opt\/terrace\/node\/bin\/node \/opt\/terrace\/ami\/boot\/command\.ts /)
      expect(unit).toBe(`terrace-${start.split(' ')[2]}.service`)
    }
  })

  test('have no rights beyond the network', () => {
    for (const unit of OURS) {
      expect(setting(unit, 'DynamicUser')).toEqual(['yes'])
      expect(setting(unit, 'CapabilityBoundingSet')).toEqual([''])
      expect(setting(unit, 'NoNewPrivileges')).toEqual(['yes'])
      expect(setting(unit, 'ProtectSystem')).toEqual(['strict'])
      expect(setting(unit, 'SocketBindDeny')).toEqual(['any'])
      expect(read(unit)).not.toMatch(/^Exec\w+=[+!]/m)
    }
    expect(setting('terrace-drain.service', 'IPAddressDeny')).toEqual(['any'])
    expect(setting('terrace-drain.service', 'IPAddressAllow')).toEqual(['169.254.169.254'])
  })

  test('who speaks to AWS has a home, without which the SDK fails, and no metadata without a token', () => {
    for (const unit of OURS.filter((name) => name !== 'terrace-drain.service')) {
      expect(setting(unit, 'Environment').join(' ')).toContain('HOME=/nonexistent')
      expect(setting(unit, 'Environment').join(' ')).toContain('AWS_EC2_METADATA_V1_DISABLED=true')
    }
  })

  test('the environment is there before the servers, in memory, and outlives its program', () => {
    const unit = 'terrace-configure.service'
    expect(setting(unit, 'Before')).toEqual([SERVERS.join(' ')])
    expect(setting(unit, 'RuntimeDirectory')).toEqual(['terrace'])
    expect(setting(unit, 'RuntimeDirectoryPreserve')).toEqual(['yes'])
    expect(setting(unit, 'ExecReload')[0]).toMatch(/ configure --once$/)
  })

  test('no two units have the same folder in memory: the one that ends first would take it from the other', () => {
    const all = readdirSync(UNITS).filter((name) => name.endsWith('.service'))
    expect(all).toEqual(expect.arrayContaining([...OURS, ...SERVERS]))
    const folders = all.flatMap((unit) => setting(unit, 'RuntimeDirectory'))
    expect(folders.sort()).toEqual(['terrace', 'terrace-drain', 'terrace-logs', 'terrace-self-check'])
  })

  test('of a machine that tests its image: only there, beside the web server and instead of the others', () => {
    const file = '/run/terrace/boot-test.json'
    for (const unit of TESTS) {
      expect(setting(unit, 'ConditionPathExists')).toEqual([file])
      expect(setting(unit, 'After')[0]).toContain('terrace-configure.service')
    }
    for (const unit of ['terrace-api.service', 'terrace-ingest.service', 'terrace-in-service.service'])
      expect(setting(unit, 'ConditionPathExists')).toEqual([`!${file}`])
    expect(setting('terrace-web.service', 'ConditionPathExists')).toEqual([])
    // Its program ends with 1 there, which is no failure of a condition; every other end is 255.
    expect(setting('terrace-logs.service', 'ExecCondition')).toHaveLength(1)
    expect(setting('terrace-logs.service', 'ExecStartPre')).toEqual([])
  })

  test('the boot test ends its machine whatever it finds, and has none of root’s rights', () => {
    const unit = 'terrace-boot-test.service'
    for (const name of ['SuccessAction', 'FailureAction']) expect(setting(unit, name)).toEqual(['poweroff'])
    expect(setting(unit, 'CapabilityBoundingSet')).toEqual([''])
    expect(setting(unit, 'WantedBy')).toEqual(['multi-user.target'])
    for (const name of ['SuccessAction', 'FailureAction'])
      for (const other of [...OURS, ...SERVERS, 'terrace-logs.service'])
        expect(setting(other, name)).toEqual([])
  })

  test('the API’s own check is locked in exactly as ingest is', () => {
    const settings = (unit: string) =>
      read(unit)
        .split('\n')
        .filter((line) => /^[A-Z]\w+=/.test(line))
        .filter((line) => !NOT_OF_THE_SANDBOX.test(line))
        .sort()
    expect(settings('terrace-self-check.service')).toEqual(settings('terrace-ingest.service'))
    expect(settings('terrace-ingest.service').length).toBeGreaterThan(30)
  })

  test('only the file of drain stops the servers, and the group is told after they have stopped', () => {
    const unit = 'terrace-handed-back.path'
    expect(setting(unit, 'PathExists')).toEqual(['/run/terrace-drain/leaving'])
    expect(setting(unit, 'WantedBy')).toEqual(['multi-user.target'])
    expect(readFileSync(path.join(import.meta.dirname, 'command.ts'), 'utf8')).toContain(
      "default: '/run/terrace-drain/leaving'",
    )
    expect(setting('terrace-drain.service', 'RuntimeDirectory')).toEqual(['terrace-drain'])
    // systemd means every good end by OnSuccess, and (252) also what a restart after a bad one goes through.
    for (const one of OURS) expect(setting(one, 'OnSuccess')).toEqual([])
    for (const name of ['Conflicts', 'After'])
      expect(setting('terrace-handed-back.service', name)).toEqual([SERVERS.join(' ')])
    expect(read('terrace-handed-back.service')).not.toContain('[Install]')
  })

  test('a program that has said that there is no use is not started anew, and one that was killed is', () => {
    for (const unit of OURS)
      expect(setting(unit, 'Restart')).toEqual([unit === 'terrace-drain.service' ? 'always' : 'on-failure'])
    for (const unit of ['terrace-configure.service', 'terrace-in-service.service'])
      expect(setting(unit, 'RestartPreventExitStatus')).toEqual(['78'])
    // Else the servers, which wait for it, would fail for good when it is killed once.
    expect(setting('terrace-configure.service', 'RestartMode')).toEqual(['direct'])
  })

  test.runIf(existsSync('/usr/bin/systemd-analyze'))('systemd finds nothing wrong with them', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'terrace-units-'))
    try {
      // Node lies elsewhere here.
      const files = await Promise.all(
        [...OURS, 'terrace-handed-back.path'].map(async (unit) => {
          const file = path.join(folder, unit)
          await writeFile(file, read(unit).replaceAll('/opt/terrace/node/bin/node', process.execPath))
          return file
        }),
      )
      const { stdout, stderr } = await promisify(execFile)('systemd-analyze', [
        'verify',
        '--man=no',
        ...files,
      ])
      const lines = `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.includes('terrace-'))
        // Of systemd 254; the image's is newer than some machines' that test it.
        .filter((line) => !/Unknown key (name )?'RestartMode'/.test(line))
      expect(lines).toEqual([])
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})

describe('what the programs import', () => {
  /** Files of ours, and the names of packages, that are loaded with one; types left out. */
  const reach = (file: string, { later = true, seen = new Set<string>() } = {}): Set<string> => {
    if (seen.has(file)) return seen
    seen.add(file)
    const text = readFileSync(file, 'utf8').replaceAll(/^(?:import|export) type [^;]*?from '[^']*'$/gm, '')
    for (const [, how, name = ''] of text.matchAll(/(from |import\()'([^']+)'/g))
      if (how === 'import(' && !later) continue
      else if (name.startsWith('.')) reach(path.resolve(path.dirname(file), name), { later, seen })
      else seen.add(path.join(ROOT, 'node_modules', name))
    return seen
  }
  const inRepository = (files: Iterable<string>) => [...files].map((file) => path.relative(ROOT, file))

  test('lies in the image: themselves, the contract, and the API’s configuration in its own image', () => {
    const all = inRepository(reach(path.join(import.meta.dirname, 'command.ts')))
    const others = all.filter((file) => !/^(ami\/boot|contract|node_modules)\//.test(file))
    expect(others.length).toBeGreaterThan(0)
    expect(others.filter((file) => !file.startsWith('api/src/'))).toEqual([])
    // A web server's image has no API: only check.ts may ask for it, when it needs it.
    const users = readdirSync(import.meta.dirname)
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .filter((name) => readFileSync(path.join(import.meta.dirname, name), 'utf8').includes("'../../api/"))
    expect(users).toEqual(['check.ts'])
    expect(readFileSync(path.join(import.meta.dirname, 'check.ts'), 'utf8')).not.toMatch(/^import .*api\//m)
  })

  test('drain, which stays in memory, loads nothing but Node', () => {
    const all = inRepository(reach(path.join(import.meta.dirname, 'command.ts'), { later: false }))
    expect(all).toContain('ami/boot/drain.ts')
    expect(all.filter((file) => /^node_modules\/(?!node:)/.test(file))).toEqual([])
  })

  test('and nothing that is only for tests', () => {
    const all = inRepository(reach(path.join(import.meta.dirname, 'command.ts')))
    expect(all.filter((file) => /ami\/boot\/(test\/|imds-stub)/.test(file))).toEqual([])
  })
})
