import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestLibrary, testLibrary, upload } from '../../test/library.ts'
import type { Person } from '../../test/server.ts'
import type { Pool } from '../database/pool.ts'
import type { BlobStore } from '../storage/port.ts'
import { type PurgeDeps, purgeCollection, purgeDocument, startPurge, sweep } from './purge.ts'
import { receiveFile } from './receive.ts'

let library: TestLibrary
let owner: Person
let collection: string
let deps: PurgeDeps

beforeAll(async () => {
  library = await testLibrary()
  owner = await library.server.person()
  deps = library.server.services
})
beforeEach(async () => {
  collection = await library.collection(owner)
})
afterAll(() => library[Symbol.asyncDispose]())

const count = async (sql: string, values: unknown[] = []) =>
  (await library.pool.query(sql, values)).rows.length
const put = (name: string, body: Buffer, more = {}) => upload(owner, collection, name, body, more)

async function keyOf(versionId: string): Promise<string> {
  const { rows } = await library.pool.query<{ storage_key: string }>(
    'SELECT storage_key FROM document_versions WHERE id = $1',
    [versionId],
  )
  return rows[0]?.storage_key ?? ''
}

/** Passages, pages and vectors, as ingest leaves them. */
async function fill(versionId: string, passages: number): Promise<void> {
  await library.pool.query(`INSERT INTO pages (version_id, number, text) VALUES ($1, 1, 'text')`, [versionId])
  await library.pool.query(
    `INSERT INTO generations (digest, key, dimensions, state) VALUES ('test', '{}', 1, 'active') ON CONFLICT DO NOTHING`,
  )
  await library.pool.query(
    `WITH p AS (INSERT INTO passages (version_id, ordinal, page, char_start, char_end, text, tokens)
                SELECT $1, n, 1, 0, 1, 't', 1 FROM generate_series(1, $2::int) n RETURNING id)
     INSERT INTO passage_vectors (passage_id, generation_id, vector)
     SELECT p.id, g.id, '\\x00000000' FROM p, generations g WHERE g.digest = 'test'`,
    [versionId, passages],
  )
}

test('a deleted document’s rows and blob are gone, whatever shares its bytes or stands beside it is not', async () => {
  const [shared, own] = [randomBytes(500), randomBytes(500)]
  const doomed = await put('doomed.txt', shared)
  const second = await put('doomed.txt', own, { document: doomed.documentId })
  const sharing = await put('sharing.txt', shared, { duplicate: 'keep' })
  const beside = await put('doomed.txt.bak', randomBytes(500))
  for (const { versionId } of [doomed, second, sharing, beside]) await fill(versionId, 3)
  await fill(beside.versionId, 0).catch(() => {})
  const [sharedKey, ownKey] = [await keyOf(doomed.versionId), await keyOf(second.versionId)]
  expect(await keyOf(sharing.versionId)).toBe(sharedKey)

  await owner.api.documents.delete.mutate({ id: doomed.documentId })
  await purgeDocument(deps, doomed.documentId)

  expect(await count('SELECT 1 FROM documents WHERE id = $1', [doomed.documentId])).toBe(0)
  for (const id of [doomed.versionId, second.versionId]) {
    expect(await count('SELECT 1 FROM document_versions WHERE id = $1', [id])).toBe(0)
    expect(await count('SELECT 1 FROM passages WHERE version_id = $1', [id])).toBe(0)
    expect(await count('SELECT 1 FROM pages WHERE version_id = $1', [id])).toBe(0)
  }
  expect(await count('SELECT 1 FROM passage_vectors')).toBe(6)
  expect(await library.blobs.size(ownKey)).toBeNull()
  expect(await library.blobs.size(sharedKey)).toBe(500)
  for (const { versionId } of [sharing, beside]) {
    expect((await owner.fetch(`/files/${versionId}`)).status).toBe(200)
    expect(await count('SELECT 1 FROM passages WHERE version_id = $1', [versionId])).toBe(3)
  }
  await owner.api.documents.delete.mutate({ id: sharing.documentId })
  await purgeDocument(deps, sharing.documentId)
  expect(await library.blobs.size(sharedKey)).toBeNull()
  expect(await library.blobs.size(await keyOf(beside.versionId))).toBe(500)
})

