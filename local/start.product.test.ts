// `npm start` as a person meets it: started twice, stopped, killed, and met with everything that can be in its way.
// The whole product with real processes; nothing is asserted about times.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createOwner, OWNER, signIn } from '../e2e/harness/people.ts'
import { processesOf } from '../e2e/harness/processes.ts'
import {
  DidNotStart,
  type RunningTerrace,
  startTerrace,
  type TerraceOptions,
  temporaryHome,
} from '../e2e/harness/terrace.ts'
import { NATIVE } from './install.mjs'
import { freePort, type Postgres, startPostgres } from './postgres.ts'

const EVERYONE = ['api', 'index', 'ingest', 'main', 'postgres', 'postgres-keeper', 'web']
let home: string
beforeAll(() => {
  home = temporaryHome()
})
afterAll(() => rmSync(home, { recursive: true, force: true }))

async function start(options: TerraceOptions = {}): Promise<RunningTerrace> {
  const terrace = await startTerrace({ home, ...options })
  onTestFinished(async () => {
    await terrace.stop()
  })
  return terrace
}

async function refusal(options: TerraceOptions): Promise<string> {
  const result = await startTerrace(options).catch((error: unknown) => error)
  if (result instanceof DidNotStart) {
    expect(result.code).toBe(1)
    expect(result.output).not.toMatch(/^ +at .*\.(ts|mjs|js):\d+/m)
    return result.output
  }
  if (result instanceof Error) throw result
  throw new Error('it started')
}

const nobodyLeft = (where = home) =>
  vi.waitFor(() => expect(processesOf(where)).toEqual({}), { timeout: 60_000, interval: 100 })

/** Newest change below a folder, node_modules and all. */
function newest(folder: string): number {
  return Math.max(
    0,
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => statSync(path.join(entry.parentPath, entry.name)).mtimeMs),
  )
}

test('first start: everything runs, the set-up link makes the owner; SIGTERM stops all of it', async () => {
  const terrace = await start()
  expect(
    Object.keys(terrace.processes())
      .filter((name) => name !== 'other' && name !== 'parser')
      .sort(),
  ).toEqual(EVERYONE)
  for (const url of [`${terrace.url}/healthz`, `${terrace.url}/readyz`, `${terrace.apiUrl}/readyz`])
    expect((await fetch(url)).status).toBe(200)
  expect(terrace.setupLink).toBe(`${terrace.url}/setup?token=${terrace.setupToken}`)
  const owner = await createOwner(terrace)
  expect(await owner.query('people.me')).toMatchObject({ email: OWNER.email, role: 'owner' })
  expect(terrace.output()).toContain(home)
  expect(terrace.output()).toMatch(/Vectors +(FAISS|exact scan)/)
  expect(await terrace.stop()).toBe(0)
  expect(processesOf(home)).toEqual({})
  expect(statSync(path.join(home, 'secrets.json')).mode & 0o777).toBe(0o600)
})

test('second start: nothing is installed or built, the owner is still there, no set-up link', async () => {
  const before = newest(path.join(NATIVE, 'web'))
  const terrace = await start()
  expect(terrace.output()).not.toMatch(/npm ci|built|generated|compiling|Maven/)
  expect(newest(path.join(NATIVE, 'web'))).toBe(before)
  expect(terrace.setupLink).toBeUndefined()
  const owner = await signIn(terrace, OWNER)
  expect(await owner.query('people.me')).toMatchObject({ email: OWNER.email })
})

test('two first starts at once: one builds the pages, the other waits and uses them', async () => {
  rmSync(path.join(NATIVE, 'web'), { recursive: true, force: true })
  const other = temporaryHome()
  const two = await Promise.all([start(), start({ home: other })])
  expect(two.map((terrace) => /building, about/.test(terrace.output())).sort()).toEqual([false, true])
  for (const { url } of two) expect((await fetch(`${url}/sign-in`)).status).toBe(200)
  await two[1]?.stop()
  rmSync(other, { recursive: true, force: true })
})

test('a second one on the same data is refused and leaves the first alone', async () => {
  const terrace = await start()
  const said = await refusal({ home })
  expect(said).toContain(`already runs with the data in ${home}`)
  expect(said).toContain(terrace.url)
  expect((await fetch(`${terrace.apiUrl}/readyz`)).status).toBe(200)
})

for (const [victim, pick] of [
  ['npm start', (pids: readonly number[]) => Math.min(...pids)],
  ['the launcher under it', (pids: readonly number[]) => Math.max(...pids)],
] as const)
  test(`kill -9 of ${victim} leaves no orphan and loses nothing`, async () => {
    const terrace = await start()
    const owner = await signIn(terrace, OWNER)
    const name = `Kept through ${victim}`
    await owner.mutate('collections.create', { name })
    process.kill(pick(terrace.processes().main ?? []), 'SIGKILL')
    await nobodyLeft()
    const again = await start()
    const collections = await (await signIn(again, OWNER)).query<{ name: string }[]>('collections.list')
    expect(collections.map((collection) => collection.name)).toContain(name)
  })

