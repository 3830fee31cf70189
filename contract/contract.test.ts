// The contract between program, image and stack (DESIGN §10), against the real API process: what it needs, where it
// listens, what its health says, how it stops. Load balancers, units and images rely on every line here.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { migrate } from '../api/src/database/migrate.ts'
import { type Api, cuttableLine, readyz, SECRET, startApi, TOKEN, until } from '../api/test/api-process.ts'
import { type TestDatabase, testDatabase } from '../api/test/database.ts'
import { API_PATHS, PORTS, PUBLIC_PATHS, SECONDS } from './ports.ts'

const ROOT = path.dirname(import.meta.dirname)

const ready = (api: Api) => until(api, ({ status }) => status === 200)

const env = (db: TestDatabase, extra: Record<string, string> = {}) => ({ DATABASE_URL: db.url, ...extra })

test('ports and paths', () => {
  expect(PORTS).toEqual({ api: 4000, web: 3000 })
  expect(API_PATHS).toEqual({
    trpc: '/trpc',
    auth: '/auth',
    files: '/files',
    v1: '/v1',
    mcp: '/mcp',
    healthz: '/healthz',
    readyz: '/readyz',
  })
  expect(PUBLIC_PATHS).toEqual({
    trpc: '/api/trpc',
    auth: '/api/auth',
    files: '/api/files',
    v1: '/api/v1',
    mcp: '/api/mcp',
    healthz: '/healthz',
    readyz: '/readyz',
  })
  expect(SECONDS).toMatchObject({ stop: 60, streamPing: 15, keepAlive: 125, albIdle: 120 })
})

test('every name of the environment is documented', () => {
  const source = readFileSync(path.join(ROOT, 'api/src/config.ts'), 'utf8')
  const names = [...source.matchAll(/^ {2}([A-Z][A-Z_]+):/gm)].map((match) => match[1] ?? '')
  for (const name of [
    'DATABASE_URL',
    'DATABASE_CA',
    'MIGRATE_AT_START',
    'STORAGE',
    'AUTH_SECRET',
    'SETUP_TOKEN',
  ])
    expect(names).toContain(name)
  for (const name of [
    'PUBLIC_URL',
    'TRUSTED_PROXY_HOPS',
    'MODELS',
    'EMBEDDERS',
    'MODEL_DIR',
    'HOST',
    'PORT',
    'LOG_LEVEL',
  ])
    expect(names).toContain(name)
  for (const name of [
    'INDEX_ENGINE',
    'OPENSEARCH_AUTH',
    'TERRACE_RELEASE',
    'TERRACE_HOME',
    'TERRACE_SUPERVISED',
    'DATABASE_AUTH',
  ])
    expect(names).toContain(name)
  const documented = readFileSync(path.join(ROOT, 'docs/configuration.md'), 'utf8')
  expect(names.filter((name) => !documented.includes(`\`${name}\``))).toEqual([])
})

test('an environment that is not complete is refused by name, without values and stack', async () => {
  await using api = await startApi({
    DATABASE_URL: '',
    AUTH_SECRET: 'too-short-secret',
    STORAGE: 'ftp:wrong',
  })
  expect(await api.exited).toEqual({ code: 1, signal: null })
  expect(api.stderr()).toContain('DATABASE_URL')
  expect(api.stderr()).toContain('AUTH_SECRET')
  expect(api.stderr()).toContain('STORAGE')
  expect(api.stderr() + api.stdout()).not.toMatch(/too-short-secret|ftp:wrong|\bat .*:\d+:\d+|node_modules/)
})

