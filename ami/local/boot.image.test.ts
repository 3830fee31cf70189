// The images' roots booted in containers, with their own systemd: the units, their sandbox, and what the servers do.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { createOwner, type Session } from '../../e2e/harness/people.ts'
import { type Installation, ready, startInstallation } from './boot-test/installation.ts'
import type { Container } from './nspawn.ts'

const MANUAL = path.resolve(import.meta.dirname, '../../api/test/fixtures/manual.pdf')
/** Units of ours, and the worst that `systemd-analyze security` may say of them (0: locked in, 10: anything goes). */
const UNITS = [
  ['api', 'terrace-api.service', 1.6],
  // 0.2 of them for `capset`, which parsers give up their rights by.
  ['api', 'terrace-ingest.service', 2.1],
  ['web', 'terrace-web.service', 1.5],
] as const

let terrace: Installation
let owner: Session
beforeAll(async () => {
  terrace = await startInstallation((line) => console.log(line))
  owner = await createOwner(terrace)
})
afterAll(async () => terrace?.[Symbol.asyncDispose]())

async function property(container: Container, unit: string, name: string): Promise<string> {
  const { text } = await container.exec('systemctl', 'show', '--value', `--property=${name}`, unit)
  return text.trim()
}

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
  const { id: collection } = await owner.mutate<{ id: string }>('collections.create', { name: 'Garden' })
  const upload = await owner.fetch(`/api/files?collection=${collection}&name=manual.pdf`, {
    method: 'PUT',
    headers: { 'content-type': 'application/pdf' },
    body: readFileSync(MANUAL),
  })
  expect(upload.status, await upload.clone().text()).toBeLessThan(300)
  await vi.waitFor(
    async () => {
      const { items } = await owner.query<{ items: { version: { stage: string } }[] }>('documents.list', {
        collectionId: collection,
      })
      expect(items.map(({ version }) => version.stage)).toEqual(['searchable'])
    },
    { timeout: 60_000, interval: 200 },
  )
  const { id } = await owner.mutate<{ id: string }>('chats.create', { collectionIds: [collection] })
  const text = 'How many screws do the posts of the gate need?'
  await owner.mutate('chats.ask', { chatId: id, text, requestId: randomUUID() })
  await vi.waitFor(
    async () => {
      const chat = await owner.query<{
        messages: { role: string; citations: { documentName: string; page: number; quote: string }[] }[]
      }>('chats.get', { id })
      const answer = chat.messages.at(-1)
      expect(answer).toMatchObject({ role: 'answer' })
      // Without a language model the answer is the passages themselves.
      expect(answer?.citations[0]).toMatchObject({ documentName: 'manual.pdf', page: 1 })
      expect(answer?.citations.map(({ quote }) => quote).join()).toContain('four screws')
    },
    { timeout: 60_000, interval: 200 },
  )
})

test('the page comes through the web image', async () => {
  const response = await fetch(`${terrace.url}/sign-in`)
  expect(response.status).toBe(200)
  expect(await response.text()).toMatch(/<title[^>]*>[^<]*Terrace<\/title>/)
})

test('no unit can do more than it needs, and the parsers have no network', async () => {
  for (const [tier, unit, worst] of UNITS) {
    const { text } = await terrace[tier].exec('systemd-analyze', '--no-pager', 'security', unit)
    const [, score] = /Overall exposure level for \S+: ([\d.]+)/.exec(text) ?? []
    expect(Number(score), `${unit}\n${text}`).toBeLessThanOrEqual(worst)
  }
  expect(await terrace.api.journal('terrace-ingest')).toContain('"sandbox":"permissions, network"')
  const parsers = await terrace.api.exec('pgrep', '--full', 'ingest/parse/process.ts')
  const [parser = ''] = parsers.text.trim().split('\n')
  const networks = await terrace.api.exec('cat', `/proc/${parser}/net/dev`)
  expect(networks.text.match(/^ *\w+:/gm)?.map((name) => name.trim())).toEqual(['lo:'])
  const { text: shell } = await terrace.api.exec('getent', 'passwd', 'terrace')
  expect(shell.trim()).toMatch(/^terrace:.:641:641:.*:\/usr\/sbin\/nologin$/)
})

test('nothing of the environment is on the disk, and only root may read it', async () => {
  const { text } = await terrace.api.exec('stat', '--format=%a %U', '/run/terrace/environment')
  expect(text.trim()).toBe('600 root')
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
