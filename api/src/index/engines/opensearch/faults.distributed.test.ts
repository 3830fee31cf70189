// A real node behind something that refuses, hangs or is slow where a test says so; two servers; another generation;
// another history. What operators get wrong, and what a cluster runs out of: refusals.distributed.test.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { renewEpoch } from '../../epoch.ts'
import { unit } from '../../fixtures.ts'
import { ask, collections, found, lines, PATIENCE_MS, pears, place } from './fixtures.ts'
import { startOpenSearchIndex } from './opensearch.ts'

test('a node that refuses half of what is written for a while loses nothing of it, and shows no half', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const document = await of.library.document(collection)
  const before = await of.library.publish(document, pears(4))
  await index.waitFor(before.position, PATIENCE_MS)
  let refusals = 0
  of.node.script = ({ path }) => {
    // What was written is there, what shows it fails.
    if (!path.endsWith('/_refresh') || refusals >= 3) return undefined
    refusals++
    return {
      status: 503,
      body: { error: { type: 'process_cluster_event_timeout_exception', reason: 'busy' } },
    }
  }
  const after = await of.library.publish(document, pears(3))
  await expect.poll(() => refusals).toBe(3)
  await index.waitFor(after.position, PATIENCE_MS)
  expect((await found(index, 'pear', collections(collection))).toSorted((a, b) => a - b)).toEqual(
    after.passageIds,
  )
})

test('a document is seen whole or not at all, however many requests it takes', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const started = await of.library.publish(await of.library.document(collection), [{ text: 'a pear' }])
  // A word that nobody has is not even looked for.
  await index.waitFor(started.position, PATIENCE_MS)
  // Long enough for several requests, between which searches have the time to look.
  const text = `pear ${'and another word '.repeat(5_000)}`
  const passages = Array.from({ length: 180 }, () => ({ text }))
  const publishing = of.library.publish(await of.library.document(collection), passages)
  const seen = new Set<number>()
  let over = false
  const looking = (async () => {
    for (; !over; await sleep(5)) seen.add((await found(index, 'pear', collections(collection))).length)
  })()
  await index.waitFor((await publishing).position, 120_000)
  over = true
  await looking
  seen.add((await found(index, 'pear', collections(collection))).length)
  expect([...seen].toSorted((a, b) => a - b)).toEqual([1, 181])
  expect(of.node.requests.filter(({ path }) => path.endsWith('/_bulk')).length).toBeGreaterThan(2)
})

test('a part of the index that is missing makes no answer, not a smaller one', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const { position } = await of.library.publish(await of.library.document(collection), pears(2))
  await index.waitFor(position, PATIENCE_MS)
  of.node.script = ({ path }) =>
    path.includes('_msearch')
      ? {
          status: 200,
          body: {
            responses: [
              {
                status: 503,
                error: { type: 'search_phase_execution_exception', reason: 'all shards failed' },
              },
            ],
          },
        }
      : undefined
  await expect(found(index, 'pear', collections(collection))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    detail: { reason: 'a part of the search index is missing' },
  })
  for (const { path, body } of of.node.requests)
    if (path.includes('_msearch')) expect(body).toContain('"allow_partial_search_results":false')
})

test('where counting takes long, what is not counted yet is found, and counted in the end', async () => {
  await using of = await place()
  const isCount = (body: string) => body.includes('"aggs"')
  of.node.script = async ({ body }) => {
    if (isCount(body)) await sleep(1_000)
    return undefined
  }
  const index = of.start()
  const collection = await of.library.collection()
  const first = await of.library.publish(await of.library.document(collection), [{ text: 'pear' }])
  // It is counted; for twenty seconds that serves.
  await index.waitFor(first.position, PATIENCE_MS)
  expect(index.status()).toMatchObject({ passages: 1 })
  expect(await found(index, 'pear', collections(collection))).toEqual(first.passageIds)
  // In another language, and the first with a vector.
  const second = await of.library.publish(await of.library.document(collection), [
    { text: 'Birnen pear', language: 'de', vector: [1, 0] },
    { text: 'Birnen', language: 'de', vector: [0, 1] },
  ])
  await index.waitFor(second.position, PATIENCE_MS)
  expect(index.status()).toMatchObject({ passages: 1 })
  expect(await found(index, 'Birne', collections(collection))).toEqual(second.passageIds.toReversed())
  await expect.poll(() => index.status().passages).toBe(3)
  expect(await found(index, 'pear', collections(collection))).toHaveLength(2)
})

test('one server writes; when it ends, another goes on where it was', async () => {
  await using of = await place()
  const first = of.start()
  const collection = await of.library.collection()
  const one = await of.library.publish(await of.library.document(collection), pears(1))
  await first.waitFor(one.position, PATIENCE_MS)
  const second = of.start()
  const two = await of.library.publish(await of.library.document(collection), pears(1))
  for (const index of [first, second]) {
    await index.waitFor(two.position, PATIENCE_MS)
    expect(await found(index, 'pear', collections(collection))).toEqual([
      ...one.passageIds,
      ...two.passageIds,
    ])
  }
  const locks = await of.db.pool.query(
    "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = current_database()",
  )
  expect(locks.rowCount).toBe(1)
  await first.close()
  const three = await of.library.publish(await of.library.document(collection), pears(1))
  await second.waitFor(three.position, PATIENCE_MS)
  expect(await found(second, 'pear', collections(collection))).toHaveLength(3)
  expect(second.status()).toMatchObject({ ready: true, passages: 3, vectors: 0, engine: 'opensearch' })
})

