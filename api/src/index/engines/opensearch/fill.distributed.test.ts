// Fills of a real node whose writer is killed at each point, while documents go on changing: another writer goes on where it was, and
// what the index holds in the end is what the tables hold.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, inject, test } from 'vitest'
import type { ScriptedRequest } from '../../../../test/scripted-cluster.ts'
import { LOG_PORTION } from '../../database-source.ts'
import { renewEpoch } from '../../epoch.ts'
import type { FixtureDocument } from '../../fixtures.ts'
import type { Index } from '../../port.ts'
import { cutLog } from '../../shared/log-cut.ts'
import { ask, bothSides, collections, found, lines, type Place, place } from './fixtures.ts'

/** Seven portions: of 100 passages each, five documents are one. */
const DOCUMENTS = 35
const PASSAGES = 100
const AT_ONCE = { settleMs: 0 }
/** Each change costs the node a refresh or two. */
const PATIENCE_MS = 120_000
/** Documents that are read first, in the middle, and last. */
const [EARLY, MIDDLE, LATE] = [0, 14, 28]

const passages = (name: string, vectors = true) =>
  Array.from({ length: PASSAGES }, (_, i) => ({
    ...{ text: `${name} pear ${i}` },
    ...(vectors ? { vector: [1 + i, 2, name.length] } : {}),
  }))

async function shelf(of: Place) {
  const shelves = [
    await of.library.collection(),
    await of.library.collection(),
    await of.library.collection(),
  ]
  const documents: FixtureDocument[] = []
  for (let d = 0; d < DOCUMENTS; d++) {
    const document = await of.library.document(shelves[d % 2] ?? expect.unreachable())
    await of.library.publish(document, passages(`d${d}`, d % 5 !== 4))
    documents.push(document)
  }
  return { shelves, documents }
}

const isBulk = ({ path }: ScriptedRequest) => path.endsWith('/_bulk')
const isProgress = ({ method, path }: ScriptedRequest) => method === 'PUT' && path.includes('/_doc/fill')

const releases: (() => void)[] = []
afterEach(() => {
  for (const release of releases.splice(0)) release()
})

/** Starts a writer and kills it at the n-th request of a kind, which the node has taken or has not. */
async function killedAt(of: Place, which: (one: ScriptedRequest) => boolean, n: number, taken: boolean) {
  const reached = Promise.withResolvers<void>()
  const over = Promise.withResolvers<undefined>()
  releases.push(() => over.resolve(undefined))
  let count = 0
  of.node.script = async (request) => {
    if (!which(request) || ++count < n) return undefined
    if (taken && count === n)
      await fetch(`${inject('opensearch')}${request.path}`, {
        ...{ method: request.method, body: request.body },
        headers: { 'content-type': isBulk(request) ? 'application/x-ndjson' : 'application/json' },
      })
    reached.resolve()
    await over.promise
    // Nobody listens any more.
    return { status: 500, body: {} }
  }
  const index = of.start(undefined, AT_ONCE)
  await reached.promise
  return {
    async kill() {
      const closed = index.close()
      over.resolve(undefined)
      await closed
      of.node.script = () => undefined
      of.node.requests.splice(0)
    },
  }
}

const half = async ({ alias }: Place) => Object.keys(await ask('GET', `/${alias}-g*/_settings`))
const searched = async ({ alias }: Place) => Object.keys(await ask('GET', `/_alias/${alias}`))

/** Ids of the documents that were written by requests since. */
function writtenKeys({ node }: Place): Set<number> {
  const keys = node.requests
    .filter(isBulk)
    .flatMap(({ body }) => [...body.matchAll(/"documentKey":(\d+)/g)].map(([, key]) => Number(key)))
  return new Set(keys)
}

async function same(of: Place): Promise<void> {
  const { tables, index } = await bothSides(of)
  expect(index).toEqual(tables)
}

