import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../local/postgres.ts'
import { createLooks } from './looks.ts'
import { createOutbound, type Outbound } from './outbound.ts'

// A server whose only reply a test sets.
let reply: (request: IncomingMessage, response: ServerResponse) => void = () => {}
const asked: { url: string | undefined; authorization: string | undefined }[] = []
const server = createServer((request, response) => {
  asked.push({ url: request.url, authorization: request.headers.authorization })
  reply(request, response)
})
let origin = ''
let outbound: Outbound
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  outbound = createOutbound([origin])
})
afterAll(async () => {
  await outbound.close()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
beforeEach(() => {
  asked.length = 0
})

const says = (status: number, body: unknown = '') => {
  reply = (_, response) =>
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body))
}
const list = (...data: object[]) => ({ object: 'list', data })
const byList = (model = 'llama-3.1-8b', key?: string) =>
  createLooks(outbound).byList(`${origin}/v1`, key, model)()
const DOUBTFUL = { state: 'not-listed', doubtful: true }

describe('a look at a list of models', () => {
  it.each([
    ['lists the name', 200, list({ id: 'other' }, { id: 'llama-3.1-8b' }), { state: 'available' }],
    ['in other letters', 200, list({ id: 'Llama-3.1-8B' }), { state: 'available' }],
    ['in a folder', 200, list({ id: 'models/llama-3.1-8b' }), { state: 'available' }],
    ['with the tag that is meant', 200, list({ id: 'llama-3.1-8b:latest' }), { state: 'available' }],
    ['as an alias', 200, list({ id: 'x', aliases: ['llama-3.1-8b'] }), { state: 'available' }],
    ['as what it was made from', 200, list({ id: 'x', root: 'llama-3.1-8b' }), { state: 'available' }],
    ['in a bare array', 200, [{ id: 'llama-3.1-8b' }], { state: 'available' }],
    ['lists only others', 200, list({ id: 'llama-3.1-70b' }, { id: 'xllama-3.1-8b' }), DOUBTFUL],
    ['lists others, and has more', 200, { ...list({ id: 'other' }), has_more: true }, { state: 'available' }],
    ['lists nothing', 200, list(), { state: 'available' }],
    ['lists what has no names', 200, list({ id: 7, aliases: 'llama' }, { id: null }), DOUBTFUL],
    ['is a page', 200, '<!doctype html><title>Welcome</title>', { state: 'available' }],
    ['is half a list', 200, '{"data": [{"id": "other"}', { state: 'available' }],
    ['is something else', 200, { data: { id: 'other' } }, { state: 'available' }],
    ['has no list', 404, '', { state: 'available' }],
    ['wants another method', 405, '', { state: 'available' }],
    ['leads elsewhere', 302, '', { state: 'available' }],
    ['failed at its list', 500, '', { state: 'available' }],
    ['refuses the key', 401, list({ id: 'llama-3.1-8b' }), { state: 'refused-key' }],
    ['forbids the list', 403, '', { state: 'refused-key', doubtful: true }],
    ['is busy', 429, '', { state: 'busy' }],
    ['is overloaded', 503, '', { state: 'busy' }],
    ['stands before a server that is gone', 502, '', { state: 'unreachable' }],
  ])('%s (%i)', async (_, status, body, seen) => {
    says(status, body)
    expect(await byList()).toEqual(seen)
  })

  it('asks with the key, and spends nothing', async () => {
    says(200, list({ id: 'm' }))
    await byList('m', 'secret')
    await createLooks(outbound).byList(`${origin}/v1/`, undefined, 'm')()
    expect(asked).toEqual([
      { url: '/v1/models', authorization: 'Bearer secret' },
      { url: '/v1/models', authorization: undefined },
    ])
  })

  it('asks once for all models of a server, and apart for another key', async () => {
    says(200, list({ id: 'a' }))
    const looks = createLooks(outbound)
    const [url, other] = [`${origin}/v1`, `${origin}/other`]
    const seen = await Promise.all([
      ...[looks.byList(url, 'k', 'a')(), looks.byList(url, 'k', 'b')()],
      ...[looks.byList(url, 'other', 'a')(), looks.byList(other, 'k', 'a')()],
    ])
    expect(seen.map(({ state }) => state)).toEqual(['available', 'not-listed', 'available', 'available'])
    expect(asked.length).toBe(3)
    await looks.byList(url, 'k', 'a')()
    expect(asked.length).toBe(4)
  })

  it('nobody there', async () => {
    const gone = `http://127.0.0.1:${await freePort()}`
    const elsewhere = createOutbound([gone])
    expect(await createLooks(elsewhere).byList(`${gone}/v1`, undefined, 'm')()).toEqual({
      state: 'unreachable',
    })
    await elsewhere.close()
  })

  it('an address that may not be reached is not', async () => {
    const open = createOutbound([])
    expect(await createLooks(open).byList(`${origin}/v1`, 'secret', 'm')()).toEqual({ state: 'unreachable' })
    expect(asked).toEqual([])
    await open.close()
  })

  it('a redirect takes the key nowhere else', async () => {
    const away: (string | undefined)[] = []
    const second = createServer((request, response) => {
      away.push(request.headers.authorization)
      response.end('{}')
    })
    await new Promise<void>((resolve) => second.listen(0, '127.0.0.1', resolve))
    const { port } = second.address() as AddressInfo
    reply = (_, response) => response.writeHead(307, { location: `http://127.0.0.1:${port}/v1/models` }).end()
    // Not even to one that the operator named.
    const both = createOutbound([origin, `http://127.0.0.1:${port}`])
    const look = createLooks(both).byList(`${origin}/v1`, 'secret', 'm')
    expect(await look()).toEqual({ state: 'unreachable' })
    expect(away).toEqual([])
    await both.close()
    second.close()
  })

  it('a list without end is read to a limit', async () => {
    let closed = () => {}
    const cut = new Promise<void>((resolve) => {
      closed = resolve
    })
    let sent = 0
    reply = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"data": [{"id": "other"}')
      const piece = `,{"id": "${'x'.repeat(65_536)}"}`
      const more = () => {
        while (sent < 100_000_000) {
          sent += piece.length
          if (!response.write(piece)) return
        }
      }
      response.on('drain', more).once('close', closed)
      more()
    }
    expect(await byList()).toEqual({ state: 'available' })
    await cut
    // What the sockets between hold comes on top of the limit.
    expect(sent).toBeLessThan(20_000_000)
  })

  it('a list that drips is given up, and so is a server that says nothing', async () => {
    let dripping: NodeJS.Timeout | undefined
    reply = (_, response) => {
      response.writeHead(200).write('{"data": [')
      dripping = setInterval(() => response.write(' '), 50)
    }
    const [drip, silent] = await Promise.all([
      byList(),
      (async () => {
        await new Promise((resolve) => setTimeout(resolve, 100))
        reply = () => {}
        return await byList()
      })(),
    ])
    clearInterval(dripping)
    expect([drip, silent]).toEqual([{ state: 'available' }, { state: 'unreachable' }])
  })
})

describe('a look at the model endpoint', () => {
  const byHealth = () => createLooks(outbound).byHealth(origin, 'llama-3-8b')()

  it.each([
    [
      200,
      { ok: true, models: ['llama-3-8b'], requestsPerMinute: 300 },
      { state: 'available', requestsPerMinute: 300 },
    ],
    [200, { ok: true, models: ['llama-3-8b'] }, { state: 'available' }],
    [200, { ok: true, models: ['other'] }, DOUBTFUL],
    [200, { ok: true, models: ['llama-3-8b'], requestsPerMinute: 'many' }, { state: 'available' }],
    [200, '<!doctype html>', { state: 'unreachable' }],
    [404, '', { state: 'unreachable' }],
    [503, { error: { code: 'MISCONFIGURED' } }, { state: 'unreachable' }],
    [429, '', { state: 'busy' }],
  ])('%i %j', async (status, body, seen) => {
    says(status, body)
    expect(await byHealth()).toEqual(seen)
    // Its list wants a token; this wants none.
    expect(asked).toEqual([{ url: '/health', authorization: undefined }])
  })
})