test('what is not deleted is not purged, and what is gone is no error', async () => {
  const { documentId, versionId } = await put('alive.txt', randomBytes(10))
  await purgeDocument(deps, documentId)
  await purgeCollection(deps, collection)
  expect((await owner.fetch(`/files/${versionId}`)).status).toBe(200)
  await owner.api.documents.delete.mutate({ id: documentId })
  await purgeDocument(deps, documentId)
  await purgeDocument(deps, documentId)
})

test('more passages than one statement removes', async () => {
  const { documentId, versionId } = await put('long.txt', randomBytes(10))
  await fill(versionId, 4_500)
  await owner.api.documents.delete.mutate({ id: documentId })
  await purgeDocument(deps, documentId)
  expect(await count('SELECT 1 FROM passages WHERE version_id = $1', [versionId])).toBe(0)
})

test('two documents with the same bytes, purged at once: the blob goes with the last', async () => {
  for (let i = 0; i < 5; i++) {
    const bytes = randomBytes(100)
    const a = await put('a.txt', bytes)
    const b = await put('b.txt', bytes, { duplicate: 'keep' })
    const key = await keyOf(a.versionId)
    for (const id of [a.documentId, b.documentId]) await owner.api.documents.delete.mutate({ id })
    await Promise.all([purgeDocument(deps, a.documentId), purgeDocument(deps, b.documentId)])
    expect(await library.blobs.size(key)).toBeNull()
  }
})

test('an upload of the same bytes while they are purged keeps a blob of its own', async () => {
  for (let i = 0; i < 5; i++) {
    const bytes = randomBytes(100)
    const first = await put('a.txt', bytes)
    await owner.api.documents.delete.mutate({ id: first.documentId })
    const [again] = await Promise.all([put('a.txt', bytes), purgeDocument(deps, first.documentId)])
    expect(again).toMatchObject({ status: 201, stage: 'received' })
    expect((await owner.fetch(`/files/${again.versionId}`)).status).toBe(200)
  }
})

test('a purge that fails after the blob went is finished by the next', async () => {
  const { documentId, versionId } = await put('twice.txt', randomBytes(10))
  const key = await keyOf(versionId)
  await owner.api.documents.delete.mutate({ id: documentId })
  const failing: BlobStore = {
    ...library.blobs,
    async delete(each) {
      await library.blobs.delete(each)
      throw new Error('the power went')
    },
  }
  await expect(purgeDocument({ ...deps, blobs: failing }, documentId)).rejects.toThrow('the power went')
  expect(await count('SELECT 1 FROM documents WHERE id = $1', [documentId])).toBe(1)
  await purgeDocument(deps, documentId)
  expect(await count('SELECT 1 FROM documents WHERE id = $1', [documentId])).toBe(0)
  expect(await library.blobs.size(key)).toBeNull()
})

test('the sweep comes to the store too, and a store that is away keeps nothing else from being swept', async () => {
  await library.pool.query(
    "INSERT INTO pending_blobs (key, created_at) VALUES ('originals/00/left', now() - interval '1 day')",
  )
  let sweeps = 0
  const away: BlobStore = {
    ...library.blobs,
    async sweep() {
      sweeps++
      throw new Error('away')
    },
  }
  await expect(sweep({ ...deps, blobs: away })).rejects.toThrow('away')
  expect(sweeps).toBe(1)
  expect(await count("SELECT 1 FROM pending_blobs WHERE key = 'originals/00/left'")).toBe(0)
})

test('the worker purges what is deleted, documents and whole collections', async () => {
  const worker = await startPurge(deps)
  try {
    const one = await put('one.txt', randomBytes(10))
    const two = await put('two.txt', randomBytes(10))
    const keys = [await keyOf(one.versionId), await keyOf(two.versionId)]
    await owner.api.documents.delete.mutate({ id: one.documentId })
    await owner.api.collections.delete.mutate({ id: collection })
    while (await count('SELECT 1 FROM collections WHERE id = $1', [collection])) await sleep(20)
    expect(await count('SELECT 1 FROM documents WHERE collection_id = $1', [collection])).toBe(0)
    expect(await count('SELECT 1 FROM collection_members WHERE collection_id = $1', [collection])).toBe(0)
    for (const key of keys) expect(await library.blobs.size(key)).toBeNull()
  } finally {
    await worker.stop()
  }
})

