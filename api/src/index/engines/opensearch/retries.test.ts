// What the client does about a cluster, or one of its nodes, in trouble. What it says about it: cluster.test.ts.
import { expect, test } from 'vitest'
import { type ScriptedCluster, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { Cluster, type Request, Trouble } from './cluster.ts'

const fine = { status: 200, body: {} }
const red = { status: 503, body: { error: { type: 'some_exception', reason: 'a shard is missing' } } }
const search: Request = { method: 'POST', path: '/_msearch', lines: ['{}', '{}'], idempotent: true }

interface Place extends AsyncDisposable {
  readonly cluster: Cluster
  readonly nodes: readonly ScriptedCluster[]
}

async function place(...scripts: ScriptedCluster['script'][]): Promise<Place> {
  const stack = new AsyncDisposableStack()
  const nodes: ScriptedCluster[] = []
  for (const script of scripts) nodes.push(stack.use(await scriptedCluster(script)))
  const cluster = new Cluster(nodes.map(({ url }) => url).join(','))
  stack.defer(() => cluster.close())
  return { cluster, nodes, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Requests of callers, without those that ask whether a node is there. */
function asked({ requests }: ScriptedCluster): number {
  return requests.filter(({ path }) => path !== '/').length
}

async function failure(sending: Promise<unknown>): Promise<unknown> {
  return sending.then(
    () => expect.unreachable('an error was expected'),
    (thrown) => thrown,
  )
}

test('requests go to every node in turn', async () => {
  await using of = await place(
    () => fine,
    () => fine,
    () => fine,
  )
  for (let i = 0; i < 9; i++) await of.cluster.send(search)
  expect(of.nodes.map(asked)).toEqual([3, 3, 3])
})

test('a dead node costs one try, and is left out for a while', async () => {
  await using of = await place(
    () => fine,
    () => 'hang-up',
    () => fine,
  )
  for (let i = 0; i < 20; i++) await of.cluster.send(search)
  const [first = 0, dead = 0, third = 0] = of.nodes.map(asked)
  expect(first + third).toBe(20)
  expect(dead).toBe(1)
})

test('a dead node is asked again soon after it is there again', async () => {
  await using of = await place(
    () => fine,
    () => 'hang-up',
  )
  const [, dead] = of.nodes
  for (let i = 0; i < 4; i++) await of.cluster.send(search)
  if (dead !== undefined) dead.script = () => fine
  const before = of.nodes.map(asked)[1]
  const again = async () => {
    await of.cluster.send(search)
    return of.nodes.map(asked)[1]
  }
  await expect.poll(again).toBeGreaterThan(before ?? 0)
})

test('a node that says nothing leaves time to ask another', async () => {
  await using of = await place(
    () => 'silence',
    () => fine,
  )
  for (let i = 0; i < 3; i++) await of.cluster.send({ ...search, timeoutMs: 2_000 })
  expect(of.nodes.map(asked)).toEqual([1, 3])
})

test('a node whose answers never end is left out, as one that says nothing', async () => {
  await using of = await place(
    () => 'no end',
    () => fine,
  )
  for (let i = 0; i < 3; i++) await of.cluster.send({ ...search, timeoutMs: 2_000 })
  expect(of.nodes.map(asked)).toEqual([1, 3])
})

test('an answer that never ends is none', async () => {
  await using of = await place(() => 'no end')
  const error = await failure(of.cluster.send({ ...search, idempotent: false, timeoutMs: 200 }))
  expect(error).toMatchObject({ kind: 'away', message: expect.stringContaining('does not answer in time') })
})

test('what may have been done is not sent again, unless twice is as once', async () => {
  await using of = await place(() => 'hang-up')
  const change: Request = { method: 'POST', path: '/_aliases', body: {} }
  expect(await failure(of.cluster.send(change))).toMatchObject({ kind: 'away' })
  expect(of.nodes.map(asked)).toEqual([1])
  of.nodes[0]?.requests.splice(0)
  let tries = 0
  for (const node of of.nodes) node.script = () => (++tries < 3 ? 'hang-up' : fine)
  await of.cluster.send({ ...change, idempotent: true })
  expect(of.nodes.map(asked)).toEqual([3])
})

test.each([
  ['missing shards', red, 3],
  ['too many requests', { status: 429 }, 3],
  ['what stands before it', { status: 504 }, 3],
  ['a refused sign-in', { status: 401 }, 1],
  ['something wrong with it', { status: 400 }, 1],
  ['its size', { status: 413 }, 1],
])('a request that fails by %s', async (_, answer, sent) => {
  await using of = await place(() => answer)
  expect(await failure(of.cluster.send(search))).toBeInstanceOf(Trouble)
  expect(of.nodes.map(asked)).toEqual([sent])
})

test('a part of an answer that failed counts as the whole', async () => {
  await using of = await place(() => fine)
  let checked = 0
  await of.cluster.send(search, () => {
    if (++checked < 3) throw new Trouble('red', 'a part is missing')
  })
  expect(of.nodes.map(asked)).toEqual([3])
})

test('a cluster in trouble is asked little more often than one that is not', async () => {
  await using of = await place(() => red)
  const all = Array.from({ length: 200 }, () => failure(of.cluster.send(search)))
  for (const error of await Promise.all(all)) expect(error).toMatchObject({ kind: 'red' })
  const [sent = 0] = of.nodes.map(asked)
  expect(sent).toBeGreaterThan(200)
  // A tenth, what there is at the beginning, and one a second.
  expect(sent).toBeLessThan(250)
})

test('a cluster that wants to be left alone is, until nobody waits any more', async () => {
  let header = '60'
  await using of = await place(() => ({ status: 429, headers: { 'retry-after': header } }))
  expect(await failure(of.cluster.send(search))).toMatchObject({ kind: 'busy', retryAfterMs: 60_000 })
  expect(of.nodes.map(asked)).toEqual([1])
  header = '0'
  expect(await failure(of.cluster.send(search))).toMatchObject({ kind: 'busy' })
  expect(of.nodes.map(asked)).toEqual([4])
})

test('who gives up ends it between two tries too', async () => {
  const giveUp = new AbortController()
  await using of = await place(() => {
    setTimeout(() => giveUp.abort(new Error('given up')), 20)
    return { status: 429, headers: { 'retry-after': '5' } }
  })
  const { signal } = giveUp
  expect(await failure(of.cluster.send({ ...search, signal }))).toMatchObject({ message: 'given up' })
  expect(of.nodes.map(asked)).toEqual([1])
})

test('nobody waits for a cluster that is away, and it is found when it is there again', async () => {
  await using of = await place(() => 'hang-up')
  const [node] = of.nodes
  const returned = new Promise<void>((resolve) => {
    of.cluster.returned = resolve
  })
  const first = await failure(of.cluster.send(search))
  await failure(of.cluster.send(search))
  const before = of.nodes.map(asked)
  expect(before).toEqual([5])
  for (let i = 0; i < 50; i++) {
    const error = await failure(of.cluster.send(search))
    expect(error).toMatchObject({ kind: 'away', passes: true, message: (first as Trouble).message })
  }
  expect(of.nodes.map(asked)).toEqual(before)
  if (node !== undefined) node.script = () => fine
  await returned
  await of.cluster.send(search)
  expect(of.nodes.map(asked)).toEqual([6])
})

test('a cluster that answers, however badly, is not away', async () => {
  await using of = await place(() => red)
  for (let i = 0; i < 20; i++) await failure(of.cluster.send({ ...search, idempotent: false }))
  expect(of.nodes.map(asked)).toEqual([20])
  // Nor is one whose answers have parts that failed.
  for (const node of of.nodes) node.script = () => fine
  const part = () => {
    throw new Trouble('red', 'a part is missing')
  }
  for (let i = 0; i < 20; i++) await failure(of.cluster.send({ ...search, idempotent: false }, part))
  expect(of.nodes.map(asked)).toEqual([40])
})

test('when it has last answered is known, whatever it has said', async () => {
  await using of = await place(() => 'hang-up')
  const [node] = of.nodes
  for (const [answer, isOne] of [
    ['hang-up', false],
    [red, true],
    [fine, true],
  ] as const) {
    if (node !== undefined) node.script = () => answer
    const before = of.cluster.answeredAt
    await of.cluster.send({ ...search, idempotent: false }).catch(() => {})
    expect(of.cluster.answeredAt > before).toBe(isOne)
  }
})

test('one that is there again and says only that it may not be asked how it is, is there', async () => {
  await using of = await place(() => 'hang-up')
  const returned = new Promise<void>((resolve) => {
    of.cluster.returned = resolve
  })
  for (let i = 0; i < 5; i++) await failure(of.cluster.send({ ...search, idempotent: false }))
  // What a role may do is to search, and not to look at the cluster.
  for (const node of of.nodes) node.script = ({ path }) => (path === '/' ? { status: 403 } : fine)
  await returned
  expect(await of.cluster.send(search)).toEqual({})
})
