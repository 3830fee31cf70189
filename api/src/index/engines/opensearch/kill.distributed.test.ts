// kill -9 of the elected cluster manager of three nodes, while people search and documents are published and removed.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterAll, expect, test } from 'vitest'
import { testDatabase } from '../../../../test/database.ts'
import { startOpenSearchCluster } from '../../../../test/opensearch-node.ts'
import type { Viewer } from '../../../access/port.ts'
import { embeddersOf } from '../../../models/embedders.ts'
import { searchPassages } from '../../../retrieval/search.ts'
import { type FixtureDocument, FixtureLibrary, unit } from '../../fixtures.ts'
import type { Position, SearchMethod } from '../../port.ts'
import { startOpenSearchIndex } from './opensearch.ts'

const home = mkdtempSync(path.join(tmpdir(), 'terrace-index-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const READER: Viewer = {
  ...{ userId: 'reader', sessionId: 's', name: 'Reader', email: 'reader@example.org', role: 'member' },
}
/** Between two searches: 20 a second, however long each takes. */
const EVERY_MS = 50
const BEFORE_MS = 4_000
const OUTAGE_MS = 20_000
const AFTER_MS = 4_000

interface Published {
  readonly word: string
  readonly document: FixtureDocument
  readonly passageIds: readonly number[]
}

/** A word that one document alone has, whatever a stemmer does to it. */
const wordOf = (n: number): string => `zq${n}x`

async function ask<T>(url: string, at: string, init?: RequestInit): Promise<T> {
  const answer = await fetch(`${url}${at}`, { ...init, headers: { 'content-type': 'application/json' } })
  if (!answer.ok) throw new Error(`${at}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as T
}

const health = async (url: string): Promise<string> =>
  (await ask<{ status: string; number_of_nodes: number }>(url, '/_cluster/health')).status

test('the cluster manager is killed under load: no search fails, no document is lost, none that was removed is found', {
  timeout: 900_000,
}, async () => {
  await using stack = new AsyncDisposableStack()
  const cluster = stack.use(await startOpenSearchCluster(3))
  const db = stack.use(await testDatabase())
  const log = pino({ enabled: false })
  const alias = new URL(db.url).pathname.slice(1)
  const index = startOpenSearchIndex(db.config(home), `${cluster.url}/${alias}`, log)
  stack.defer(() => index.close())
  const library = new FixtureLibrary(db.pool)
  await db.pool.query("INSERT INTO users (id, name, email, email_verified) VALUES ($1, 'R', $2, true)", [
    READER.userId,
    READER.email,
  ])
  const collections: { id: string; key: number }[] = []
  for (let i = 0; i < 4; i++) collections.push(await library.collection({ owner: READER.userId }))
  const filter = { kind: 'collections' as const, keys: collections.map(({ key }) => key) }

  // Acknowledged: committed to the database. A document that is being removed is in neither list.
  const kept: Published[] = []
  const removed: Published[] = []
  const failures: unknown[] = []
  let last: Position | undefined
  let over = false
  let published = 0

  async function publish(): Promise<void> {
    const n = published++
    const collection = collections[n % collections.length]
    if (collection === undefined) return
    const document = await library.document(collection)
    const vector = Array.from({ length: 8 }, (_, i) => Math.sin(n * 8 + i + 1))
    const passages = [0, 1].map((i) => ({ text: `pear ${wordOf(n)} ${'stone '.repeat(i)}`, vector }))
    const { passageIds, position } = await library.publish(document, passages)
    kept.push({ word: wordOf(n), document, passageIds })
    last = position
  }

  async function remove(): Promise<void> {
    const [one] = kept.splice(Math.floor(kept.length / 2), 1)
    if (one === undefined) return
    last = await library.retract(one.document)
    removed.push(one)
  }

  const write = async (): Promise<void> => {
    for (let n = 0; !over; n++, await sleep(100)) await (n % 3 === 2 ? remove() : publish())
  }

  let searches = 0
  const found = async (text: string, method: SearchMethod): Promise<number[]> => {
    const vector = unit(Array.from({ length: 8 }, (_, i) => Math.cos(searches + i)))
    const { candidates } = await index.search({ text, vector, filter, limit: 10, method })
    return candidates.map(({ passageId }) => passageId)
  }
  /** As a person: what was removed before the search began is in no answer (promise P5). */
  const foundByReader = async (text: string): Promise<void> => {
    const gone = new Set(removed.flatMap(({ passageIds }) => passageIds))
    const deps = { pool: db.pool, index, embedders: embeddersOf([]) }
    const { passages } = await searchPassages(deps, READER, { query: text, limit: 50 })
    const wrong = passages.filter(({ passageId }) => gone.has(passageId))
    if (wrong.length > 0) throw new Error(`passages of a removed document were returned for "${text}"`)
  }
  const search = async (): Promise<void> => {
    const n = searches++
    const of = n % 4 === 3 ? removed.at(-1) : kept[Math.floor(kept.length / 2)]
    try {
      await (n % 2 === 0 ? found(`pear ${of?.word}`, 'fused') : foundByReader(`pear ${of?.word ?? ''}`))
    } catch (error) {
      failures.push(error)
    }
  }
  const read = async (): Promise<void> => {
    const asking: Promise<void>[] = []
    for (; !over; await sleep(EVERY_MS)) asking.push(search())
    await Promise.all(asking)
  }

  for (let i = 0; i < 10; i++) await publish()
  if (last !== undefined) await index.waitFor(last, 120_000)
  const [any] = cluster.nodes
  if (any === undefined) throw new Error('no node')
  await ask(any.url, `/${alias}/_settings`, {
    method: 'PUT',
    body: JSON.stringify({ 'index.unassigned.node_left.delayed_timeout': '1s' }),
  })
  await expect.poll(() => health(any.url), { timeout: 120_000 }).toBe('green')

  const load = Promise.all([read(), write()])
  await sleep(BEFORE_MS)
  const [{ node: elected } = { node: '' }] = await ask<{ node: string }[]>(
    any.url,
    '/_cat/cluster_manager?format=json',
  )
  const manager = cluster.nodes.find(({ name }) => name === elected)
  const other = cluster.nodes.find(({ name }) => name !== elected)
  if (manager === undefined || other === undefined) throw new Error(`no cluster manager: ${elected}`)
  const before = { searches, kept: kept.length }
  await manager.kill()
  await sleep(OUTAGE_MS)
  const during = { searches: searches - before.searches, kept: kept.length - before.kept }
  expect(during.searches).toBeGreaterThan(100)
  expect(during.kept).toBeGreaterThan(5)
  const [{ node: successor } = { node: '' }] = await ask<{ node: string }[]>(
    other.url,
    '/_cat/cluster_manager?format=json',
  )
  expect(successor).not.toBe(elected)
  await manager.restart()
  await expect.poll(() => nodesOf(other.url), { timeout: 120_000 }).toBe(3)
  await expect.poll(() => health(other.url), { timeout: 120_000 }).toBe('green')
  await sleep(AFTER_MS)
  over = true
  await load

  expect(failures).toEqual([])
  if (last !== undefined) await index.waitFor(last, 120_000)
  for (const { word, passageIds } of kept)
    expect(
      (await found(word, 'words')).toSorted((a, b) => a - b),
      word,
    ).toEqual(passageIds)
  for (const { word } of removed) expect(await found(word, 'words'), word).toEqual([])
  expect(index.status()).toMatchObject({ passages: kept.length * 2, vectors: kept.length * 2 })
})

async function nodesOf(url: string): Promise<number> {
  return (await ask<{ number_of_nodes: number }>(url, '/_cluster/health')).number_of_nodes
}