test('files that a removed person dropped into a chat go with their person', async () => {
  const admin = await library.server.person({ role: 'owner' })
  const person = await library.server.person()
  const { id: chatId } = await person.api.chats.create.mutate({ collectionIds: [] })
  const { collectionId } = await person.api.chats.ownCollection.mutate({ id: chatId })
  const { versionId } = await upload(person, collectionId, 'dropped.txt', randomBytes(10))
  await fill(versionId, 3)
  const key = await keyOf(versionId)
  expect(await library.blobs.size(key)).toBe(10)
  await admin.api.people.remove.mutate({ userId: person.viewer.userId })
  expect(await library.waitingJobs('purge')).toContainEqual({ collectionId })
  await purgeCollection(deps, collectionId)
  expect(await count('SELECT 1 FROM collections WHERE id = $1', [collectionId])).toBe(0)
  expect(await count('SELECT 1 FROM passages WHERE version_id = $1', [versionId])).toBe(0)
  expect(await count('SELECT 1 FROM pages WHERE version_id = $1', [versionId])).toBe(0)
  expect(await library.blobs.size(key)).toBeNull()
})

test('a deleted chat goes for good an hour later, with all that was said in it', async () => {
  const said = async (deleted: string | null) => {
    const { id } = await owner.api.chats.create.mutate({ collectionIds: [collection] })
    await library.pool.query(
      `WITH m AS (INSERT INTO messages (chat_id, position, role, text) VALUES ($1, 1, 'answer', 'said') RETURNING id),
            a AS (INSERT INTO attempts (message_id, number, state) SELECT id, 1, 'done' FROM m RETURNING id),
            c AS (INSERT INTO attempt_chunks (attempt_id, start, text) SELECT id, 0, 'said' FROM a)
       INSERT INTO citations (message_id, number, passage_id, document_id, version_id, page, char_start, char_end)
       SELECT id, 1, 1, uuidv7(), uuidv7(), 1, 0, 1 FROM m`,
      [id],
    )
    await library.pool.query('UPDATE chats SET deleted_at = now() - $2::interval WHERE id = $1', [
      id,
      deleted,
    ])
    return id
  }
  const [old, fresh, kept] = [await said('2 hours'), await said('1 minute'), await said(null)]
  await sweep(deps)
  const { rows } = await library.pool.query<{ id: string }>('SELECT id FROM chats ORDER BY id')
  expect(rows.map(({ id }) => id)).toEqual([fresh, kept])
  expect(rows.map(({ id }) => id)).not.toContain(old)
  for (const table of ['messages', 'attempts', 'attempt_chunks', 'citations', 'chat_collections'])
    expect([table, await count(`SELECT 1 FROM ${table}`)]).toEqual([table, 2])
})

test('the sweep finishes what a lost job left, and leaves what was deleted just now to its job', async () => {
  const [old, fresh] = [await put('old.txt', randomBytes(10)), await put('fresh.txt', randomBytes(10))]
  for (const { documentId } of [old, fresh]) await owner.api.documents.delete.mutate({ id: documentId })
  await library.pool.query(`UPDATE documents SET deleted_at = now() - interval '2 hours' WHERE id = $1`, [
    old.documentId,
  ])
  await sweep(deps)
  expect(
    await count('SELECT 1 FROM documents WHERE id = ANY($1::uuid[])', [[old.documentId, fresh.documentId]]),
  ).toBe(1)
})

