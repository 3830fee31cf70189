// A roll of the web tier between two load balancers that both keep a browser by cookies: its page finds its files, its calls
// stay with one API server, and when its web server leaves it goes on at another one.
// The web servers are real; the balancers are AWS's rules (harness/balancer.ts), the API servers are scripted.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { writeWeb } from '../ami/recipe/payload.ts'
import { STAY_COOKIE } from '../contract/ports.ts'
import { freePort } from '../local/postgres.ts'
import { buildWeb } from '../local/web-build.ts'
import { type Balancer, type Stickiness, startBalancer } from './harness/balancer.ts'
import { hasChromium, launchBrowser } from './harness/browser.ts'

/** A file of pages that were opened before the roll: the old set's own, and the new one's as its previous set's. */
const FORMER = 'chunks/0former~page.js'
const STATIC = 'web/.next/static'

let folder = ''
let apis: readonly Api[] = []
let inner: Balancer
/** Two web servers of the new set, one of the old. */
let webs = { first: '', old: '', second: '' }
const children: ChildProcess[] = []
const servers: Server[] = []
const outers: Balancer[] = []

beforeAll(async () => {
  const web = path.dirname((await buildWeb(() => {})).dir)
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-stay-'))
  const homes = { old: path.join(folder, 'old'), new: path.join(folder, 'new') }
  const previous = path.join(folder, 'previous')
  mkdirSync(path.join(previous, 'chunks'), { recursive: true })
  writeFileSync(path.join(previous, FORMER), 'former()')
  for (const home of Object.values(homes)) writeWeb(home, { web, previous })
  // One build stands for both sets: to the old one, the files of the new one's pages are unknown.
  rmSync(path.join(homes.old, STATIC), { recursive: true })
  mkdirSync(path.join(homes.old, STATIC, 'chunks'), { recursive: true })
  writeFileSync(path.join(homes.old, STATIC, FORMER), 'former()')

  apis = [await startApi(), await startApi()]
  inner = await startBalancer(
    apis.map(({ url }) => url),
    { kind: 'lb_cookie' },
  )
  const [first, old, second] = await Promise.all(
    [homes.new, homes.old, homes.new].map((home) => startWeb(home, inner.url)),
  )
  webs = { first: first ?? '', old: old ?? '', second: second ?? '' }
})
afterEach(async () => {
  for (const outer of outers.splice(0)) await outer[Symbol.asyncDispose]()
})
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await inner?.[Symbol.asyncDispose]()
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
  rmSync(folder, { recursive: true, force: true })
})

interface Api {
  readonly url: string
  /** Of each request; empty: none. */
  readonly cookies: string[]
}

async function startApi(): Promise<Api> {
  const cookies: string[] = []
  const server = createServer((request, response) => {
    cookies.push(request.headers.cookie ?? '')
    const session = request.url?.startsWith('/auth/sign-in')
      ? ['terrace.session_token=s.a%2Bb; Path=/; HttpOnly']
      : []
    response.writeHead(503, { 'content-type': 'application/json', 'set-cookie': session }).end('{}')
  })
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cookies }
}

