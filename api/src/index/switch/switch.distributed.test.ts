// The bar of switching, on a real node: two servers, twenty searches a second through the whole of retrieval, there and back again.
// No search fails, and each is answered by one engine from its beginning to its end.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { testEmbedders } from '../../../test/embedders.ts'
import type { EngineName } from '../../engine-names.ts'
import { searchPassages } from '../../retrieval/search.ts'
import { holdIndex, type Index, type IndexAnswer, type IndexQuery } from '../port.ts'
import { readChoice } from './choice.ts'
import { back, cancel, finish, switchTo } from './commands.ts'
import { Fleet, type FleetServer } from './fixtures.ts'

const PATIENCE = 60_000
const OPTIONS = { sample: 30, accept: false }
const EVERY_MS = 50

async function fleetOnNode() {
  const fleet = await Fleet.open()
  const alias = new URL(fleet.db.url).pathname.slice(1)
  const env = { OPENSEARCH_URL: `${inject('opensearch')}/${alias}` }
  const indexes = async () =>
    Object.keys((await (await fetch(`${inject('opensearch')}/${alias}*/_settings`)).json()) as object)
  return { fleet, env, indexes }
}

async function shelf({ library, db }: Fleet, documents: number) {
  await db.pool.query(
    "INSERT INTO users (id, name, email, updated_at) VALUES ('u', 'u', 'u@example.org', now())",
  )
  const collection = await library.collection({ owner: 'u' })
  const publish = async (d: number) => {
    const passages = Array.from({ length: 10 }, (_, i) => ({
      ...{ text: `pear ${d} beside quince ${i}`, heading: `Row ${d}` },
      vector: [1 + (d % 7), i, d % 11, 1],
    }))
    return (await library.publish(await library.document(collection), passages)).position
  }
  let position = { epoch: '', seq: 0 }
  for (let d = 0; d < documents; d++) position = await publish(d)
  return { collection, publish, position }
}

/**
 * Nothing of the first round can be read, so that each search asks a second time; and both take so long that the servers are
 * switched in the middle of some.
 */
async function once({ limit }: IndexQuery, answer: IndexAnswer): Promise<IndexAnswer> {
  await sleep(150)
  if (limit > 10) return answer
  const candidates = answer.candidates.map((one) => ({ ...one, passageId: one.passageId + 1e12 }))
  return { ...answer, candidates }
}

/** A search as a person makes it; says which engines it has asked, call by call. */
async function search({ index, pool }: FleetServer, n: number) {
  const asked = new Set<EngineName>()
  const watched = (name: EngineName, one: Index): Index => ({
    status: () => one.status(),
    waitFor: (position, ms) => one.waitFor(position, ms),
    search: async (query, signal) => {
      asked.add(name)
      return once(await query, await one.search(query, signal))
    },
    close: async () => {},
  })
  const outer: Index = {
    ...watched('embedded', index),
    async search(query, signal) {
      asked.add(index.answers)
      return once(await query, await index.search(query, signal))
    },
    status: () => index.status(),
    hold() {
      const held = holdIndex(index)
      const name = held.index === index.running('opensearch')?.index ? 'opensearch' : 'embedded'
      return { index: watched(name, held.index), [Symbol.dispose]: () => held[Symbol.dispose]() }
    },
  }
  const deps = { pool, index: outer, embedders: testEmbedders() }
  const { passages } = await searchPassages(
    deps,
    { userId: 'u', sessionId: 's', role: 'member', name: 'u', email: 'u@example.org' },
    { query: `pear ${n % 40} quince`, seen: 'head' },
  )
  return { asked: [...asked], found: passages.length }
}

