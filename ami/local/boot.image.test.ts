// The images' roots booted in containers, with their own systemd: the units, their sandbox, and what the servers do.
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createOwner, type Session } from '../../e2e/harness/people.ts'
import { ask, cited, readManual } from './boot-test/answer.ts'
import { MACHINE_KEY } from './boot-test/cloud.ts'
import {
  apiSettings,
  type Installation,
  ready,
  startInstallation,
  webSettings,
} from './boot-test/installation.ts'
import { askMetadata, exposure, property } from './boot-test/probes.ts'

/** Units of ours, and the worst that `systemd-analyze security` may say of them (0: locked in, 10: anything goes). */
const UNITS = [
  ['api', 'terrace-api.service', 1.6],
  // 0.2 of them for `capset`, which parsers give up their rights by.
  ['api', 'terrace-ingest.service', 2.1],
  ['web', 'terrace-web.service', 1.5],
] as const

/** The same of what boots and leaves. */
const BOOT_UNITS = [
  ['terrace-configure.service', 1.3],
  ['terrace-in-service.service', 1.3],
  ['terrace-drain.service', 1.2],
  ['terrace-handed-back.service', 1.3],
] as const

let terrace: Installation
let owner: Session
let collection: string
beforeAll(async () => {
  terrace = await startInstallation((line) => console.log(line))
  owner = await createOwner(terrace)
})
afterAll(async () => terrace?.[Symbol.asyncDispose]())

test('both are up: nothing has failed, and what is found by meaning is found by FAISS', async () => {
  for (const [tier, unit] of UNITS) expect(await property(terrace[tier], unit, 'ActiveState')).toBe('active')
  for (const container of [terrace.api, terrace.web]) {
    const { text } = await container.exec('systemctl', 'list-units', '--failed', '--plain', '--no-legend')
    expect(text).toBe('')
  }
  expect(await ready(`${terrace.apiUrl}/readyz`, terrace.api)).toMatchObject({
    database: 'ok',
    storage: 'ok',
    models: { embedder: 'bge-small-en-v1.5' },
    index: { engine: 'faiss' },
  })
})

test('a PDF that is uploaded is read, and a question over it gets an answer that cites its page', async () => {
  collection = await readManual(owner)
  const { chat } = await ask(owner, collection)
  await cited(owner, chat)
})

test('the environment is what the stack, the operator and the secrets say, by the role of the machine', async () => {
  expect([...terrace.cloud.signedBy]).toEqual([MACHINE_KEY])
  for (const [tier, count] of [
    ['api', 2],
    ['web', 0],
  ] as const) {
    const { text } = await terrace[tier].exec('cat', '/run/terrace/launch.json')
    expect(JSON.parse(text)).toMatchObject({ tier, stage: 'test' })
    expect(terrace[tier].console()).toMatch(
      new RegExp(
        `The environment of test’s ${tier} server.* is ready: \\d+ variables, ${count} of them secrets`,
      ),
    )
    expect(terrace[tier].console()).not.toContain('test@')
  }
})

test('each group is told that its server is in service', async () => {
  for (const tier of ['api', 'web'] as const) {
    await vi.waitFor(() => expect(terrace.servers[tier].state()).toBe('InService'), { timeout: 30_000 })
    expect(await terrace[tier].journal('terrace-in-service')).toContain('has been told')
    expect(await property(terrace[tier], 'terrace-drain.service', 'ActiveState')).toBe('active')
    expect(await property(terrace[tier], 'terrace-handed-back.service', 'ActiveState')).toBe('inactive')
  }
})

test('the page comes through the web image', async () => {
  const response = await fetch(`${terrace.url}/sign-in`)
  expect(response.status).toBe(200)
  expect(await response.text()).toMatch(/<title[^>]*>[^<]*Terrace<\/title>/)
})

