// The boot test's own program: what it makes of what a machine says, and that what it says can be read on a console.
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BOOT_CHECKS, BOOT_REPORT, type BootReport, type BootTestData } from '../../../contract/boot-test.ts'
import { configure, NotConfigured } from '../configure.ts'
import { readLaunch } from '../launch.ts'
import { tellAgent } from '../logs.ts'
import { readEnvironmentFile } from '../test/environment-file-reader.ts'
import { createWorld, launchData, type World } from '../test/world.ts'
import type * as asked from './asked.ts'
import { reportBootTest } from './boot-test.ts'

const GIB = 2 ** 30

let world: World
let written: string
let page: { status: number; text: string }
let server: http.Server
beforeEach(async () => {
  await setUp('api')
  written = ''
  page = { status: 200, text: '<title>Sign in · Terrace</title>' }
  server = http.createServer(({ url }, response) =>
    url === '/sign-in'
      ? response.writeHead(page.status).end(page.text)
      : response.writeHead(page.status).end('{}'),
  )
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(async () => {
  server.closeAllConnections()
  server.close()
  await world[Symbol.asyncDispose]()
})

async function setUp(tier: 'api' | 'web', more: Partial<BootTestData['bootTest']> = {}): Promise<void> {
  await world?.[Symbol.asyncDispose]()
  world = await createWorld(tier)
  const checks = BOOT_CHECKS[tier]
  const bootTest = { tier, release: '2026.48', id: 'b1', volumeGiB: 8, checks, ...more }
  world.instance.userData = JSON.stringify({ bootTest })
}

const MACHINE: typeof asked = {
  disk: async () => ({ rootBytes: 7.5 * GIB, application: 'erofs    ro,relatime' }),
  units: async () => ({ failedUnits: [], memoryMax: 2 * GIB }),
  property: async (_, name) => (name === 'NRestarts' ? '0' : 'active'),
  journalOf: async (unit) => `the end of ${unit}, which says ${BOOT_REPORT} {}`,
  timeSources: async () => '^,*,169.254.169.123,3,4,377,10,0.1,0.1,0.2',
  selfCheckResult: async () => [],
}
async function run(machine: Partial<typeof asked> = {}): Promise<BootReport> {
  const { port } = server.address() as AddressInfo
  return reportBootTest({
    ...{ imds: world.imds, clock: world.aws.clock, journal: world.journal },
    ...{ imageFile: world.imageFile, selfCheckFile: path.join(world.folder, 'result.json') },
    ...{ machine: { ...MACHINE, ...machine }, web: `http://127.0.0.1:${port}` },
    write: (text) => {
      written += text
    },
  })
}

for (const tier of ['api', 'web'] as const)
  test(`${tier}: all is well`, async () => {
    await setUp(tier)
    expect(await run()).toMatchObject({
      ...{ id: 'b1', instance: 'i-0123456789abcdef0', tier, release: '2026.48' },
      ...{ passed: BOOT_CHECKS[tier], findings: [] },
    })
  })

test('the report stands on a line of its own, several times: the kernel may write into one of them', async () => {
  const report = await run()
  const lines = written.split('\n').filter(Boolean)
  expect(lines).toHaveLength(3)
  for (const line of lines) {
    expect(line.startsWith(`${BOOT_REPORT} {`)).toBe(true)
    expect(JSON.parse(line.slice(BOOT_REPORT.length))).toEqual(report)
  }
})

describe('what is wrong is said', () => {
  test.each<[keyof typeof asked, () => Promise<never>, string]>([
    ['disk', (async () => ({ rootBytes: 2 * GIB, application: 'erofs ro' })) as never, 'has not grown'],
    [
      'disk',
      (async () => ({ rootBytes: 8 * GIB, application: 'ext4 rw' })) as never,
      'read-only partition: ext4 rw',
    ],
    [
      'timeSources',
      (async () => '^,?,169.254.169.123,0,4,0') as never,
      'follows nobody: ^,?,169.254.169.123',
    ],
    ['timeSources', (async () => '') as never, 'chrony does not answer'],
    ['selfCheckResult', (async () => ['FAISS has found nothing']) as never, 'FAISS has found nothing'],
    ['units', (async () => ({ failedUnits: ['a.service'], memoryMax: 1 })) as never, 'a.service has failed'],
    ['units', (async () => ({ failedUnits: [], memoryMax: Number.NaN })) as never, 'no memory limit'],
    ['property', (async () => 'activating') as never, 'terrace-configure.service is activating'],
    [
      'disk',
      (async () => Promise.reject(new Error('findmnt is not there'))) as never,
      'findmnt is not there',
    ],
  ])('%s', async (name, answer, said) => {
    const { findings, passed } = await run({ [name]: answer })
    expect(findings.join('\n')).toContain(said)
    expect(passed).toHaveLength(BOOT_CHECKS.api.length - 1)
  })

  test('another image than was meant', async () => {
    await setUp('api', { tier: 'web', release: '2026.49' })
    const { findings, passed } = await run()
    expect(findings).toEqual([
      'its tier is api, and web was meant to be tested',
      'its release is 2026.48, and 2026.49 was meant to be tested',
    ])
    expect(passed).not.toContain('image')
  })

  test('a check of the API that has ended without a word, with the end of its journal; that is no report', async () => {
    const { findings } = await run({
      selfCheckResult: async () => undefined,
      property: async (_, name) =>
        name === 'Result' ? 'signal' : name === 'ExecMainStatus' ? '4' : 'active',
    })
    expect(findings).toEqual(['the API’s own check has ended without a result (signal, 4)'])
    expect(written).toContain('the end of terrace-self-check.service')
    expect(written.split(BOOT_REPORT)).toHaveLength(3 + 1)
  })

  test('a page that is none, and a server that ends again and again', async () => {
    await setUp('web')
    page.text = '<h1>It works!</h1>'
    expect((await run()).findings).toEqual(['/sign-in answers 200, and not the page: <h1>It works!</h1>'])
    page.status = 503
    const ended = async (_: string, name: string) => (name === 'NRestarts' ? '3' : 'active')
    expect((await run({ property: ended })).findings).toEqual(['terrace-web has ended 3 times'])
    expect((await run()).findings).toEqual(['terrace-web answers 503 to /healthz'])
    expect(written).toContain('the end of terrace-web.service')
  })
})

test('a server, with a server’s launch data, tests nothing', async () => {
  world.instance.userData = JSON.stringify(launchData())
  await expect(run()).rejects.toThrow('was not launched to test its image')
  expect(written).toBe('')
})

describe('the machine of a boot test', () => {
  const prepare = () =>
    configure({
      ...{ imds: world.imds, clock: world.aws.clock, journal: world.journal, patienceMs: 0 },
      ...{ imageFile: world.imageFile, folder: world.folder },
      connect: () => {
        throw new Error('AWS was asked')
      },
    })
  const told = (name: string) => readFile(path.join(world.folder, name), 'utf8')

  test('asks nothing of AWS; its web server gets an environment of its own, and units are told', async () => {
    await setUp('web')
    await prepare()
    expect(readEnvironmentFile(await told('environment'))).toEqual({
      ...{ TERRACE_RELEASE: '2026.48', TERRACE_IMAGE_MADE_AT: '2026-11-28T09:00:00Z' },
      ...{ HOSTNAME: '127.0.0.1', PORT: '3000', API_URL: 'http://127.0.0.1:4000', TRUSTED_PROXY_HOPS: '0' },
    })
    expect(JSON.parse(await told('boot-test.json'))).toMatchObject({ id: 'b1', tier: 'web' })
    await expect(told('launch.json')).rejects.toThrow('ENOENT')
  })

  test('also when it is another image than was meant: the test says so, on the console', async () => {
    await setUp('api', { tier: 'web' })
    await prepare()
    expect(JSON.parse(await told('boot-test.json'))).toMatchObject({ tier: 'web' })
    expect(readEnvironmentFile(await told('environment'))).not.toHaveProperty('API_URL')
  })

  test('launch data that are wrong are hopeless, and a server’s file is not there', async () => {
    world.instance.userData = JSON.stringify({ bootTest: { tier: 'db', checks: ['weather'] } })
    const failure = await prepare().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NotConfigured)
    expect(failure).toMatchObject({
      hopeless: true,
      message: expect.stringMatching(/bootTest\.tier.*bootTest\.checks\.0/),
    })
    await expect(told('boot-test.json')).rejects.toThrow('ENOENT')
  })

  test('is no server to whoever asks for one, and sends its lines nowhere', async () => {
    await expect(readLaunch(world.imds)).rejects.toThrow('launched to test its image, and is no server')
    expect(await tellAgent(world.imds, { folder: world.folder, state: '/var/lib/x' })).toBe(false)
    await expect(told('agent.toml')).rejects.toThrow('ENOENT')
    world.instance.userData = JSON.stringify(launchData())
    expect(await tellAgent(world.imds, { folder: world.folder, state: '/var/lib/x' })).toBe(true)
    expect(await told('agent.toml')).toContain('[agent]')
  })
})

test('a server’s launch data make no file that a boot test is started by', async () => {
  world.instance.userData = JSON.stringify(launchData())
  await configure({
    ...{ imds: world.imds, clock: world.aws.clock, journal: world.journal, patienceMs: 0 },
    ...{ imageFile: world.imageFile, folder: world.folder, connect: () => world.boot },
  }).catch(() => undefined)
  await expect(readFile(path.join(world.folder, 'boot-test.json'), 'utf8')).rejects.toThrow('ENOENT')
})