// Starting takes long on a busy machine: the limit only ends what hangs.
describe('the API server', { timeout: 180_000 }, () => {
  test('is alive, ready, and says so in the agreed words; its log is JSON lines without secrets', async () => {
    await using db = await testDatabase()
    await using api = await startApi(env(db))
    const { body } = await ready(api)
    expect(body).toMatchObject({
      ready: true,
      reasons: [],
      release: 'contract-test',
      database: 'ok',
      storage: 'ok',
      models: { embedder: null },
      index: { engine: expect.any(String), passages: 0, vectors: 0, seq: expect.any(Number) },
    })
    const alive = await fetch(api.url + API_PATHS.healthz)
    expect([alive.status, await alive.json()]).toEqual([200, { alive: true, release: 'contract-test' }])
    await fetch(`${api.url}/trpc/setup.createOwner`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: 'terrace.session_token=s3cr3t-cookie' },
      body: JSON.stringify({
        json: { token: TOKEN, name: 'N', email: 'n@example.org', password: 's3cr3t-password' },
      }),
    })
    await fetch(`${api.url}/trpc/setup.status?input=s3cr3t-question`)
    api.process.kill('SIGTERM')
    expect(await api.exited).toEqual({ code: 0, signal: null })
    const lines = api.stdout().trim().split('\n')
    for (const line of lines)
      expect(JSON.parse(line)).toMatchObject({ release: 'contract-test', time: expect.any(String) })
    expect(lines.some((line) => line.includes('setup.status'))).toBe(true)
    const all = api.stdout() + api.stderr()
    expect(all).not.toMatch(/s3cr3t|node_modules|"stack"/)
    for (const secret of [SECRET, TOKEN, ROOT, new URL(db.url).password])
      expect(all).not.toContain(`${secret}/`)
    for (const secret of [SECRET, TOKEN]) expect(all).not.toContain(secret)
  })

  test('without a database it is alive, and starts when there is one', async () => {
    await using db = await testDatabase()
    await using line = await cuttableLine(db)
    line.cut()
    await using api = await startApi(env(db, { DATABASE_URL: line.url }))
    const waiting = await until(api, ({ body }) => body.reasons.includes('waiting for the database'))
    expect(waiting.status).toBe(503)
    expect((await fetch(api.url + API_PATHS.healthz)).status).toBe(200)
    line.mend()
    await ready(api)
  })

  test('a database that goes away is reported and fails nothing; afterwards all is as before', async () => {
    await using db = await testDatabase()
    await using line = await cuttableLine(db)
    await using api = await startApi(env(db, { DATABASE_URL: line.url }))
    await ready(api)
    line.cut()
    const away = await until(api, ({ body }) => body.database === 'unreachable')
    expect(away).toMatchObject({ status: 200, body: { ready: true, reasons: [] } })
    const refused = await fetch(`${api.url}/trpc/setup.status`)
    expect(refused.status).toBe(503)
    expect(await refused.json()).toMatchObject({ error: { json: { data: { code: 'UNAVAILABLE' } } } })
    line.mend()
    await until(api, ({ body }) => body.database === 'ok')
    for (;;) {
      if ((await fetch(`${api.url}/trpc/setup.status`)).status === 200) break
      await sleep(50)
    }
  })

  test('until this build’s migrations are there it is alive and unready, and says which are missing', async () => {
    await using db = await testDatabase()
    await db.pool.query('DROP SCHEMA public, pgboss CASCADE')
    await db.pool.query('CREATE SCHEMA public')
    await using api = await startApi(env(db))
    const { status, body } = await until(
      api,
      (health) => health.body.reasons[0]?.startsWith('migrations') === true,
    )
    expect(status).toBe(503)
    expect(body.reasons[0]).toMatch(/^migrations missing: \d+_first, \d+_jobs/)
    expect((await fetch(api.url + API_PATHS.healthz)).status).toBe(200)
    await migrate({ connectionString: db.url })
    await ready(api)
  })

  test('with MIGRATE_AT_START it applies them itself', async () => {
    await using db = await testDatabase()
    await db.pool.query('DROP SCHEMA public, pgboss CASCADE')
    await db.pool.query('CREATE SCHEMA public')
    await using api = await startApi(env(db, { MIGRATE_AT_START: '1' }))
    await ready(api)
    // And says which, and what the database had to say of them.
    expect(api.stdout()).toMatch(/"migration":"\d+_first","msg":"migrated"/)
  })

  test.for(['SIGTERM', 'SIGINT'] as const)(
    '%s ends it in order: what is under way is finished',
    async (signal) => {
      await using db = await testDatabase()
      await using api = await startApi(env(db))
      await ready(api)
      const connect = async (text: string) => {
        const socket = net.connect(Number(new URL(api.url).port), '127.0.0.1')
        const received: Buffer[] = []
        socket.on('error', () => {}).on('data', (chunk) => received.push(chunk))
        const closed = once(socket, 'close')
        await once(socket, 'connect')
        if (text !== '') socket.write(text)
        return { socket, closed, received: () => Buffer.concat(received).toString() }
      }
      const head = 'POST /trpc/people.updateMe HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n'
      const underWay = await connect(`${head}content-length: 9\r\n\r\n{"json":`)
      const keptAlive = await connect('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n')
      const silent = await connect('')
      while (!keptAlive.received().includes('alive')) await sleep(10)
      api.process.kill(signal)
      api.process.kill(signal)
      // Those without a request are closed at once, while the one with half a request may still bring the rest.
      await Promise.all([silent.closed, keptAlive.closed])
      underWay.socket.write('1')
      await underWay.closed
      expect(underWay.received()).toMatch(/^HTTP\/1\.1 4\d\d /)
      expect(await api.exited).toEqual({ code: 0, signal: null })
      expect(api.stdout()).toContain('"stopped"')
    },
  )

  test('a request that never ends does not keep it', async () => {
    await using db = await testDatabase()
    await using api = await startApi(env(db))
    await ready(api)
    const socket = net.connect(Number(new URL(api.url).port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(
      'POST /trpc/people.updateMe HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
    )
    await sleep(200)
    api.process.kill('SIGTERM')
    expect(await api.exited).toEqual({ code: 0, signal: null })
    socket.destroy()
  })

  test('supervised, it ends when its parent is gone; otherwise its stdin means nothing', async () => {
    await using db = await testDatabase()
    await using supervised = await startApi(env(db, { TERRACE_SUPERVISED: '1' }))
    await using free = await startApi(env(db, { TERRACE_SUPERVISED: '0' }))
    await ready(supervised)
    await ready(free)
    supervised.process.stdin?.end()
    free.process.stdin?.end()
    expect(await supervised.exited).toEqual({ code: 0, signal: null })
    expect(await readyz(free)).toMatchObject({ status: 200 })
  })

  test('a taken port is said in words', async () => {
    await using db = await testDatabase()
    const taken = net.createServer()
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    await using api = await startApi(env(db, { PORT: String(port) }))
    expect(await api.exited).toEqual({ code: 1, signal: null })
    expect(api.stdout()).toContain('EADDRINUSE')
    await new Promise((resolve) => taken.close(resolve))
  })
})
