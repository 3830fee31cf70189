// Servers and an operator over one database. Another index process stands for the cluster (fixtures.ts): what is tested here is
// who answers when, not OpenSearch, which has a test of its own (switch.distributed.test.ts).
import { readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openBlobStore } from '../../storage/open.ts'
import { holdIndex, type Index } from '../port.ts'
import { listManifests, manifestKey } from '../shared/shared.ts'
import { readChoice } from './choice.ts'
import { back, cancel, finish, status, switchTo } from './commands.ts'
import { Fleet, type FleetServer, standIn } from './fixtures.ts'
import { liveServers } from './servers.ts'

const PATIENCE = { timeout: 30_000 }
const OPTIONS = { sample: 20, accept: false }
const BOTH = { env: { OPENSEARCH_URL: 'http://127.0.0.1:9/terrace' }, cluster: standIn }

async function shelf(fleet: Fleet) {
  const collection = await fleet.library.collection()
  let position = { epoch: '', seq: 0 }
  for (let d = 0; d < 5; d++) {
    const passages = Array.from({ length: 8 }, (_, i) => ({
      ...{ text: `pear ${d} beside quince ${i}`, heading: `Row ${d}` },
      vector: [d, i, 1],
    }))
    position = (await fleet.library.publish(await fleet.library.document(collection), passages)).position
  }
  return { collection, position }
}

async function found({ index }: FleetServer, collection: { key: number }): Promise<number> {
  using held = holdIndex(index)
  const filter = { kind: 'collections', keys: [collection.key] } as const
  const { candidates } = await held.index.search({ text: 'pear', vector: null, filter, limit: 200 })
  return candidates.length
}

test('servers are switched and back again, all of them, while they are searched; nothing fails', async () => {
  await using fleet = await Fleet.open()
  const servers = [await fleet.start('a', BOTH), await fleet.start('b', BOTH)]
  const { collection, position } = await shelf(fleet)
  for (const { index } of servers) await index.waitFor(position, 30_000)
  const ended = new AbortController()
  const counts = new Set<number>()
  const searching = servers.map(async (server) => {
    while (!ended.signal.aborted) {
      counts.add(await found(server, collection))
      await sleep(10)
    }
  })
  const operator = fleet.operator()
  await switchTo(operator, 'opensearch', OPTIONS)
  expect(servers.map(({ index }) => index.answers)).toEqual(['opensearch', 'opensearch'])
  expect(operator.said.join('\n')).toMatch(
    /5 documents, 40 passages, 40 vectors[\s\S]* 100\.0 % are the same/,
  )
  expect(operator.said).toContain('opensearch answers on all 2 servers.')
  // The one before goes on following the log.
  const more = await fleet.library.publish(await fleet.library.document(collection), [{ text: 'pear' }])
  await servers[0]?.index.running('embedded')?.index.waitFor(more.position, 30_000)
  await back(operator)
  expect(servers.map(({ index }) => index.answers)).toEqual(['embedded', 'embedded'])
  ended.abort()
  await Promise.all(searching)
  expect([...counts].sort()).toEqual([40, 41])
})

test('a server that starts in the middle does as the others, and one that dies is waited for no longer than it counts', async () => {
  await using fleet = await Fleet.open()
  await fleet.start('a', BOTH)
  await shelf(fleet)
  const operator = fleet.operator()
  const switched = switchTo(operator, 'opensearch', OPTIONS)
  const late = await fleet.start('b', BOTH)
  // Killed: it says nothing any more, and has heard nothing.
  await fleet.db.pool.query(
    `INSERT INTO search_engine_servers (id, name, heard, answers, has_cluster, engines, seen_at)
     VALUES (gen_random_uuid(), 'dead', 0, 'embedded', true, '{}', now() - interval '15 seconds')`,
  )
  await switched
  expect(late.index.answers).toBe('opensearch')
  const after = await fleet.start('c', BOTH)
  expect(after.index.answers).toBe('opensearch')
  await expect.poll(() => after.index.running('embedded') !== null, PATIENCE).toBe(true)
})

