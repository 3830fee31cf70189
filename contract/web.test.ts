// The web server's half of the contract (DESIGN §10), against its real build with the real API behind it.
import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../api/test/database.ts'
import { type TestServer, testServer } from '../api/test/server.ts'
import { freePort } from '../local/postgres.ts'
import { buildWeb } from '../local/web-build.ts'
import { emfLines } from './emf.schema.ts'
import { PUBLIC_PATHS } from './ports.ts'

interface Web extends AsyncDisposable {
  readonly url: string
  readonly process: ChildProcess
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  stdout(): string
}

let dir = ''
let db: TestDatabase
let api: TestServer
beforeAll(async () => {
  dir = (await buildWeb(() => {})).dir
  db = await testDatabase()
  api = await testServer(db, { whole: true })
}, 300_000)
afterAll(async () => {
  await api?.[Symbol.asyncDispose]()
  await db?.[Symbol.asyncDispose]()
})

/** Names and values as npm start and the units give them: no secret among them. */
async function startWeb(env: Record<string, string> = {}): Promise<Web> {
  const port = await freePort()
  const child = spawn(process.execPath, [path.join(dir, 'server.js')], {
    cwd: dir,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      NEXT_MANUAL_SIG_HANDLE: '1',
      API_URL: api.url,
      HOSTNAME: '127.0.0.1',
      PORT: String(port),
      TERRACE_SUPERVISED: '1',
      ...env,
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let stdout = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  )
  const url = `http://127.0.0.1:${port}`
  while ((await status(`${url}/readyz`)) !== 200) {
    if (child.exitCode !== null) throw new Error('the web server exited')
    await sleep(50)
  }
  return {
    url,
    process: child,
    exited,
    stdout: () => stdout,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

async function status(url: string): Promise<number | null> {
  try {
    const response = await fetch(url)
    await response.body?.cancel()
    return response.status
  } catch {
    return null
  }
}

test('is alive and ready, and pipes its public paths to the API that it was told of at its start', async () => {
  await using web = await startWeb()
  expect(await status(web.url + PUBLIC_PATHS.healthz)).toBe(200)
  const ready = await fetch(web.url + PUBLIC_PATHS.readyz)
  expect(await ready.json()).toMatchObject({ ready: true, api: 'ready' })
  const piped = await fetch(`${web.url}${PUBLIC_PATHS.trpc}/setup.status`)
  expect(await piped.json()).toEqual({ result: { data: { json: { needsOwner: true } } } })
  expect(piped.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  const signIn = await fetch(`${web.url}${PUBLIC_PATHS.auth}/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: 'http://localhost:3000' },
    body: JSON.stringify({ email: 'n@example.org', password: 'wrong password' }),
  })
  expect([signIn.status, await signIn.json()]).toMatchObject([401, { code: 'WRONG_CREDENTIALS' }])
  expect(await status(`${web.url}${PUBLIC_PATHS.files}/018f0000-0000-7000-8000-000000000000`)).toBe(401)
  expect(await status(`${web.url}${PUBLIC_PATHS.v1}/models`)).toBe(401)
  expect(await status(web.url + PUBLIC_PATHS.mcp)).toBe(401)
  // Nothing else of the API can be reached through it.
  for (const inner of [
    '/trpc/setup.status',
    '/files/x',
    '/v1/models',
    '/mcp',
    '/api/trpc/..%2freadyz',
    '/api/index',
  ])
    expect(await status(web.url + inner)).toBe(404)
})

test('what a client says about its address counts for nothing behind the web server either', async () => {
  await using web = await startWeb()
  const statuses: number[] = []
  for (let n = 0; n < 12; n++) {
    const response = await fetch(`${web.url}${PUBLIC_PATHS.auth}/sign-in/email`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        origin: 'http://localhost:3000',
        'x-forwarded-for': `203.0.113.${n}`,
      },
      body: JSON.stringify({ email: 'victim@example.org', password: 'wrong password' }),
    })
    await response.body?.cancel()
    statuses.push(response.status)
  }
  expect(statuses.filter((s) => s === 429).length).toBeGreaterThan(3)
})

test('without the API it stays ready, and says so', async () => {
  await using web = await startWeb({ API_URL: `http://127.0.0.1:${await freePort()}` })
  const ready = await fetch(web.url + PUBLIC_PATHS.readyz)
  expect([ready.status, await ready.json()]).toMatchObject([200, { ready: true, api: 'unreachable' }])
  const piped = await fetch(`${web.url}${PUBLIC_PATHS.trpc}/setup.status`)
  expect(piped.status).toBeGreaterThanOrEqual(502)
  expect(await piped.text()).not.toMatch(/node_modules|ECONNREFUSED|\bat .*\(/)
})

test.for(['SIGTERM', 'SIGINT'] as const)('%s ends it in order', { timeout: 70_000 }, async (signal) => {
  await using web = await startWeb()
  web.process.kill(signal)
  expect(await web.exited).toEqual({ code: 0, signal: null })
})

test('supervised, it ends when its parent is gone', { timeout: 70_000 }, async () => {
  await using web = await startWeb({ TERRACE_SUPERVISED: '1' })
  web.process.stdin?.end()
  expect(await web.exited).toEqual({ code: 0, signal: null })
})

test('tells its machine’s memory, disk and age where it has a stage, and nothing elsewhere', async () => {
  await using web = await startWeb({
    TERRACE_STAGE: 'test',
    TERRACE_IMAGE_MADE_AT: new Date(Date.now() - 36 * 3_600_000).toISOString(),
  })
  await expect.poll(() => emfLines(web.stdout()).length).toBe(1)
  const [line] = emfLines(web.stdout())
  expect(line).toMatchObject({ stage: 'test', tier: 'web' })
  expect([...(line?.values.keys() ?? [])]).toEqual(['MemoryUsed', 'DiskUsed', 'ImageAge'])
  expect(line?.values.get('ImageAge')?.[0]).toBeCloseTo(1.5, 1)
  await using elsewhere = await startWeb()
  // Long ready by now: it would have written with its start.
  expect(await status(`${elsewhere.url}/readyz`)).toBe(200)
  expect(elsewhere.stdout()).not.toContain('_aws')
})