test('no unit can do more than it needs', async () => {
  for (const [tier, unit, worst] of UNITS)
    expect(await exposure(terrace[tier], unit), unit).toBeLessThanOrEqual(worst)
  for (const [unit, worst] of BOOT_UNITS)
    for (const container of [terrace.api, terrace.web])
      expect(await exposure(container, unit), unit).toBeLessThanOrEqual(worst)
  const { text: shell } = await terrace.api.exec('getent', 'passwd', 'terrace')
  expect(shell.trim()).toMatch(/^terrace:.:641:641:.*:\/usr\/sbin\/nologin$/)
})

test('parsers have no network, and so no metadata', async () => {
  expect(await terrace.api.journal('terrace-ingest')).toContain('"sandbox":"permissions, network"')
  const parsers = await terrace.api.exec('pgrep', '--full', 'ingest/parse/process.ts')
  const [parser = ''] = parsers.text.trim().split('\n')
  const networks = await terrace.api.exec('cat', `/proc/${parser}/net/dev`)
  expect(networks.text.match(/^ *\w+:/gm)?.map((name) => name.trim())).toEqual(['lo:'])
  expect(await askMetadata(terrace.api)).toBe('answer 200')
  expect(await askMetadata(terrace.api, 'nsenter', '--target', parser, '--net', '--')).toBe('no answer')
})

test('nothing of the environment is on the disk, and no server and nobody may read it', async () => {
  const file = '/run/terrace/environment'
  expect((await terrace.api.exec('cat', file)).text).toContain('AUTH_SECRET=')
  for (const user of ['terrace', 'nobody']) {
    const tried = await terrace.api.exec('setpriv', `--reuid=${user}`, '--clear-groups', 'cat', file)
    expect([tried.code, tried.text]).toEqual([1, expect.stringContaining('Permission denied')])
  }
  const { text: kind } = await terrace.api.exec('stat', '--file-system', '--format=%T', '/run/terrace')
  expect(kind.trim()).toBe('tmpfs')
})

for (const [tier, unit] of UNITS)
  test(`${unit} that is stuck is killed by the watchdog and serves again`, async () => {
    const container = terrace[tier]
    const before = await property(container, unit, 'MainPID')
    // In its own time it would take half a minute.
    const dropIn = `/run/systemd/system/${unit}.d/soon.conf`
    const text = '[Service]\\nWatchdogSec=3\\n'
    await container.exec('sh', '-c', `mkdir -p ${path.dirname(dropIn)} && printf '${text}' > ${dropIn}`)
    await container.exec('systemctl', 'daemon-reload')
    await container.exec('systemctl', 'restart', unit)
    const started = await property(container, unit, 'MainPID')
    expect(started).not.toBe(before)
    // Twice as long as a process may be silent: it is not.
    await sleep(7_000)
    expect(await property(container, unit, 'MainPID')).toBe(started)
    await container.exec('kill', '-STOP', started)
    await vi.waitFor(
      async () => {
        const now = await property(container, unit, 'MainPID')
        expect(Number(now)).toBeGreaterThan(0)
        expect(now).not.toBe(started)
        expect(await property(container, unit, 'ActiveState')).toBe('active')
      },
      { timeout: 60_000, interval: 200 },
    )
    expect(await container.journal(unit)).toMatch(/Watchdog timeout/)
    expect(await property(container, unit, 'NRestarts')).toBe('1')
  })

test('a stop under load ends by itself: what is under way is answered, nothing is killed', async () => {
  await ready(`${terrace.url}/readyz`, terrace.web)
  await ready(`${terrace.apiUrl}/readyz`, terrace.api)
  let going = true
  const statuses: number[] = []
  const ask = async () => {
    while (going)
      try {
        const response = await fetch(`${terrace.apiUrl}/trpc/setup.status`)
        const body = await response.text()
        statuses.push(body.endsWith('}') ? response.status : 0)
      } catch {
        // It listens no more: nothing was under way.
      }
  }
  const askers = Array.from({ length: 8 }, ask)
  await vi.waitFor(() => expect(statuses.length).toBeGreaterThan(50), { timeout: 30_000 })
  await terrace.api.exec('systemctl', 'stop', 'terrace-api.service', 'terrace-ingest.service')
  going = false
  await Promise.all(askers)
  for (const unit of ['terrace-api.service', 'terrace-ingest.service']) {
    expect(await property(terrace.api, unit, 'Result')).toBe('success')
    expect(await property(terrace.api, unit, 'ExecMainCode')).toBe('1')
    expect(await property(terrace.api, unit, 'ExecMainStatus')).toBe('0')
  }
  expect([...new Set(statuses)].filter((status) => status !== 200 && status !== 503)).toEqual([])
  await terrace.api.exec('systemctl', 'start', 'terrace-api.service', 'terrace-ingest.service')
  await ready(`${terrace.apiUrl}/readyz`, terrace.api)
})