test('finish ends the engine before, removes its checkpoints, and there is no way back then', async () => {
  await using fleet = await Fleet.open()
  const server = await fleet.start('a', { ...BOTH, env: { ...BOTH.env, INDEX_CHECKPOINTS: 'shared' } })
  const { collection } = await shelf(fleet)
  const store = await openBlobStore(server.config)
  await store.put(manifestKey({ seq: 1, term: 1 }), Readable.from(['as if a server had built it']))
  await switchTo(fleet.operator(), 'opensearch', OPTIONS)
  await expect(finish(fleet.operator(false))).rejects.toThrow('Nothing was changed')
  const operator = fleet.operator()
  await finish(operator)
  expect(operator.said.at(-1)).toBe('Done: opensearch is the only engine.')
  expect(server.index.running('embedded')).toBeNull()
  // It has written one when it ended.
  expect((await readdir(server.config.indexDir)).filter((name) => name.includes('-'))).toEqual([])
  expect(await listManifests(store)).toEqual([])
  expect(await readChoice(fleet.db.pool)).toMatchObject({ engine: 'opensearch', beside: null })
  await expect(back(fleet.operator())).rejects.toThrow(/There is no way back/)
  expect(await found(server, collection)).toBe(40)
  // And from there to the first one again, which is built anew.
  await switchTo(fleet.operator(), 'embedded', OPTIONS)
  expect(await found(server, collection)).toBe(40)
})

test('a command that is ended leaves what is built, the next one goes on with it, and cancel gives it up', async () => {
  await using fleet = await Fleet.open()
  const opened = Promise.withResolvers<void>()
  const server = await fleet.start('a', {
    ...BOTH,
    cluster: async (config) => {
      await opened.promise
      return standIn(config)
    },
  })
  await shelf(fleet)
  const ended = fleet.operator()
  const switching = switchTo(ended, 'opensearch', { ...OPTIONS, rate: 50 })
  await expect.poll(() => ended.said.join('\n'), PATIENCE).toContain('opensearch: ready on 0 of 1 servers')
  ended.stop.abort(new Error('Ctrl-C'))
  await expect(switching).rejects.toThrow()
  const asked = fleet.operator()
  await status(asked)
  expect(asked.said.join('\n')).toMatch(
    /embedded answers\.\nopensearch is built beside it, with 50 passages a second at most.*switch opensearch/,
  )
  expect(server.index.answers).toBe('embedded')
  const { number } = (await readChoice(fleet.db.pool)) ?? {}
  opened.resolve()
  const next = fleet.operator(false)
  await expect(switchTo(next, 'opensearch', OPTIONS)).rejects.toThrow('Nothing was changed')
  expect(next.said).toContain('opensearch is being built; going on.')
  expect((await readChoice(fleet.db.pool))?.number).toBe(number)
  // Nothing is removed from a cluster by a server that can't reach it.
  const giving = fleet.operator()
  const cancelling = cancel(giving)
  await expect.poll(() => server.index.running('opensearch'), PATIENCE).toBeNull()
  giving.stop.abort(new Error('Ctrl-C'))
  await expect(cancelling).rejects.toThrow()
  expect((await readChoice(fleet.db.pool))?.beside).toEqual({ engine: 'opensearch', phase: 'dropping' })
  await expect(switchTo(fleet.operator(), 'opensearch', OPTIONS)).rejects.toThrow(/is being removed/)
  expect(server.index.answers).toBe('embedded')
})

test('of two operators at once the second is told, and the lock ends with the first', async () => {
  await using fleet = await Fleet.open()
  await fleet.start('a', { ...BOTH, cluster: () => new Promise(() => {}) })
  const first = fleet.operator()
  const switching = switchTo(first, 'opensearch', OPTIONS)
  await expect.poll(() => first.said.length, PATIENCE).toBeGreaterThan(0)
  await expect(cancel(fleet.operator())).rejects.toThrow(
    /Somebody else is at it: a command that began at \d\d:\d\d:\d\d UTC/,
  )
  first.stop.abort(new Error('killed'))
  await expect(switching).rejects.toThrow()
  await expect(back(fleet.operator())).rejects.toThrow(/There is no way back/)
})