for (const victim of ['api', 'ingest', 'index', 'web', 'postgres', 'postgres-keeper'])
  test(`kill -9 of ${victim}: it is started again and the product works`, async () => {
    const terrace = await start()
    const [pid] = terrace.processes()[victim] ?? []
    if (pid === undefined) throw new Error(`no ${victim}`)
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(
      async () => {
        const now = terrace.processes()
        expect(now[victim]?.[0]).toBeDefined()
        expect(now[victim]).not.toContain(pid)
        expect((await fetch(`${terrace.url}/readyz`)).status).toBe(200)
        const owner = await signIn(terrace, OWNER)
        expect(await owner.query('people.me')).toMatchObject({ email: OWNER.email })
      },
      { timeout: 90_000, interval: 250 },
    )
    expect(await terrace.stop()).toBe(0)
    expect(processesOf(home)).toEqual({})
  })

test('a second Ctrl-C does not wait, and leaves nothing behind either', async () => {
  const terrace = await start()
  // Stopped processes can't hurry: the first signal has something to wait for.
  const [web] = terrace.processes().web ?? []
  if (web === undefined) throw new Error('no web')
  process.kill(web, 'SIGSTOP')
  terrace.process.kill('SIGINT')
  await vi.waitFor(() => expect(terrace.output()).toContain('stopping'), { timeout: 20_000 })
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  terrace.process.kill('SIGINT')
  expect(await terrace.stop()).toBe(1)
  expect(terrace.output()).toContain('Stopping at once')
  await nobodyLeft()
})

test('Ctrl-C while it starts ends the start', async () => {
  const other = temporaryHome()
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'start.mjs')], {
    env: {
      ...process.env,
      TERRACE_HOME: other,
      PORT: String(await freePort()),
      API_PORT: String(await freePort()),
    },
    stdio: 'ignore',
  })
  await vi.waitFor(() => expect(processesOf(other).postgres).toBeDefined(), { timeout: 60_000 })
  child.kill('SIGINT')
  await new Promise((resolve) => child.once('exit', resolve))
  await nobodyLeft(other)
  rmSync(other, { recursive: true, force: true })
})

test('a taken port is a sentence with the way out', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  expect(await refusal({ webPort: port })).toContain(
    `Port ${port}, which the page needs, is taken by another program.\nStop that program, or choose another port: PORT=${port + 1} npm start`,
  )
  expect(await refusal({ apiPort: port })).toContain(`which the API needs, is taken`)
  server.close()
})

test('data of another PostgreSQL version is left alone', async () => {
  const other = temporaryHome()
  mkdirSync(path.join(other, 'postgres'))
  writeFileSync(path.join(other, 'postgres/PG_VERSION'), '15\n')
  const said = await refusal({ home: other })
  expect(said).toMatch(/made by PostgreSQL 15; this Terrace brings PostgreSQL 18.*\n.*DATABASE_URL/)
  expect(readdirSync(path.join(other, 'postgres'))).toEqual(['PG_VERSION'])
  rmSync(other, { recursive: true, force: true })
})

test('a data folder that can not be is a sentence', async () => {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'terrace-file-')), 'file')
  writeFileSync(file, '')
  expect(await refusal({ home: path.join(file, 'home') })).toContain('is in the way: it is not a folder')
  rmSync(path.dirname(file), { recursive: true, force: true })
})

let external: Postgres | undefined
afterAll(async () => external?.stop())

test('DATABASE_URL: that PostgreSQL is used and none is started', async () => {
  const folder = temporaryHome()
  external = await startPostgres({ dataDir: path.join(folder, 'elsewhere'), password: 'p', throwaway: true })
  const client = new pg.Client(external.url('postgres'))
  await client.connect()
  await client.query('CREATE DATABASE of_mine')
  await client.end()
  const other = temporaryHome()
  const url = external.url('of_mine')
  const terrace = await start({ home: other, env: { DATABASE_URL: url } })
  expect(terrace.processes()['postgres-keeper']).toBeUndefined()
  expect(readdirSync(other)).not.toContain('postgres')
  await createOwner(terrace)
  await terrace.stop()
  const after = new pg.Client(url)
  await after.connect()
  expect((await after.query('SELECT email FROM users')).rows).toEqual([{ email: OWNER.email }])
  await after.end()
  const wrong = await refusal({
    home: other,
    env: { DATABASE_URL: 'postgresql://postgres:secret-word@127.0.0.1:1/x' },
  })
  expect(wrong).toMatch(/PostgreSQL of DATABASE_URL \(127\.0\.0\.1:1\) can not be used/)
  expect(wrong).not.toContain('secret-word')
  rmSync(other, { recursive: true, force: true })
  await external.stop()
  rmSync(folder, { recursive: true, force: true })
})

test('its logs hold no secret', () => {
  const secrets = Object.values(
    JSON.parse(readFileSync(path.join(home, 'secrets.json'), 'utf8')) as Record<string, string>,
  )
  for (const name of readdirSync(path.join(home, 'logs'))) {
    const text = readFileSync(path.join(home, 'logs', name), 'utf8')
    for (const secret of [...secrets, OWNER.password]) expect(text, name).not.toContain(secret)
  }
})