test('switching both ways under twenty searches a second: none fails, none is mixed', async () => {
  const { fleet, env, indexes } = await fleetOnNode()
  await using _fleet = fleet
  const servers = [await fleet.start('a', { env }), await fleet.start('b', { env })]
  const { publish, position } = await shelf(fleet, 40)
  for (const { index } of servers) await index.waitFor(position, PATIENCE)
  const [ended, underWay] = [new AbortController(), new Set<Promise<void>>()]
  const by: Record<string, number> = {}
  const [failed, mixed]: [unknown[], unknown[]] = [[], []]
  let n = 0
  const ask = () => {
    const server = servers[n++ % 2]
    if (server === undefined) return
    const one = search(server, n)
      .then(({ asked, found }) => {
        const name = asked.join('+')
        by[name] = (by[name] ?? 0) + 1
        if (asked.length !== 1 || found !== 10) mixed.push({ asked, found })
      })
      .catch((error: unknown) => void failed.push(error))
      .finally(() => underWay.delete(one))
    underWay.add(one)
  }
  const began = performance.now()
  // A busy machine rings late: what is due by then is asked at once.
  const asking = setInterval(() => {
    while (n * EVERY_MS < performance.now() - began) ask()
  }, EVERY_MS)
  using stack = new DisposableStack()
  stack.defer(() => clearInterval(asking))
  stack.defer(() => ended.abort())
  // Documents go on being published.
  const publishing = (async () => {
    for (let d = 40; !ended.signal.aborted; d++) {
      await publish(d)
      await sleep(500)
    }
  })()
  const operator = fleet.operator()
  await switchTo(operator, 'opensearch', OPTIONS)
  await sleep(2_000)
  await back(operator)
  await sleep(1_000)
  await switchTo(operator, 'opensearch', OPTIONS)
  await finish(operator)
  await switchTo(operator, 'embedded', OPTIONS)
  await sleep(1_000)
  await finish(operator)
  clearInterval(asking)
  ended.abort()
  await Promise.all([...underWay, publishing])
  const seconds = Math.round((performance.now() - began) / 1_000)
  console.log(JSON.stringify({ asked: n, seconds, by, failed: failed.length, mixed: mixed.length }))
  console.log(operator.said.join('\n'))
  expect(failed).toEqual([])
  expect(mixed).toEqual([])
  expect(Object.keys(by).sort()).toEqual(['embedded', 'opensearch'])
  expect(servers.map(({ index }) => index.answers)).toEqual(['embedded', 'embedded'])
  // Nothing of it is left in the cluster, nor of the words that stood in for it.
  expect(await indexes()).toEqual([])
  for (const table of ['word_fill', 'word_documents', 'passage_words'])
    expect((await fleet.db.pool.query(`SELECT 1 FROM ${table}`)).rowCount).toBe(0)
})

test('who fills the cluster is killed: another server fills it, no faster than it may, and cancel removes it', async () => {
  const { fleet, env, indexes } = await fleetOnNode()
  await using _fleet = fleet
  const [first, second] = [await fleet.start('a', { env }), await fleet.start('b', { env })]
  const { position } = await shelf(fleet, 20)
  await first.index.waitFor(position, PATIENCE)
  const operator = fleet.operator()
  const switching = switchTo(operator, 'opensearch', { ...OPTIONS, rate: 40 })
  switching.catch(() => {})
  const fills = () => [first, second].find(({ index }) => index.running('opensearch')?.filling() != null)
  await expect
    .poll(() => operator.said.join('\n'))
    .toMatch(/opensearch: \d+ of 200 passages, \d+ a second, about \d+ s left/)
  const filler = fills()
  await filler?.[Symbol.asyncDispose]()
  operator.stop.abort(new Error('killed too'))
  await expect(switching).rejects.toThrow()
  await expect.poll(fills).not.toBeUndefined()
  expect(fills()).not.toBe(filler)
  const next = fleet.operator()
  await switchTo(next, 'opensearch', { ...OPTIONS, rate: 100_000 })
  const [left] = [first, second].filter((server) => server !== filler)
  expect(left?.index.answers).toBe('opensearch')
  await back(next)
  await finish(next)
  expect(await indexes()).toEqual([])
  await switchTo(fleet.operator(false), 'opensearch', OPTIONS).catch(() => {})
  expect(await indexes()).not.toEqual([])
  await cancel(fleet.operator())
  expect(await indexes()).toEqual([])
  expect(await readChoice(fleet.db.pool)).toMatchObject({ engine: 'embedded', beside: null })
})