test('servers without a cluster are named before anything is changed, and with one too late they say so', async () => {
  await using fleet = await Fleet.open()
  const lacking = await fleet.start('lacking')
  await expect(switchTo(fleet.operator(), 'opensearch', OPTIONS)).rejects.toThrow(
    /These servers have no OPENSEARCH_URL: lacking\./,
  )
  expect(await readChoice(fleet.db.pool)).toBeNull()
  await fleet.db.pool.query("INSERT INTO search_engine (engine) VALUES ('opensearch')")
  await expect
    .poll(() => lacking.index.status(), PATIENCE)
    .toMatchObject({
      ...{ ready: false, engine: 'opensearch' },
      trouble: expect.stringMatching(/this server has no OPENSEARCH_URL/),
    })
})

test('words that stand in for a cluster that is away are no reason to switch to it', async () => {
  await using fleet = await Fleet.open()
  const server = await fleet.start('a', {
    ...BOTH,
    async cluster(config) {
      const engine = await standIn(config)
      return {
        ...engine,
        bare: { ...engine.bare, status: () => ({ ...engine.bare.status(), ready: false }) },
      }
    },
  })
  const { position } = await shelf(fleet)
  const operator = fleet.operator()
  const switching = switchTo(operator, 'opensearch', OPTIONS)
  await expect
    .poll(() => server.index.running('opensearch')?.index.status().position?.seq, PATIENCE)
    .toBe(position.seq)
  await expect.poll(() => operator.said.join('\n'), PATIENCE).toContain('opensearch is not filled yet')
  await sleep(1_500)
  operator.stop.abort(new Error('Ctrl-C'))
  await expect(switching).rejects.toThrow()
  expect(operator.said.join('\n')).not.toContain('Comparing')
  expect(server.index.answers).toBe('embedded')
})

test('without a server, or with servers that do not agree, nothing is changed', async () => {
  await using fleet = await Fleet.open()
  await expect(switchTo(fleet.operator(), 'opensearch', OPTIONS)).rejects.toThrow(/No API server runs/)
  await fleet.start('a', BOTH)
  await fleet.start('b', { ...BOTH, env: { ...BOTH.env, INDEX_ENGINE: 'opensearch' } })
  await expect.poll(() => liveServers(fleet.db.pool), PATIENCE).toHaveLength(2)
  await expect(switchTo(fleet.operator(), 'opensearch', OPTIONS)).rejects.toThrow(
    /do not agree on INDEX_ENGINE: a: embedded, b: opensearch/,
  )
  expect(await readChoice(fleet.db.pool)).toBeNull()
})

test('engines that do not hold the same are not switched, unless the operator accepts it', async () => {
  await using fleet = await Fleet.open()
  await using other = await Fleet.open()
  // Of another library altogether, and at the same place of the log.
  const server = await fleet.start('a', {
    ...BOTH,
    async cluster(config) {
      const engine = await standIn({ ...config, databaseUrl: other.db.url })
      const { index } = engine
      const own = () =>
        fleet.db.pool.query<{ epoch: string; seq: string }>('SELECT epoch, seq FROM index_head')
      const { rows } = await own()
      const at = { epoch: rows[0]?.epoch ?? '', seq: Number(rows[0]?.seq) }
      const elsewhere: Index = {
        ...{ waitFor: async () => {}, close: () => index.close() },
        search: async (query, signal) => ({ ...(await index.search(query, signal)), position: at }),
        status: () => ({ ...index.status(), position: at }),
      }
      return { ...engine, index: elsewhere, bare: elsewhere }
    },
  })
  const { position } = await shelf(fleet)
  await server.index.waitFor(position, 30_000)
  const collection = await other.library.collection()
  await other.library.publish(await other.library.document(collection), [{ text: 'medlar', vector: [1] }])
  const operator = fleet.operator()
  await expect(switchTo(operator, 'opensearch', OPTIONS)).rejects.toThrow(
    /The engines do not hold the same documents\. Nothing was switched; .*--accept/,
  )
  expect(operator.said.join('\n')).toMatch(/passage \d+: 0\.0 %; only embedded: [\d ]+; only opensearch: -/)
  // Words of documents and questions are nobody's business.
  expect(operator.said.join('\n')).not.toMatch(/pear|quince|medlar/)
  expect(server.index.answers).toBe('embedded')
  await switchTo(operator, 'opensearch', { ...OPTIONS, accept: true })
  expect(server.index.answers).toBe('opensearch')
})