test('blobs whose upload crashed are swept, those that were named meanwhile are not', async () => {
  const { versionId } = await put('named.txt', randomBytes(10))
  const named = await keyOf(versionId)
  for (const key of ['originals/00/crashed', 'originals/00/recent'])
    await library.blobs.put(key, Readable.from([randomBytes(10)]))
  await library.pool.query(
    `INSERT INTO pending_blobs (key, created_at) VALUES
       ($1, now() - interval '1 day'), ('originals/00/crashed', now() - interval '1 day'), ('originals/00/recent', now())`,
    [named],
  )
  await sweep(deps)
  expect(await library.blobs.size(named)).toBe(10)
  expect(await library.blobs.size('originals/00/crashed')).toBeNull()
  expect(await library.blobs.size('originals/00/recent')).toBe(10)
  expect((await library.pool.query('SELECT key FROM pending_blobs')).rows).toEqual([
    { key: 'originals/00/recent' },
  ])
  await library.pool.query('DELETE FROM pending_blobs')
  await library.blobs.delete('originals/00/recent')
})

/** A pool whose next COMMIT loses its connection, before or after PostgreSQL has done it. */
function losesCommit(pool: Pool, when: 'before' | 'after'): Pool {
  let lost = false
  return new Proxy(pool, {
    get(target, property) {
      if (property !== 'connect') {
        const value: unknown = Reflect.get(target, property)
        return typeof value === 'function' ? value.bind(target) : value
      }
      return async () => {
        const client = await target.connect()
        return new Proxy(client, {
          get(inner, name) {
            const value: unknown = Reflect.get(inner, name)
            if (name !== 'query') return typeof value === 'function' ? value.bind(inner) : value
            return async (...args: Parameters<pg.PoolClient['query']>) => {
              if (String(args[0]) !== 'COMMIT' || lost) return inner.query(...args)
              lost = true
              if (when === 'after') await inner.query('COMMIT')
              else await inner.query('ROLLBACK')
              throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' })
            }
          },
        })
      }
    },
  })
}

test.each(['after', 'before'] as const)('a connection lost %s the commit of an upload', async (when) => {
  const bytes = randomBytes(300)
  const before = await library.stored()
  const uploading = receiveFile(
    { ...library.server.services, pool: losesCommit(library.pool, when) },
    owner.viewer,
    { collectionId: collection, name: `${when}.txt`, duplicate: 'ask', body: Readable.from([bytes]) },
  )
  if (when === 'before') {
    await expect(uploading).rejects.toThrow('Connection terminated')
    expect(await library.stored()).toEqual(before)
  } else {
    const { versionId, stage } = await uploading
    expect(stage).toBe('received')
    const got = await owner.fetch(`/files/${versionId}`)
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true)
  }
  expect(await count('SELECT 1 FROM pending_blobs')).toBe(0)
})

test('when the database can not even be asked, the blob stays for the sweep', async () => {
  const before = await library.stored()
  let asked = 0
  const pool = new Proxy(library.pool, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property === 'connect')
        return () => {
          asked += 1
          return Promise.reject(Object.assign(new Error('Connection terminated'), { code: 'ECONNREFUSED' }))
        }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  await expect(
    receiveFile({ ...library.server.services, pool }, owner.viewer, {
      collectionId: collection,
      name: 'x.txt',
      duplicate: 'ask',
      body: Readable.from([randomBytes(10)]),
    }),
  ).rejects.toThrow('Connection terminated')
  expect(asked).toBe(2)
  expect(await library.stored()).toHaveLength(before.length + 1)
  await library.pool.query(`UPDATE pending_blobs SET created_at = now() - interval '1 day'`)
  await sweep(deps)
  expect(await library.stored()).toEqual(before)
})

test('a file for a document that is deleted while it is accepted is refused, and leaves nothing', async () => {
  const { documentId } = await put('target.txt', randomBytes(10))
  const before = await library.stored()
  const deleting = await library.pool.connect()
  await deleting.query('BEGIN')
  await deleting.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [documentId])
  const uploading = put('target.txt', randomBytes(10), { document: documentId })
  while (
    !(await count(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    ))
  )
    await sleep(10)
  await deleting.query('COMMIT')
  deleting.release()
  expect(await uploading).toMatchObject({ status: 404, code: 'NOT_FOUND' })
  expect(await count('SELECT 1 FROM document_versions WHERE document_id = $1', [documentId])).toBe(1)
  expect(await library.stored()).toEqual(before)
  expect(await count('SELECT 1 FROM pending_blobs')).toBe(0)
})
