// The built web server as it runs everywhere: what it lets a page do, what it passes on, how it stops.
// The API behind it is scripted here; the whole product is the other tests' business.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { writeWeb } from '../ami/recipe/payload.ts'
import { ROOT } from '../local/install.mjs'
import { freePort } from '../local/postgres.ts'
import { buildWeb, webBuildId } from '../local/web-build.ts'

let dir = ''
const children: ChildProcess[] = []
const servers: Server[] = []

beforeAll(async () => {
  dir = (await buildWeb(() => {})).dir
})

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL')
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

async function scriptedApi(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function startWeb(
  env: Record<string, string> = {},
  cwd = dir,
): Promise<{ url: string; child: ChildProcess }> {
  const port = await freePort()
  const child = spawn(process.execPath, ['server.js'], {
    cwd,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      NEXT_MANUAL_SIG_HANDLE: '1',
      HOSTNAME: '127.0.0.1',
      PORT: String(port),
      API_URL: 'http://127.0.0.1:9',
      ...env,
    },
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  children.push(child)
  const url = `http://127.0.0.1:${port}`
  for (;;) {
    if ((await fetch(`${url}/healthz`).catch(() => null))?.ok) return { url, child }
    if (child.exitCode !== null) throw new Error(`the web server ended with ${child.exitCode}`)
    await sleep(50)
  }
}

const policyOf = (response: Response): string => response.headers.get('content-security-policy') ?? ''

describe('the web server', () => {
  test('gives every page a nonce of its own, and every script of the page carries it', async () => {
    const { url } = await startWeb()
    const nonces = new Set<string>()
    for (const page of ['/sign-in', '/sign-in', '/', '/collections', '/chats/new', '/no/such/page']) {
      const response = await fetch(url + page)
      const html = await response.text()
      const nonce = /'nonce-([^']+)'/.exec(policyOf(response))?.[1] ?? ''
      expect(nonce.length).toBeGreaterThan(20)
      nonces.add(nonce)
      const scripts = html.match(/<script[^>]*>/g) ?? []
      expect(scripts.length).toBeGreaterThan(3)
      for (const script of scripts) expect(script).toContain(`nonce="${nonce}"`)
      expect(html).not.toMatch(/ on[a-z]+=|javascript:/)
      const policy = policyOf(response).split(',')[0] ?? ''
      expect(policy).toContain("default-src 'none'")
      expect(policy.replace("style-src-attr 'unsafe-inline'", '')).not.toContain('unsafe')
    }
    expect(nonces.size).toBe(6)
  })

  test('sends its security headers with everything', async () => {
    const { url } = await startWeb()
    for (const place of ['/sign-in', '/healthz', '/api/trpc/people.me', '/icon.svg', '/nothing']) {
      const { headers } = await fetch(url + place)
      expect(headers.get('x-content-type-options'), place).toBe('nosniff')
      expect(headers.get('referrer-policy'), place).toBe('same-origin')
      expect(headers.get('x-frame-options'), place).toBe('DENY')
      expect(headers.get('content-security-policy'), place).toContain("frame-ancestors 'none'")
      expect(headers.get('x-powered-by'), place).toBeNull()
    }
  })

  test('is told the model endpoint as it starts: one build, two places', async () => {
    const with1 = await startWeb({ NEXT_PUBLIC_LLAMMA_ENDPOINT: 'https://one.example/v1' })
    const with2 = await startWeb({ NEXT_PUBLIC_LLAMMA_ENDPOINT: 'https://two.example/v1' })
    const without = await startWeb()
    const connect = async (url: string) =>
      /connect-src ([^;]*)/.exec(policyOf(await fetch(`${url}/sign-in`)))?.[1]
    expect(await connect(with1.url)).toBe("'self' https://one.example")
    expect(await connect(with2.url)).toBe("'self' https://two.example")
    expect(await connect(without.url)).toBe("'self'")
    expect(await (await fetch(`${with2.url}/sign-in`)).text()).toContain('https://two.example/v1')
  })

  test('reports the API, and is ready without it', async () => {
    let status = 200
    const api = await scriptedApi((_request, response) => response.writeHead(status).end('{}'))
    const { url } = await startWeb({ API_URL: api })
    const ready = async () => {
      const response = await fetch(`${url}/readyz`)
      return [response.status, await response.json()]
    }
    expect(await ready()).toEqual([200, { ready: true, phase: 'serving', api: 'ready' }])
    status = 503
    expect(await ready()).toEqual([200, { ready: true, phase: 'serving', api: 'not ready' }])
    servers[0]?.closeAllConnections()
    servers[0]?.close()
    expect(await ready()).toEqual([200, { ready: true, phase: 'serving', api: 'unreachable' }])
    const piped = await fetch(`${url}/api/trpc/people.me`)
    expect(piped.status).toBe(502)
    expect(await piped.json()).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test('passes on trpc, auth, files and the doors, and nothing else under /api', async () => {
    const seen: string[] = []
    const api = await scriptedApi((request, response) => {
      seen.push(`${request.method} ${request.url}`)
      response.end('{}')
    })
    const { url } = await startWeb({ API_URL: api })
    await fetch(`${url}/api/trpc/a.b?input=%7B%22x%22%3A%22%C3%A9%22%7D`)
    await fetch(`${url}/api/auth/sign-in/email`, { method: 'POST', body: '{}' })
    await fetch(`${url}/api/files?name=a+b%2Fc.txt`, { method: 'PUT', body: 'x' })
    await fetch(`${url}/api/v1/models/terrace%2Fall`)
    await fetch(`${url}/api/mcp`, { method: 'POST', body: '{}' })
    await fetch(`${url}/api/mcp`, { method: 'DELETE' })
    expect(seen).toEqual([
      'GET /trpc/a.b?input=%7B%22x%22%3A%22%C3%A9%22%7D',
      'POST /auth/sign-in/email',
      'PUT /files?name=a+b%2Fc.txt',
      'GET /v1/models/terrace%2Fall',
      'POST /mcp',
      'DELETE /mcp',
    ])
    for (const other of [
      '/api',
      '/api/readyz',
      '/api/trpcx',
      '/api/v1x',
      '/api/mcpx',
      '/api/other',
      '/api/%74rpc/x',
    ]) {
      expect((await fetch(url + other)).status, other).toBe(404)
    }
    expect(seen).toHaveLength(6)
  })

  test('hands on a program’s answer as it comes; its end, and the program’s going, reach the API', async () => {
    let more: (text: string) => void = () => {}
    let gone = false
    const api = await scriptedApi((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
      more = (text) => response.write(text)
      response.once('close', () => {
        gone = true
      })
    })
    const { url } = await startWeb({ API_URL: api })
    const abort = new AbortController()
    const answer = await fetch(`${url}/api/v1/chat/completions`, {
      ...{ method: 'POST', body: '{}', signal: abort.signal, headers: { 'accept-encoding': 'gzip' } },
    })
    const reader = (answer.body ?? new ReadableStream<Uint8Array>())
      .pipeThrough(new TextDecoderStream())
      .getReader()
    expect((await reader.read()).value).toBe('data: 1\n\n')
    more('data: 2\n\n')
    expect((await reader.read()).value).toBe('data: 2\n\n')
    expect(gone).toBe(false)
    abort.abort()
    await expect.poll(() => gone).toBe(true)
  })

  test('lets 60 MB through without keeping it', async () => {
    let received = 0
    const api = await scriptedApi(async (request, response) => {
      for await (const chunk of request) received += (chunk as Buffer).length
      response.end('{}')
    })
    const { url, child } = await startWeb({ API_URL: api })
    const resident = () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1])
    const before = resident()
    const size = 60 * 1024 * 1024
    let peak = before
    const watch = setInterval(() => {
      peak = Math.max(peak, resident())
    }, 20)
    const response = await fetch(`${url}/api/files?name=x`, { method: 'PUT', body: new Uint8Array(size) })
    clearInterval(watch)
    expect([response.status, received]).toEqual([200, size])
    expect((peak - before) * 1024).toBeLessThan(size)
  })

  test.each([
    ['SIGTERM', (child: ChildProcess) => child.kill('SIGTERM')],
    ['SIGINT', (child: ChildProcess) => child.kill('SIGINT')],
    ['the end of its supervisor', (child: ChildProcess) => child.stdin?.end()],
  ])('on %s it ends streams, finishes an upload, and is gone', async (_, end) => {
    let uploaded = ''
    const api = await scriptedApi((request, response) => {
      if (request.method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
        return
      }
      request.setEncoding('utf8').on('data', (text: string) => {
        uploaded += text
      })
      request.on('end', () => response.end('{"kept":true}'))
    })
    const { url, child } = await startWeb({ API_URL: api, TERRACE_SUPERVISED: '1' })
    const stream = await fetch(`${url}/api/trpc/events.watch`)
    let send: ReadableStreamDefaultController<string> | undefined
    const body = new ReadableStream<string>({
      start(controller) {
        send = controller
        controller.enqueue('first half, ')
      },
    }).pipeThrough(new TextEncoderStream())
    const upload = fetch(`${url}/api/files?name=x`, { method: 'PUT', body, duplex: 'half' } as RequestInit)
    while (uploaded === '') await sleep(10)
    const exited = once(child, 'exit')
    end(child)
    // Ended, not torn: this resolves.
    expect(await stream.text()).toBe('data: 1\n\n')
    send?.enqueue('second half')
    send?.close()
    expect(await (await upload).json()).toEqual({ kept: true })
    expect(uploaded).toBe('first half, second half')
    expect(await exited).toEqual([0, null])
  })

  test('is the same wherever it was built: named by its sources, without places, dates and keys of its own', () => {
    expect(readFileSync(path.join(dir, '.next/BUILD_ID'), 'utf8')).toBe(webBuildId())
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    const naming = files
      .map((entry) => path.join(entry.parentPath, entry.name))
      .filter((file) => readFileSync(file).includes(ROOT))
    expect(naming).toEqual([])
    for (const name of ['prerender-manifest.json', 'server/preview-props.json'])
      expect(readFileSync(path.join(dir, '.next', name), 'utf8'), name).not.toMatch(/"[0-9a-f]{32,}"/)
  })

  test('has no key of the preview mode that anybody could send', () => {
    const read = (name: string) => JSON.parse(readFileSync(path.join(dir, '.next', name), 'utf8'))
    const keys = [read('server/preview-props.json'), read('prerender-manifest.json').preview].flatMap(
      Object.values,
    )
    expect(keys).toHaveLength(6)
    for (const key of keys) {
      expect(() => new Headers({ 'x-prerender-revalidate': key })).toThrow()
      // Cookies are decoded, so that more of them can be said; not this.
      expect(() => encodeURIComponent(key)).toThrow('URI malformed')
    }
  })

  test('in an image also has the files of pages that were opened before it, and lets them be kept', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'terrace-previous-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const previous = path.join(folder, 'previous')
    const [shared = ''] = readdirSync(path.join(dir, '.next/static/chunks'))
    mkdirSync(path.join(previous, 'chunks'), { recursive: true })
    mkdirSync(path.join(previous, 'formerbuild'))
    cpSync(path.join(dir, '.next/static/chunks', shared), path.join(previous, 'chunks', shared))
    writeFileSync(path.join(previous, 'chunks/0former~page.js'), 'former()')
    writeFileSync(path.join(previous, 'formerbuild/_buildManifest.js'), 'manifest()')
    const home = path.join(folder, 'home')
    writeWeb(home, { web: path.dirname(dir), previous })
    const { url } = await startWeb({}, path.join(home, 'web'))
    for (const [name, content] of [
      ['chunks/0former~page.js', 'former()'],
      ['formerbuild/_buildManifest.js', 'manifest()'],
      [`chunks/${shared}`, undefined],
      [`${webBuildId()}/_buildManifest.js`, undefined],
    ] as const) {
      const response = await fetch(`${url}/_next/static/${name}`)
      const text = await response.text()
      expect([response.status, name]).toEqual([200, name])
      expect(text).toBe(content ?? readFileSync(path.join(dir, '.next/static', name), 'utf8'))
      expect(response.headers.get('content-type')).toMatch(/javascript|css|font/)
      expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable')
    }
    expect((await fetch(`${url}/_next/static/chunks/1former~page.js`)).status).toBe(404)
    writeFileSync(path.join(previous, 'chunks', shared), 'another')
    expect(() => writeWeb(path.join(folder, 'other'), { web: path.dirname(dir), previous })).toThrow(
      `chunks/${shared} is another file`,
    )
  })

  test('keeps the script of the sign-in and the chat page under 200 kB', () => {
    const manifest: { pages: Record<string, string[]>; rootMainFiles: string[] } = JSON.parse(
      readFileSync(path.join(dir, '.next/build-manifest.json'), 'utf8'),
    )
    // What the browser then adds by itself (Markdown, for one) is measured in the browser: accessibility.test.ts.
    for (const page of ['/sign-in', '/chats/[id]', '/chats/new']) {
      const files = new Set([
        ...(manifest.pages['/_app'] ?? []),
        ...(manifest.pages[page] ?? []),
        ...manifest.rootMainFiles,
      ])
      const sizes = [...files]
        .filter((file) => file.endsWith('.js'))
        .map((file) => gzipSync(readFileSync(path.join(dir, '.next', file))).length)
      expect(
        sizes.reduce((sum, size) => sum + size, 0),
        page,
      ).toBeLessThanOrEqual(200_000)
    }
    expect(statSync(path.join(dir, 'public/icon.svg')).size).toBeGreaterThan(0)
  })
})