test('another generation is filled beside the old one, and searches go from one to the other without a gap', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const document = await of.library.document(collection)
  const passages = [
    { text: 'east', vector: [1, 0] },
    { text: 'north', vector: [0, 1] },
  ]
  const { position, passageIds } = await of.library.publish(document, passages)
  await index.waitFor(position, PATIENCE_MS)
  const [east, north] = passageIds
  const nearest = async (generation: number) => {
    const query = { text: '', vector: unit([1, 0]), generation, limit: 1, filter: collections(collection) }
    return (await index.search({ ...query, method: 'meaning' })).candidates[0]?.passageId
  }
  const old = index.status().generation ?? 0
  expect(await nearest(old)).toBe(east)
  const next = await of.library.buildGeneration('another', (id) => (id === north ? [1, 0] : [0, 1]))
  // While both are there a question comes with a vector for one of them; by words it is answered always.
  let over = false
  const words = new Set<string>()
  const looking = (async () => {
    for (; !over; await sleep(5)) words.add(String(await found(index, 'east', collections(collection))))
  })()
  await of.library.switchTo(next)
  await expect.poll(() => index.status().generation).toBe(next)
  expect(await nearest(next)).toBe(north)
  over = true
  await looking
  expect([...words]).toEqual([String(east)])
  await expect
    .poll(async () => Object.keys(await ask('GET', `/${of.alias}*/_alias`)))
    .toEqual([expect.stringMatching(new RegExp(`^${of.alias}-g${next}-`))])
})

test('an index that somebody deletes while nothing is written is filled anew', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const { position, passageIds } = await of.library.publish(await of.library.document(collection), pears(2))
  await index.waitFor(position, PATIENCE_MS)
  const [name] = Object.keys(await ask('GET', `/${of.alias}*/_alias`))
  // Until nothing is asked of it for its own sake any more.
  const others = () => of.node.requests.filter(({ path }) => !path.includes('/_doc/state')).length
  for (let before = -1; before !== others(); await sleep(2_000)) before = others()
  await ask('DELETE', `/${name}`)
  const names = async () => Object.keys(await ask('GET', `/${of.alias}*/_alias`))
  await expect.poll(names, { timeout: PATIENCE_MS }).toEqual([expect.not.stringMatching(`^${name}$`)])
  expect(await found(index, 'pear', collections(collection))).toEqual(passageIds)
})

test('while a snapshot is taken the cluster deletes no index, and one takes the place of another all the same', async () => {
  await using of = await place()
  const { log, text } = lines()
  const index = of.start(log)
  const collection = await of.library.collection()
  const document = await of.library.document(collection)
  const { position, passageIds } = await of.library.publish(document, [{ text: 'east', vector: [1, 0] }])
  await index.waitFor(position, PATIENCE_MS)
  const reason = 'Cannot delete indices that are being snapshotted'
  of.node.script = ({ method, path, body }) =>
    (method === 'DELETE' && !path.includes('/_')) || body.includes('remove_index')
      ? { status: 400, body: { error: { type: 'snapshot_in_progress_exception', reason } } }
      : undefined
  const next = await of.library.buildGeneration('another', () => [0, 1])
  await of.library.switchTo(next)
  await expect.poll(() => index.status().generation, { timeout: PATIENCE_MS }).toBe(next)
  const later = await of.library.publish(document, [{ text: 'west', vector: [1, 1] }])
  await index.waitFor(later.position, PATIENCE_MS)
  expect(await found(index, 'west', collections(collection))).toEqual(later.passageIds)
  expect(passageIds).not.toEqual(later.passageIds)
  expect(text()).toContain('was not removed')
  const names = async () => Object.keys(await ask('GET', `/${of.alias}*/_alias`))
  expect(await names()).toHaveLength(2)
  await index.close()
  of.node.script = () => undefined
  of.start()
  await expect.poll(names, { timeout: PATIENCE_MS }).toHaveLength(1)
})

test('an index of a history that the database has lost is given up, and filled from the tables', async () => {
  await using of = await place()
  const index = of.start()
  const collection = await of.library.collection()
  const kept = await of.library.publish(await of.library.document(collection), pears(1))
  const lost = await of.library.document(collection)
  const last = await of.library.publish(lost, pears(1))
  await index.waitFor(last.position, PATIENCE_MS)
  await index.close()
  // As after a restore to a moment before the last publication, after which others were made.
  await of.library.purge(lost)
  await of.db.pool.query('DELETE FROM index_log WHERE seq >= $1', [last.position.seq])
  await of.db.pool.query('UPDATE index_head SET seq = $1', [last.position.seq - 1])
  await renewEpoch(of.db.pool)
  const other = await of.library.publish(await of.library.document(collection), pears(1))
  const again = of.start()
  await again.waitFor(other.position, PATIENCE_MS)
  expect(await found(again, 'pear', collections(collection))).toEqual([
    ...kept.passageIds,
    ...other.passageIds,
  ])
})

test('sessions that end are told of on every server', async () => {
  await using of = await place()
  const told: string[][] = [[], []]
  for (const list of told) {
    const url = `${of.node.url}/${of.alias}`
    const index = startOpenSearchIndex(of.db.config(of.home), url, pino({ enabled: false }), {
      onSession: (id) => list.push(id),
    })
    await index.waitFor(await of.library.session('nobody yet'), PATIENCE_MS)
    await using _closing = { [Symbol.asyncDispose]: () => index.close() }
    await of.library.session('somebody')
    await expect.poll(() => list).toContain('somebody')
  }
})
