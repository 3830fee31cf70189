import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, request, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { openStreams } from './lifecycle.ts'
import { answerNotFound, pipeToApi } from './pipe.ts'

const running: Server[] = []

async function listen(handler: RequestListener): Promise<{ url: URL; server: Server }> {
  const server = createServer(handler)
  running.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), server }
}

/** A web server that pipes every path to a scripted API. */
async function piped(api: RequestListener, hops = 0, resumes?: boolean) {
  const upstream = await listen(api)
  const web = await listen((incoming, response) => {
    const options = {
      api: upstream.url,
      trustedProxyHops: hops,
      ...(resumes === undefined ? {} : { resumes }),
    }
    void pipeToApi(incoming, response, incoming.url ?? '/', options)
  })
  return { web: web.url, api: upstream }
}

afterEach(async () => {
  for (const server of running.splice(0)) {
    server.closeAllConnections()
    server.close()
    if (server.listening) await once(server, 'close')
  }
})

const text = async (message: IncomingMessage): Promise<string> => {
  let all = ''
  for await (const chunk of message) all += String(chunk)
  return all
}

describe('the pipe to the API', () => {
  it('passes method, path, query, headers, body, status and cookies', async () => {
    const { web } = await piped(async (incoming, response) => {
      const body = await text(incoming)
      response
        .writeHead(207, {
          'content-type': 'text/plain',
          'set-cookie': ['a=1; HttpOnly', 'b=2'],
          'x-own': 'yes',
        })
        .end(
          `${incoming.method} ${incoming.url} ${incoming.headers['content-type']} ${incoming.headers.cookie} ${body}`,
        )
    })
    const answer = await fetch(new URL('/files?name=%C3%A9+a%2Fb&collection=1', web), {
      method: 'PUT',
      headers: { 'content-type': 'application/pdf', cookie: 's=x' },
      body: 'hello',
    })
    expect(await answer.text()).toBe('PUT /files?name=%C3%A9+a%2Fb&collection=1 application/pdf s=x hello')
    expect(answer.status).toBe(207)
    expect(answer.headers.getSetCookie()).toEqual(['a=1; HttpOnly', 'b=2'])
    expect(answer.headers.get('x-own')).toBe('yes')
  })

  it('keeps the cookies of the balancer before this server from the API, and the API from speaking for it', async () => {
    const seen: unknown[] = []
    let said: string[] = []
    const { web } = await piped((incoming, response) => {
      seen.push(incoming.headers.cookie)
      response.writeHead(200, { 'set-cookie': said }).end()
    })
    const ask = async (cookie: string) => (await fetch(web, { headers: { cookie } })).headers.getSetCookie()

    const outer = 'terrace-web=1; AWSALBAPP-0=AAAA=; AWSALBAPP-1=_remove_'
    const inner = [
      'AWSALB=in+/=; Expires=Sat, 05 Dec 2026 00:00:00 GMT; Path=/',
      'AWSALBCORS=in; SameSite=None',
    ]
    const session = 'terrace.session_token=a%2Bb=; Path=/; HttpOnly'
    said = [
      ...['AWSALBAPP-0=_remove_; Path=/', inner[0] ?? '', 'terrace-web=2', 'AWSALBAPP-3=x', session],
      inner[1] ?? '',
    ]
    expect(await ask(`${outer}; AWSALB=in; terrace.session_token=a; terrace-web-other=1`)).toEqual([
      ...[inner[0], session, inner[1]],
    ])
    said = ['AWSALBAPP-0=_remove_; Path=/']
    expect(await ask(outer)).toEqual([])
    expect(await ask(`terrace-theme=dark;${outer};;AWSALBCORS=in`)).toEqual([])
    expect(seen).toEqual([
      'AWSALB=in; terrace.session_token=a; terrace-web-other=1',
      // Not an empty header: to the API, whoever sends cookies without saying where its page is from is refused.
      undefined,
      'terrace-theme=dark; AWSALBCORS=in',
    ])
  })

  it('lets 60 MB through without holding it: an API that does not read stops the sender', async () => {
    const total = 60 * 1024 * 1024
    let startReading: () => void = () => {}
    const mayRead = new Promise<void>((resolve) => {
      startReading = resolve
    })
    const { web } = await piped(async (incoming, response) => {
      await mayRead
      let bytes = 0
      for await (const chunk of incoming) bytes += (chunk as Buffer).length
      response.end(String(bytes))
    })
    const upload = request({ hostname: web.hostname, port: web.port, method: 'PUT', path: '/files' })
    const answered = once(upload, 'response')
    const block = Buffer.alloc(1024 * 1024, 7)
    let sent = 0
    // Writes until the sockets between here and the API are full, which they are long before 60 MB.
    const stalled = () =>
      new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), 1_000)
        upload.once('drain', () => {
          clearTimeout(timer)
          resolve(false)
        })
      })
    while (sent < total) {
      sent += block.length
      if (!upload.write(block) && (await stalled())) break
    }
    expect(sent).toBeLessThan(total)
    startReading()
    for (; sent < total; sent += block.length) if (!upload.write(block)) await once(upload, 'drain')
    upload.end()
    const [answer] = (await answered) as [IncomingMessage]
    expect(await text(answer)).toBe(String(total))
  })

  it('hands on each event as it comes, and forbids others to hold it back', async () => {
    let send: (event: string) => void = () => {}
    const { web } = await piped((_incoming, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      response.flushHeaders()
      send = (event) => response.write(event)
    })
    const answer = await fetch(web)
    expect(answer.headers.get('cache-control')).toBe('no-cache, no-transform')
    expect(answer.headers.get('x-accel-buffering')).toBe('no')
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      // The next one is only sent after this one arrived: anything that waits for more hangs here.
      send(event)
      expect((await reader?.read())?.value).toBe(event)
    }
    await reader?.cancel()
  })

  it('tells the API when the browser has gone, before and after the answer began', async () => {
    for (const answerFirst of [false, true]) {
      let aborted: () => void = () => {}
      let reached: () => void = () => {}
      const gone = new Promise<void>((resolve) => {
        aborted = resolve
      })
      const arrived = new Promise<void>((resolve) => {
        reached = resolve
      })
      const { web } = await piped((_incoming, response) => {
        response.once('close', () => aborted())
        if (answerFirst) {
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.flushHeaders()
        }
        reached()
      })
      const abort = new AbortController()
      const asked = fetch(web, { signal: abort.signal }).catch(() => undefined)
      await arrived
      if (answerFirst) await asked
      abort.abort()
      await gone
      await asked
    }
  })

  it.each([
    [undefined, 'data: 1\n\n'],
    [false, 'data: 1\n\ndata: 2\n\n'],
  ])('a stopping server ends event streams that are taken up again (resumes: %s)', async (resumes, whole) => {
    let finish: () => void = () => {}
    const { web } = await piped(
      (_incoming, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
        finish = () => response.end('data: 2\n\n')
      },
      0,
      resumes,
    )
    const answer = await fetch(web)
    for (const end of openStreams()) end()
    finish()
    expect(await answer.text()).toBe(whole)
  })

  it('ends the answer as broken when the API breaks off', async () => {
    const { web } = await piped((_incoming, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => response.destroy())
    })
    await expect(fetch(web).then((answer) => answer.text())).rejects.toThrow()
  })

  it('passes no hop-by-hop header in either direction, nor what Connection names', async () => {
    let seen: IncomingMessage['headers'] = {}
    const { web } = await piped((incoming, response) => {
      seen = incoming.headers
      response
        .writeHead(200, {
          connection: 'x-secret',
          'x-secret': '1',
          'proxy-authenticate': 'Basic',
          'x-open': '2',
        })
        .end()
    })
    const asked = request({
      hostname: web.hostname,
      port: web.port,
      headers: {
        connection: 'close, x-private',
        'x-private': '1',
        te: 'trailers',
        'proxy-authorization': 'x',
        'x-kept': '1',
      },
    }).end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    answer.resume()
    expect(Object.keys(seen).sort()).toEqual([
      ...['connection', 'host', 'x-forwarded-for', 'x-forwarded-host', 'x-kept'],
    ])
    expect(seen.connection).toBe('keep-alive')
    expect(answer.headers).toMatchObject({ 'x-open': '2' })
    expect(answer.headers).not.toHaveProperty('x-secret')
    expect(answer.headers).not.toHaveProperty('proxy-authenticate')
  })

  it('survives clients that close after each request: no stream is refused', async () => {
    const { web } = await piped((_incoming, response) => {
      response
        .writeHead(200, { 'content-type': 'text/event-stream', connection: 'keep-alive' })
        .end('data: 1\n\n')
    })
    for (let round = 0; round < 6; round += 1) {
      const asked = request({
        hostname: web.hostname,
        port: web.port,
        agent: false,
        headers: { connection: 'close' },
      })
      asked.end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      expect([answer.statusCode, await text(answer)]).toEqual([200, 'data: 1\n\n'])
    }
  })

  it('replaces every address that the client claims', async () => {
    const claims = {
      'x-forwarded-for': '6.6.6.6, 203.0.113.9',
      forwarded: 'for=6.6.6.6',
      'x-real-ip': '6.6.6.6',
      'x-forwarded-host': 'evil.example',
      'x-forwarded-proto': 'https',
    }
    const expected = [
      [0, '127.0.0.1'],
      [1, '203.0.113.9'],
      [2, '6.6.6.6'],
      [3, '127.0.0.1'],
    ] as const
    for (const [hops, address] of expected) {
      let seen: IncomingMessage['headers'] = {}
      const { web } = await piped((incoming, response) => {
        seen = incoming.headers
        response.end()
      }, hops)
      await fetch(web, { headers: claims })
      expect(seen['x-forwarded-for']).toBe(address)
      // The name that we were called by, whatever the client says it was.
      expect(seen['x-forwarded-host']).toBe(web.host)
      for (const name of ['forwarded', 'x-real-ip', 'x-forwarded-proto'])
        expect(seen).not.toHaveProperty(name)
    }
  })

  it.each([
    ['without a length', 'transfer-encoding: chunked\r\nconnection: close'],
    ['whose length Connection calls its own', 'content-length: LENGTH\r\nconnection: close, Content-Length'],
    [
      'whose framing Connection calls its own',
      'transfer-encoding: chunked\r\nconnection: close, transfer-encoding',
    ],
  ])('frames a body %s, so that it can not be read as a second request', async (_, headers) => {
    const hidden = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n'
    const length = String(hidden.length)
    const body = headers.startsWith('content')
      ? hidden
      : `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`
    for (const method of ['GET', 'DELETE', 'OPTIONS', 'POST']) {
      const urls: string[] = []
      const { web, api } = await piped(async (incoming, response) => {
        urls.push(incoming.url ?? '')
        response.end(String((await text(incoming)).length))
      })
      const socket = connect(Number(web.port), web.hostname)
      socket.write(
        `${method} /one HTTP/1.1\r\nhost: x\r\n${headers.replace('LENGTH', length)}\r\n\r\n${body}`,
      )
      let answer = ''
      for await (const chunk of socket) answer += String(chunk)
      expect(answer).toMatch(/^HTTP\/1.1 200/)
      // Whatever else was written on that connection has been read when it has ended.
      api.server.closeIdleConnections()
      await new Promise((resolve) => setImmediate(resolve))
      expect(urls).toEqual(['/one'])
      expect(answer.replace(/0\r\n\r\n$/, '').trimEnd()).toMatch(new RegExp(`${length}$`))
    }
  })

  it('says 502 UNAVAILABLE while the API is away, and works again when it is back', async () => {
    const { web, api } = await piped((_incoming, response) => response.end('here'))
    expect(await (await fetch(web)).text()).toBe('here')
    const port = Number(api.url.port)
    api.server.closeAllConnections()
    api.server.close()
    await once(api.server, 'close')
    const answer = await fetch(web, { method: 'PUT', body: 'x'.repeat(100_000) })
    expect(answer.status).toBe(502)
    expect(await answer.json()).toMatchObject({ code: 'UNAVAILABLE', detail: {} })
    api.server.listen(port, '127.0.0.1')
    await once(api.server, 'listening')
    expect(await (await fetch(web)).text()).toBe('here')
  })

  it('hands on an answer that came before the upload was read to its end', async () => {
    const { web } = await piped((incoming, response) => {
      response.writeHead(413, { 'content-type': 'application/json' }).end('{"code":"TOO_LARGE"}')
      incoming.resume()
    })
    const answer = await fetch(web, { method: 'PUT', body: 'x'.repeat(3_000_000) })
    expect([answer.status, await answer.json()]).toEqual([413, { code: 'TOO_LARGE' }])
  })

  it('has a coded answer for paths that lead nowhere', async () => {
    const web = await listen((_incoming, response) => answerNotFound(response))
    const answer = await fetch(web.url)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ code: 'NOT_FOUND' })
  })
})
