import { createServer } from 'node:http'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createOutbound, isAllowedAddress } from './outbound.ts'

describe('addresses', () => {
  it.each([
    ['8.8.8.8', true, true],
    ['2606:4700::1111', true, true],
    ['127.0.0.1', false, true],
    ['::1', false, true],
    ['10.1.2.3', false, true],
    ['172.16.0.1', false, true],
    ['192.168.1.1', false, true],
    ['100.64.0.1', false, true],
    ['fd12:3456::1', false, true],
    ['169.254.169.254', false, false],
    ['fe80::1', false, false],
    ['fd00:ec2::254', false, false],
    ['0.0.0.0', false, false],
    ['::', false, false],
    ['224.0.0.1', false, false],
    ['255.255.255.255', false, false],
    ['::ffff:169.254.169.254', false, false],
    ['::ffff:127.0.0.1', false, true],
    ['64:ff9b::7f00:1', false, false],
    ['2002:7f00:1::', false, false],
    ['not an address', false, false],
  ])('%s: public %s, named by the operator %s', (address, open, named) => {
    expect(isAllowedAddress(address, false)).toBe(open)
    expect(isAllowedAddress(address, true)).toBe(named)
  })
})

describe('requests', () => {
  const seen: { url: string; method: string; authorization: string | undefined; body: string }[] = []
  let other = 0
  const server = createServer((request, response) => {
    const url = request.url ?? ''
    let body = ''
    request.setEncoding('utf8').on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      seen.push({ url, method: request.method ?? '', authorization: request.headers.authorization, body })
      const [, status, target] = /^\/to\/(\d+)\/(.*)/.exec(url) ?? []
      if (target === undefined) response.end('here')
      else response.writeHead(Number(status), { location: decodeURIComponent(target) }).end()
    })
  })
  const second = createServer((request, response) => {
    seen.push({
      url: `second${request.url}`,
      method: request.method ?? '',
      authorization: request.headers.authorization,
      body: '',
    })
    response.end('second')
  })
  let origin = ''
  beforeAll(async () => {
    const listening = (s: typeof server) =>
      new Promise<number>((resolve) =>
        s.listen(0, '127.0.0.1', () => {
          const address = s.address()
          resolve(typeof address === 'object' && address !== null ? address.port : 0)
        }),
      )
    origin = `http://127.0.0.1:${await listening(server)}`
    other = await listening(second)
  })
  afterAll(() => {
    server.close()
    second.close()
  })

  const post = async (named: string[], url: string) => {
    const outbound = createOutbound(named)
    try {
      const { status, body } = await outbound.request(url, {
        method: 'POST',
        headers: { authorization: 'Bearer k' },
        body: 'x',
      })
      return { status, text: await body.text() }
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error
    } finally {
      await outbound.close()
    }
  }

  it('reaches this machine only where the operator named it', async () => {
    expect(await post([origin], `${origin}/a`)).toEqual({ status: 200, text: 'here' })
    const before = seen.length
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '2130706433', '0x7f.1', '[::ffff:7f00:1]', '0'])
      expect(await post([], origin.replace('127.0.0.1', host))).toBe('FORBIDDEN_ADDRESS')
    expect(await post([origin], `http://127.0.0.1:${other}/`)).toBe('FORBIDDEN_ADDRESS')
    expect(await post([], 'file:///etc/passwd')).toBe('FORBIDDEN_ADDRESS')
    expect(await post(['http://169.254.169.254'], 'http://169.254.169.254/latest/meta-data')).toBe(
      'FORBIDDEN_ADDRESS',
    )
    expect(seen.length).toBe(before)
  })

  it('follows a redirect within the origin, with method, body and key', async () => {
    expect(await post([origin], `${origin}/to/307/${encodeURIComponent('/b')}`)).toEqual({
      status: 200,
      text: 'here',
    })
    expect(seen.at(-1)).toEqual({ url: '/b', method: 'POST', authorization: 'Bearer k', body: 'x' })
  })

  it('follows no redirect to another origin, not even one that the operator named', async () => {
    const before = seen.length
    const away = encodeURIComponent(`http://127.0.0.1:${other}/metadata`)
    const named = [origin, `http://127.0.0.1:${other}`]
    expect(await post(named, `${origin}/to/307/${away}`)).toBe('FORBIDDEN_ADDRESS')
    expect(seen.slice(before).map(({ url }) => url)).toEqual([`/to/307/${away}`])
  })

  it('does not follow what would change the method, nor for ever', async () => {
    expect(await post([origin], `${origin}/to/302/${encodeURIComponent('/b')}`)).toMatchObject({
      status: 302,
    })
    const loop = `${origin}/to/307/${encodeURIComponent('/to/307/%2Fto%2F307%2F')}`
    expect(await post([origin], loop)).toMatchObject({ status: expect.any(Number) })
  })
})
