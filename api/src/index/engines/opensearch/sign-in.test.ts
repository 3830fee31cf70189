import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { type Signer, wrongSignature } from '../../../../test/signed-requests.ts'
import { type AwsCredentials, createAwsCredentials } from '../../../aws-credentials.ts'
import { Cluster, type Request } from './cluster.ts'
import { createSignIn } from './sign-in.ts'

const REGION = 'eu-west-1'
const identity = (name: string): Signer => ({
  accessKeyId: `ASIA${name}`,
  secretAccessKey: `secret-of-${name}`,
  sessionToken: `session/of+${name}==`,
})

/** As a domain does: what is signed by whom it knows is answered, everything else refused. */
async function domain(known: Signer[], refuses?: string) {
  const seen: { id: string | undefined; wrong: string | undefined; body: string }[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    const wrong = wrongSignature(request, body, known, { region: REGION, service: 'es' }) ?? refuses
    const id = /Credential=([^/]+)/.exec(request.headers.authorization ?? '')?.[1]
    seen.push({ id, wrong, body: body.toString() })
    response.writeHead(wrong === undefined ? 200 : 403, { 'content-type': 'application/json' })
    response.end(JSON.stringify(wrong === undefined ? { ok: true } : { Message: wrong }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/terrace`,
    known,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function signed(url: string, ask: () => Promise<AwsCredentials>, now = Date.now) {
  const cluster = new Cluster(
    url,
    createSignIn(REGION, { credentials: createAwsCredentials({ ask, now }), now }),
  )
  return { cluster, [Symbol.asyncDispose]: () => cluster.close() }
}
const PING: Request = { method: 'GET', path: '/' }

test.each<[string, Request]>([
  ['a request without a body', PING],
  [
    'the name of a document, and a query',
    { ...PING, path: '/terrace-g1/_doc/state', query: { routing: 'a,b c', refresh: true } },
  ],
  ['a body', { method: 'PUT', path: '/terrace-g1', body: { settings: { 'index.knn': true } } }],
  [
    'lines of _bulk',
    { method: 'POST', path: '/terrace-g1/_bulk', lines: ['{"index":{"_id":"1"}}', '{"text":"Grüße, 検索"}'] },
  ],
  ['lines of _msearch', { method: 'POST', path: '/_msearch', lines: ['{}', '{"query":{"match_all":{}}}'] }],
])('%s carries a signature of all of it', async (_, request) => {
  await using there = await domain([identity('A')])
  await using server = signed(there.url, async () => identity('A'))
  expect(await server.cluster.send(request)).toEqual({ ok: true })
  expect(there.seen).toMatchObject([{ id: 'ASIAA', wrong: undefined }])
  if (request.lines !== undefined) expect(there.seen[0]?.body).toBe(`${request.lines.join('\n')}\n`)
})

test('credentials that end are exchanged before they do, and asked for once by many requests', async () => {
  await using there = await domain([identity('A'), identity('B')])
  let clock = Date.now()
  const asked: string[] = []
  await using server = signed(
    there.url,
    async () => {
      const name = asked.length === 0 ? 'A' : 'B'
      asked.push(name)
      return { ...identity(name), expiration: new Date(clock + 3_600_000) }
    },
    () => clock,
  )
  await Promise.all([PING, PING, PING].map((request) => server.cluster.send(request)))
  expect(asked).toEqual(['A'])
  clock += 3_500_000
  await Promise.all([PING, PING, PING].map((request) => server.cluster.send(request)))
  expect(asked).toEqual(['A', 'B'])
  expect(there.seen.map(({ id }) => id)).toEqual(['ASIAA', 'ASIAA', 'ASIAA', 'ASIAB', 'ASIAB', 'ASIAB'])
})

test('after a refusal the next request is signed with new credentials; a role that has no rights is not asked for each time', async () => {
  await using there = await domain([identity('B')])
  const asked: string[] = []
  await using server = signed(there.url, async () => {
    const name = asked.length === 0 ? 'A' : 'B'
    asked.push(name)
    return identity(name)
  })
  await expect(server.cluster.send(PING)).rejects.toMatchObject({ kind: 'sign-in', passes: true })
  expect(await server.cluster.send(PING)).toEqual({ ok: true })
  there.known.length = 0
  for (let times = 0; times < 5; times++) await server.cluster.send(PING).catch(() => {})
  expect(asked).toEqual(['A', 'B'])
})

test('what is refused names the role, and speaks of no password', async () => {
  const who =
    'User: arn:aws:sts::111122223333:assumed-role/terrace-prod-ApiRole/i-1 is not authorized to perform: es:ESHttpGet'
  await using there = await domain([identity('A')], `${who}.`)
  await using server = signed(there.url, async () => identity('A'))
  const error: Error = await server.cluster.send(PING).then(
    () => expect.unreachable(),
    (thrown) => thrown,
  )
  expect(error.message).toContain(
    `refuses the server's AWS role (403, OPENSEARCH_AUTH=iam): ${who}. The role has to be allowed es:ESHttp*`,
  )
  expect(error.message).not.toMatch(/password|secret-of|session\/of/)
})

test('a server without credentials says that, and sends nothing', async () => {
  await using there = await domain([])
  await using server = signed(there.url, async () => {
    throw new Error('no role')
  })
  const sending = server.cluster.send(PING)
  await expect(sending).rejects.toMatchObject({ kind: 'sign-in', passes: true })
  await expect(sending).rejects.toThrow(/can not be signed \(OPENSEARCH_AUTH=iam\): no AWS credentials/)
  expect(there.seen).toEqual([])
})

test('who gives up while credentials are asked for sends nothing', async () => {
  await using there = await domain([identity('A')])
  const stop = new AbortController()
  const { promise, resolve } = Promise.withResolvers<void>()
  await using server = signed(there.url, async () => {
    await promise
    return identity('A')
  })
  const sending = server.cluster.send({ ...PING, signal: stop.signal })
  stop.abort(new Error('gave up'))
  resolve()
  await expect(sending).rejects.toThrow('gave up')
  expect(there.seen).toEqual([])
})