/** Six documents from each of these on: each changed in another way. */
async function changeAll(
  of: Place,
  { shelves, documents }: Awaited<ReturnType<typeof shelf>>,
  ...parts: number[]
) {
  const [, , other = expect.unreachable()] = shelves
  let last = { epoch: '', seq: 0 }
  for (const from of parts) {
    const [republished, retracted, moved, there, embedded, purged] = documents.slice(from, from + 6)
    if (!republished || !retracted || !moved || !there || !embedded || !purged) return expect.unreachable()
    await of.library.publish(republished, passages('again').slice(0, 40))
    await of.library.retract(retracted)
    await of.db.pool.query('UPDATE documents SET collection_id = $2 WHERE id = $1', [moved.id, other.id])
    await of.library.publish(
      { ...moved, collectionId: other.id, collectionKey: other.key },
      passages('moved'),
    )
    // There and back again.
    await of.db.pool.query('UPDATE documents SET collection_id = $2 WHERE id = $1', [there.id, other.id])
    await of.library.publish(
      { ...there, collectionId: other.id, collectionKey: other.key },
      passages('there'),
    )
    await of.db.pool.query('UPDATE documents SET collection_id = $2 WHERE id = $1', [
      there.id,
      there.collectionId,
    ])
    await of.library.publish(there, passages('back').slice(0, 5))
    const words = await of.library.publishWords(embedded, passages('embedded').slice(0, 9))
    await of.library.publishVectors(embedded, words)
    await of.library.retract(purged)
    await of.library.purge(purged)
    last = (await of.library.publish(await of.library.document(other), passages('new').slice(0, 5))).position
  }
  return last
}

const KILLS = [
  ['before a bulk is taken', isBulk, 2, false],
  ['when a bulk was taken and not answered', isBulk, 3, true],
  ['when a portion was answered and not noted', isProgress, 4, false],
  ['when a portion was noted and not answered', isProgress, 4, true],
  ['before it is called complete', isProgress, DOCUMENTS / 5 + 2, false],
  ['when all is there and not shown', ({ path }: ScriptedRequest) => path.endsWith('/_refresh'), 1, false],
  ['before it is searched', ({ path }: ScriptedRequest) => path === '/_aliases', 1, false],
] as const

test.for(KILLS)('killed %s, another writer goes on', async ([, which, n, taken]) => {
  await using of = await place()
  const content = await shelf(of)
  const writer = await killedAt(of, which, n, taken)
  const [name] = await half(of)
  await changeAll(of, content, EARLY, LATE)
  await writer.kill()
  expect(await half(of)).toEqual([name])
  const second = of.start(undefined, AT_ONCE)
  const last = await changeAll(of, content, MIDDLE)
  if (last === undefined) return expect.unreachable()
  await second.waitFor(last, PATIENCE_MS)
  expect(await searched(of)).toEqual([name])
  expect(await half(of)).toEqual([name])
  await same(of)
})

test('what was noted is not read again, its progress goes on, and no transaction is open meanwhile', async () => {
  await using of = await place()
  const { documents } = await shelf(of)
  const writer = await killedAt(of, isBulk, 4, false)
  const open = await of.db.pool.query(
    `SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND (backend_xmin IS NOT NULL OR state LIKE 'idle in transaction%')`,
  )
  expect(open.rows).toEqual([])
  await writer.kill()
  const told: { done: number; total: number }[] = []
  const second = of.start(undefined, { ...AT_ONCE, progress: (one) => one !== null && told.push(one) })
  await second.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  expect([...writtenKeys(of)].toSorted((a, b) => a - b)).toEqual(documents.slice(15).map(({ key }) => key))
  expect(told[0]).toEqual({ done: 1_500, total: 3_500 })
  expect(told.at(-1)).toEqual({ done: 3_500, total: 3_500 })
  await same(of)
})

test('nobody searches it before the log is applied up to where it was read last', async () => {
  await using of = await place()
  const content = await shelf(of)
  const writer = await killedAt(of, isBulk, 2, false)
  // More than the log is read at a time, and nothing that rows are read for.
  for (let i = 0; i < 2 * LOG_PORTION; i++) await of.library.session('somebody')
  const changed = await changeAll(of, content, MIDDLE)
  await writer.kill()
  const shown: unknown[] = []
  const [name] = await half(of)
  of.node.script = async ({ path }) => {
    if (path === '/_aliases') shown.push(await ask('GET', `/${name}/_doc/state?routing=state`))
    return undefined
  }
  const second = of.start(undefined, AT_ONCE)
  if (changed === undefined) return expect.unreachable()
  await second.waitFor(changed, PATIENCE_MS)
  expect(shown).toMatchObject([{ _source: { state: { position: { seq: changed.seq } } } }])
})

test.each([
  [
    'another search model is switched to',
    async ({ library }: Place) => {
      await library.switchTo(await library.buildGeneration('another', (id) => [id, 1]))
    },
  ],
  ['the log begins another epoch', ({ db }: Place) => renewEpoch(db.pool)],
  [
    'the log was cut behind it',
    ({ db }: Place) => db.pool.query('DELETE FROM index_log WHERE seq <= (SELECT seq FROM index_head)'),
  ],
] as const)('it begins anew when %s', async (_, happens) => {
  await using of = await place()
  const content = await shelf(of)
  const writer = await killedAt(of, isBulk, 3, true)
  const [name] = await half(of)
  await writer.kill()
  await changeAll(of, content, MIDDLE)
  await happens(of)
  const { log, text } = lines()
  const second = of.start(log, AT_ONCE)
  await second.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  expect(text()).toMatch(/is not gone on with: /)
  expect(await half(of)).toEqual(await searched(of))
  expect(await half(of)).not.toEqual([name])
  await same(of)
})