async function startWeb(home: string, api: string): Promise<string> {
  const port = await freePort()
  const child = spawn(process.execPath, ['server.js'], {
    cwd: path.join(home, 'web'),
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      NEXT_MANUAL_SIG_HANDLE: '1',
      TRUSTED_PROXY_HOPS: '1',
      HOSTNAME: '127.0.0.1',
      PORT: String(port),
      API_URL: api,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  children.push(child)
  const url = `http://127.0.0.1:${port}`
  while (!(await fetch(`${url}/healthz`).catch(() => null))?.ok) {
    if (child.exitCode !== null) throw new Error(`the web server ended with ${child.exitCode}`)
    await sleep(50)
  }
  return url
}

/** The external balancer; without a cookie, the first goes to a server of the new set, the next to the old one's. */
async function balance(stickiness: Stickiness): Promise<Balancer> {
  const outer = await startBalancer([webs.first, webs.old, webs.second], stickiness)
  outers.push(outer)
  return outer
}
const APP_COOKIE = { kind: 'app_cookie', cookie: STAY_COOKIE.name } as const

describe.skipIf(!hasChromium)('while web servers of two image sets run', () => {
  let browser: Browser
  beforeAll(async () => {
    browser = await launchBrowser()
  })
  afterAll(() => browser?.close())

  afterEach(async () => {
    for (const context of browser.contexts()) await context.close()
  })

  /** Opens a page, waits until its script has asked the API something where it can, and closes it: what is left is its browser. */
  async function visit(outer: Balancer, context: BrowserContext, runs = true): Promise<void> {
    const calls = () => outer.passed.filter(({ path }) => path.startsWith('/api/')).length
    const before = calls()
    const page = await context.newPage()
    await page.goto(`${outer.url}/sign-in`, { waitUntil: 'load' })
    if (runs) await expect.poll(calls).toBeGreaterThan(before)
    await page.close()
  }
  let count = 0
  /** One request of that browser: which web server and which API server got it. */
  async function ask(outer: Balancer, { request }: BrowserContext, place: string) {
    const mark = `mark=${++count}.`
    const response = await request.get(`${outer.url}${place}?${mark}`)
    const by = ({ passed }: Balancer) => passed.find(({ path }) => path.endsWith(mark))?.target
    return { status: response.status(), web: by(outer), api: by(inner) }
  }
  const files = (outer: Balancer) => outer.passed.filter((one) => one.path.startsWith('/_next/static/'))
  const missing = (outer: Balancer) => files(outer).filter((one) => one.status === 404)
  const targets = (passed: Balancer['passed']) => [...new Set(passed.map(({ target }) => target))]

  test('without a cookie a page of the new set does not find its files', async () => {
    const outer = await balance({ kind: 'none' })
    await visit(outer, await browser.newContext(), false)
    expect(targets(missing(outer))).toEqual([webs.old])
  })

  test('a page finds its files from its first load on, and its browser stays, also with one API server', async () => {
    const outer = await balance(APP_COOKIE)
    const context = await browser.newContext()
    await visit(outer, context)
    expect(files(outer).length).toBeGreaterThan(5)
    expect(missing(outer)).toEqual([])

    const { api } = await ask(outer, context, '/api/auth/sign-in')
    for (let round = 0; round < 5; round++)
      expect(await ask(outer, context, '/api/trpc/people.me')).toMatchObject({ web: webs.first, api })
    expect(targets(outer.passed)).toEqual([webs.first])

    const cookies = await context.cookies()
    expect(cookies.find(({ name }) => name === STAY_COOKIE.name)).toMatchObject({
      ...{ value: '1', path: '/', httpOnly: true, secure: false, sameSite: 'Lax' },
    })
    const sent = apis.find(({ url }) => url === api)?.cookies.at(-1)
    expect(sent).toContain('terrace.session_token=s.a%2Bb')
    expect(sent).toContain('AWSALB=')
    for (const one of apis.flatMap((each) => each.cookies)) expect(one).not.toMatch(/AWSALBAPP|terrace-web/)
  })

  test('a web server that leaves loses its browsers at once: old pages find their files, new ones too', async () => {
    const { first, old, second } = webs
    const outer = await balance(APP_COOKIE)
    const [now, former] = [await browser.newContext(), await browser.newContext()]
    await visit(outer, now)
    await visit(outer, former, false)
    const file = `/_next/static/${FORMER}`
    expect(await ask(outer, former, file)).toMatchObject({ web: old, status: 200 })
    const { api } = await ask(outer, former, '/api/trpc/people.me')

    outer.deregister(first)
    outer.deregister(old)
    for (const context of [now, former])
      for (let round = 0; round < 3; round++)
        expect(await ask(outer, context, file)).toMatchObject({ web: second, status: 200 })
    expect(await ask(outer, former, '/api/trpc/people.me')).toMatchObject({ web: second, api })
    const before = outer.passed.length
    await visit(outer, now)
    const after = outer.passed.slice(before)
    expect(after.filter(({ status }) => status === 404)).toEqual([])
    expect(targets(after)).toEqual([second])
  })

  test('health checks, files and programs get no cookie of ours', async () => {
    const { first } = webs
    const outer = await balance(APP_COOKIE)
    await visit(outer, await browser.newContext())
    const [file] = files(outer)
    for (const place of ['/healthz', '/readyz', '/icon.svg', '/api/v1/models', file?.path ?? '']) {
      const cookies = (await fetch(first + place)).headers.getSetCookie()
      expect(
        cookies.filter((one) => one.startsWith(STAY_COOKIE.name)),
        place,
      ).toEqual([])
    }
    expect((await fetch(`${first}/sign-in`)).headers.getSetCookie()).toHaveLength(1)
  })
})
