// What the answer of a server, or its silence, means to the wait for it.
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { probe, readyAddress } from './probe.ts'

let server: http.Server
let answer: http.RequestListener
beforeEach(async () => {
  server = http.createServer((request, response) => answer(request, response))
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})
const ask = (answerMs?: number) =>
  probe(`http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz`, answerMs)
const answers = (status: number, body: string) => {
  answer = (_, response) => response.writeHead(status).end(body)
}

test('200 is ready, and nothing else is', async () => {
  answers(200, '{}')
  expect(await ask()).toEqual({ state: 'ready' })
  answers(204, '')
  expect(await ask()).toEqual({ state: 'loading', reason: 'it answers 204' })
  answer = (_, response) => response.writeHead(302, { location: '/healthz' }).end()
  expect(await ask()).toEqual({ state: 'loading', reason: 'it answers 302' })
})

test('why it is not is its own word, where it has one', async () => {
  answers(503, JSON.stringify({ reasons: ['draining', 'the index is not loaded'] }))
  expect(await ask()).toEqual({ state: 'loading', reason: 'draining; the index is not loaded' })
  for (const body of ['', 'no JSON', '[]', '{"reasons":[]}', 'null']) {
    answers(503, body)
    expect(await ask()).toEqual({ state: 'loading', reason: 'it answers 503' })
  }
})

test('who listens and does not come to answer works; who does not listen is silent', async () => {
  answer = () => {}
  expect(await ask(50)).toEqual({ state: 'loading', reason: 'it does not answer in time' })
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/readyz`
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  expect(await probe(address)).toEqual({ state: 'silent' })
})

test('it is asked where the load balancer asks', () => {
  expect(readyAddress('api')).toBe('http://127.0.0.1:4000/readyz')
  expect(readyAddress('web')).toBe('http://127.0.0.1:3000/readyz')
})
