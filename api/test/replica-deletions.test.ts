// 1,000 deletions and 100 revocations under query load, over HTTP, with an index that hears of none of them and a
// replica that is thirty seconds behind: after the acknowledgement nothing of it is returned (promise P5).
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { TRPCClientError } from '@trpc/client'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { openReplica } from '../src/database/replica.ts'
import { startEmbeddedIndex } from '../src/index/engines/embedded.ts'
import { FixtureLibrary } from '../src/index/fixtures.ts'
import { startJobs } from '../src/jobs/jobs.ts'
import { replicatedPostgres } from './replica.ts'
import { type Person, testServer } from './server.ts'
import { slowDatabase } from './slow-database.ts'

const DELETED = 1_000
const REVOKED = 100
/** Requests at once, of each kind. */
const LOOKING = 4
const CHANGING = 4

/** One word each, and no stem of another. */
const word = (n: number) => `qz${[...String(n)].map((digit) => 'bcdfghjklm'[Number(digit)]).join('')}x`

interface Shelved {
  readonly id: string
  readonly collectionId: string
  readonly word: string
  /** Set when the answer to the deletion or revocation has arrived. */
  gone: boolean
}

const log = pino({ enabled: false })

async function place() {
  await using stack = new AsyncDisposableStack()
  const postgres = stack.use(await replicatedPostgres())
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-deletions-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const { db } = postgres
  const config = db.config(home)
  const line = stack.use(await slowDatabase(db.url))
  const index = await startEmbeddedIndex(
    { ...config, databaseUrl: line.url, databaseReplicaUrl: undefined },
    log,
    { engine: 'exact' },
  )
  stack.defer(() => index.close())
  stack.defer(() => line.release())
  const jobs = await startJobs(config, db.pool, log, { supervise: false })
  stack.defer(() => jobs.stop({ graceful: false }))
  const replica = openReplica(config, db.pool, log)
  if (replica === null) throw new Error('no replica')
  stack.defer(() => replica.close())
  const server = stack.use(await testServer(db, { services: { index, jobs, replica } }))
  const started = stack.move()
  return {
    ...{ postgres, db, line, index, replica, server, library: new FixtureLibrary(db.pool) },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

type Place = Awaited<ReturnType<typeof place>>

/** Collections of `owner`, shared with `reader`, with documents in them. */
async function shelve(
  { library, db }: Place,
  owner: Person,
  reader: Person,
  counts: { collections: number; each: number; from: number },
): Promise<Shelved[]> {
  const shelved: Shelved[] = []
  for (let c = 0; c < counts.collections; c++) {
    const collection = await library.collection({ owner: owner.viewer.userId })
    await db.pool.query(
      "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'viewer')",
      [collection.id, reader.viewer.userId],
    )
    await inParallel(CHANGING, counts.each, async (i) => {
      const own = word(counts.from + c * counts.each + i)
      const document = await library.document(collection, `${own}.txt`)
      await library.publish(document, [{ text: `About ${own}, a secret.` }])
      shelved.push({ id: document.id, collectionId: collection.id, word: own, gone: false })
    })
  }
  return shelved
}

async function inParallel(
  atOnce: number,
  count: number,
  work: (i: number) => Promise<unknown>,
): Promise<void> {
  let next = 0
  const worker = async () => {
    for (let i = next++; i < count; i = next++) await work(i)
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

/** The call once more whenever its person was too quick for the server's limits, as a fast machine is. */
async function patiently(call: () => Promise<unknown>): Promise<unknown> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof TRPCClientError) || error.data?.code !== 'TOO_MANY_REQUESTS') throw error
      await setTimeout(1_000)
    }
  }
}

/** Everything of one document that a person gets to see in any way. */
async function shown({ api }: Person, { id, collectionId, word: own }: Shelved): Promise<string> {
  const unlessRefused = async (call: Promise<unknown>) => {
    try {
      return JSON.stringify(await call)
    } catch (error) {
      // A refusal tells nothing.
      if (error instanceof TRPCClientError && error.data?.code === 'NOT_FOUND') return ''
      throw error
    }
  }
  const search = (scope: object) => api.search.passages.query({ query: own, limit: 5, ...scope })
  const answers = [
    () => search({}).then(({ passages }) => passages),
    () => search({ documentId: id }).then(({ passages }) => passages),
    () => api.documents.list.query({ collectionId, search: own }),
    () => api.documents.get.query({ id }),
  ]
  const ask = answers[Math.floor(Math.random() * answers.length)] ?? answers[0]
  return ask === undefined ? '' : unlessRefused(patiently(ask))
}

test('nothing that was deleted or forbidden is returned after the acknowledgement', async () => {
  await using here = await place()
  const { server, postgres, index, line, replica } = here
  const [owner, reader] = [await server.person(), await server.person()]
  const deleted = await shelve(here, owner, reader, { collections: 10, each: DELETED / 10, from: 0 })
  const revoked = await shelve(here, owner, reader, { collections: REVOKED, each: 1, from: DELETED })
  const all = [...deleted, ...revoked]
  await index.waitFor(await here.library.session('nobody'), 60_000)
  await postgres.caughtUp()
  await postgres.lag(30)
  line.hold()
  await expect.poll(() => replica.status().state).toBe('ok')

  let changing = true
  const seen = { before: 0, after: 0 }
  const returned: string[] = []
  const look = async () => {
    while (changing || seen.after < 500) {
      const one = all[Math.floor(Math.random() * all.length)]
      if (one === undefined) continue
      const wasGone = one.gone
      const text = await shown(reader, one)
      if (wasGone) seen.after++
      else if (text.includes(one.word)) seen.before++
      if (wasGone && text.includes(one.word)) returned.push(text)
    }
  }
  const looking = Promise.all(Array.from({ length: LOOKING }, look))
  const change = async (i: number) => {
    const one = all[i]
    if (one === undefined) return
    const { documents, collections } = owner.api
    await patiently(() =>
      i < DELETED
        ? documents.delete.mutate({ id: one.id })
        : collections.removeMember.mutate({ id: one.collectionId, userId: reader.viewer.userId }),
    )
    one.gone = true
  }
  const changes = inParallel(CHANGING, all.length, change).finally(() => {
    changing = false
  })
  await Promise.all([changes, looking])

  expect(returned).toEqual([])
  expect(all.every(({ gone }) => gone)).toBe(true)
  // It was really asked, while there was something to see and after; and both the index and the replica had it all.
  expect(seen.before).toBeGreaterThan(100)
  expect(seen.after).toBeGreaterThanOrEqual(500)
  expect(replica.status().served).toBeGreaterThan(100)
  const [first] = deleted
  const filter = { kind: 'documents' as const, keys: await keysOf(here, first?.id ?? '') }
  const query = { text: first?.word ?? '', vector: null, limit: 5, filter }
  expect((await index.search(query)).candidates).toHaveLength(1)
  const alive = 'SELECT count(*)::int AS n FROM documents WHERE deleted_at IS NULL'
  const [onReplica] = await postgres.replica.query<{ n: number }>(alive, 'terrace')
  expect(onReplica?.n).toBeGreaterThan(REVOKED)
}, 300_000)

async function keysOf({ db }: Place, id: string): Promise<number[]> {
  const { rows } = await db.pool.query<{ key: number }>('SELECT key FROM documents WHERE id = $1', [id])
  return rows.map(({ key }) => key)
}
