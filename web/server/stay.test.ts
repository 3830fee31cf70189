import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { stopServing } from './lifecycle.ts'
import { keepBrowser } from './stay.ts'

/** What one page sets, by a server that has so many proxies before it. */
async function pageSets(hops: number, headers: Record<string, string> = {}, status = 200): Promise<string[]> {
  const server = createServer((request, response) => {
    response.setHeader('set-cookie', 'other=1')
    response.statusCode = status
    keepBrowser(request, response, hops)
    response.end('<html>')
  })
  server.listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
  })
  await once(server, 'listening')
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers })
  return answer.headers.getSetCookie()
}

const KEPT = 'terrace-web=1; Path=/; Max-Age=900; HttpOnly; SameSite=Lax'
const RELEASED = 'terrace-web=1; Path=/; Max-Age=0; HttpOnly; SameSite=Lax'

describe('the cookie by which a browser stays', () => {
  it('comes with every page behind a load balancer, beside other cookies, and with none elsewhere', async () => {
    expect(await pageSets(1)).toEqual(['other=1', KEPT])
    expect(await pageSets(1, { cookie: 'terrace-web=1' })).toEqual(['other=1', KEPT])
    expect(await pageSets(1, {}, 404)).toEqual(['other=1', KEPT])
    expect(await pageSets(0)).toEqual(['other=1'])
  })

  it('is Secure where people come by HTTPS', async () => {
    expect(await pageSets(1, { 'x-forwarded-proto': 'https' })).toEqual(['other=1', `${KEPT}; Secure`])
    expect(await pageSets(1, { 'x-forwarded-proto': 'http' })).toEqual(['other=1', KEPT])
  })

  it('is taken back by a server that can not draw the page', async () => {
    expect(await pageSets(1, {}, 500)).toEqual(['other=1', RELEASED])
  })

  // The last one: from here on this process is a server that stops.
  it('is taken back by a server that is stopping', async () => {
    await stopServing({ exit: () => {} })
    expect(await pageSets(1, { 'x-forwarded-proto': 'https' })).toEqual(['other=1', `${RELEASED}; Secure`])
  })
})