test('another search model in the middle: its own index is filled at once', async () => {
  await using of = await place()
  await shelf(of)
  const next = await of.library.buildGeneration('another', (id) => [id, 1])
  let bulks = 0
  of.node.script = async (request) => {
    if (isBulk(request) && ++bulks === 3) await of.library.switchTo(next)
    return undefined
  }
  const index = of.start(undefined, AT_ONCE)
  await expect.poll(() => index.status().generation).toBe(next)
  await index.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  expect(await half(of)).toEqual([expect.stringContaining(`-g${next}-`)])
  await same(of)
})

test('the log stays for a fill whose writer is dead, whatever another engine no longer needs', async () => {
  await using of = await place()
  const content = await shelf(of)
  const head = (await of.library.session('before')).seq
  const writer = await killedAt(of, isBulk, 3, true)
  await writer.kill()
  await changeAll(of, content, MIDDLE)
  await of.db.pool.query("UPDATE index_log SET at = now() - interval '2 hours'")
  const end = (await of.library.session('after')).seq
  await cutLog(of.db.pool, 'embedded', end)
  const { rows } = await of.db.pool.query('SELECT min(seq)::int AS first FROM index_log')
  expect(rows).toEqual([{ first: head }])
  const [name] = await half(of)
  const second = of.start(undefined, AT_ONCE)
  await second.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  expect(await searched(of)).toEqual([name])
  await same(of)
})

test('beside an index that is searched: a fill is gone on with, and the old one answers meanwhile', async () => {
  await using of = await place()
  const content = await shelf(of)
  const first = of.start(undefined, AT_ONCE)
  await first.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  await first.close()
  const [old] = await searched(of)
  const next = await of.library.buildGeneration('another', (id) => [id, 1])
  await of.library.switchTo(next)
  const writer = await killedAt(of, (one) => isBulk(one) && one.path.includes(`-g${next}-`), 3, true)
  const name = (await half(of)).find((one) => one !== old)
  await writer.kill()
  const second = of.start(undefined, AT_ONCE)
  const answers = async (index: Index) =>
    (await found(index, 'pear', collections(...content.shelves), 5)).length
  await expect.poll(() => answers(second)).toBe(5)
  const last = await changeAll(of, content, MIDDLE)
  if (last === undefined) return expect.unreachable()
  await expect.poll(() => second.status().generation).toBe(next)
  await second.waitFor(last, PATIENCE_MS)
  await expect.poll(() => half(of)).toEqual([name])
  await same(of)
})

test('killed again and again while documents change', async () => {
  await using of = await place()
  const content = await shelf(of)
  const all = [...content.documents]
  let [n, over] = [0, false]
  const random = (below: number) => {
    n = (n * 48_271 + 11) % (2 ** 31 - 1)
    return n % below
  }
  const changing = (async () => {
    for (let i = 0; !over; i++) {
      const d = random(all.length)
      const document = all[d] ?? expect.unreachable()
      if (random(3) === 0) {
        await of.library.retract(document)
        all.splice(d, 1)
        const made = await of.library.document(content.shelves[random(3)] ?? expect.unreachable())
        all.push(made)
        await of.library.publish(made, passages(`made ${i}`).slice(0, 1 + random(PASSAGES)))
      } else
        await of.library.publish(
          document,
          passages(`again ${i}`, random(2) === 0).slice(0, 1 + random(PASSAGES)),
        )
      await sleep(300)
    }
  })()
  const names = new Set<string>()
  try {
    for (const at of [2, 1, 2, 1]) {
      const writer = await killedAt(of, isBulk, at, at !== 1)
      for (const name of await half(of)) names.add(name)
      await writer.kill()
    }
    const index = of.start(undefined, {
      ...AT_ONCE,
      progress(filling) {
        over = filling === null
      },
    })
    await expect.poll(() => over, { timeout: PATIENCE_MS }).toBe(true)
    await changing
    await index.waitFor(await of.library.session('somebody'), PATIENCE_MS)
  } finally {
    over = true
    await changing
  }
  expect(names.size).toBe(1)
  expect(await half(of)).toEqual([...names])
  await same(of)
})