test('an image of the other tier is given up at once, and the console says why', async () => {
  const { container, server } = await terrace.boot('web', () => ({
    ...webSettings('http://127.0.0.1:4000'),
    wanted: 'api',
  }))
  await vi.waitFor(() => expect(server.state()).toBeUndefined(), { timeout: 60_000, interval: 200 })
  await vi.waitFor(() => expect(container.console()).toContain('is given up: its group ends it'))
  expect(container.console()).toMatch(/This is an image of the tier web .*the launch template wants api/)
  expect(await property(container, 'terrace-configure.service', 'ExecMainStatus')).toBe('78')
  expect(await property(container, 'terrace-web.service', 'ActiveState')).toBe('inactive')
  await container.stop()
})

test('a secret that nobody has made is said on the console, by its name, and once it is there the server starts', async () => {
  const { container, server } = await terrace.boot('api', (host) => {
    const settings = apiSettings({ url: terrace.url, setupToken: terrace.setupToken, database: `${host}:1` })
    return { ...settings, secrets: { ...settings.secrets, AUTH_SECRET: undefined } }
  })
  const secret = terrace.cloud.secretOf(server, 'AUTH_SECRET')
  await vi.waitFor(
    () => expect(container.console()).toContain(`The secret of AUTH_SECRET (${secret}) can not be read`),
    { timeout: 60_000, interval: 200 },
  )
  expect(await property(container, 'terrace-api.service', 'ExecMainPID')).toBe('0')
  expect(server.state()).toBe('Pending:Wait')
  terrace.cloud.standIn.secrets.put(secret, 'of more than thirty-two characters')
  await vi.waitFor(
    async () => expect(await property(container, 'terrace-api.service', 'ExecMainPID')).not.toBe('0'),
    { timeout: 60_000, interval: 200 },
  )
  await container.stop()
})

test('a server that its group takes out leaves: an answer goes on elsewhere, and the group is told', async () => {
  const other = await terrace.bootApi()
  terrace.model.script({ stall: 4 })
  const { chat, answer } = await ask(owner, collection)
  const watch = (last?: string) => {
    const input = { json: { answerId: answer, ...(last !== undefined && { lastEventId: last }) } }
    return owner.fetch(`/api/trpc/chats.watch?input=${encodeURIComponent(JSON.stringify(input))}`)
  }
  const heard = watch().then((response) => response.text())
  await vi.waitFor(() => expect(terrace.model.requests.at(-1)).toMatchObject({ sent: 4 }), {
    timeout: 30_000,
  })
  const left = terrace.servers.api.takeOut()
  const text = await heard
  // Its own end it is not, so the page comes back.
  expect(text).not.toContain('event: return')
  terrace.useApi(other.container.address)
  terrace.model.script({})
  const last = [...text.matchAll(/^id: (.+)$/gm)].at(-1)?.[1]
  expect(last).toBeDefined()
  expect(await (await watch(last)).text()).toContain('event: return')
  await cited(owner, chat)
  await left
  await vi.waitFor(() => expect(terrace.servers.api.state()).not.toMatch(/^Terminating(:Wait)?$/), {
    timeout: 60_000,
    interval: 200,
  })
  for (const unit of ['terrace-api.service', 'terrace-ingest.service']) {
    expect(await property(terrace.api, unit, 'ActiveState')).toBe('inactive')
    expect(await property(terrace.api, unit, 'Result')).toBe('success')
  }
  const journal = await terrace.api.journal()
  expect(journal).toContain('Auto Scaling takes this server out')
  expect(journal).toContain('Everything is handed back: the group has been told')
})
