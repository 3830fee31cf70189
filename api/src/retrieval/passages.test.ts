import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { addGeneration, addReading, readSo } from '../../test/readings.ts'
import { shelveCollection, shelveDocument } from '../../test/shelf.ts'
import { fetchPassages } from './passages.ts'

let db: TestDatabase
const viewer = { userId: 'reader', sessionId: '', name: '', email: 'r@example.org', role: 'member' } as const
beforeAll(async () => {
  db = await testDatabase()
  await db.pool.query("INSERT INTO users (id, name, email) VALUES ($1, 'Reader', 'r@example.org')", [
    viewer.userId,
  ])
})
afterAll(() => db[Symbol.asyncDispose]())

test('passages of any reading are readable while they are there, and of none once the document is not', async () => {
  const { pool } = db
  const other = await addReading(pool, 320)
  await addGeneration(pool, other, 'active')
  const shelve = async () => {
    const collectionId = await shelveCollection(pool, viewer.userId)
    const document = await shelveDocument(pool, collectionId, 'a.txt', ['One.', 'Two.'])
    const again = await readSo(pool, document.versionId, other, [['One. Two.']])
    return { ...document, collectionId, ids: [...document.passageIds, ...again] }
  }
  const read = async ({ ids }: { ids: readonly number[] }) =>
    (await fetchPassages(pool, viewer, ids)).map(({ text, readingId }) => [text, readingId])
  const kept = await shelve()
  const all = [
    ['One.', 1],
    ['Two.', 1],
    ['One. Two.', other],
  ]
  expect(await read(kept)).toEqual(all)
  const gone = {
    deleted: 'UPDATE documents SET deleted_at = now() WHERE id = $1',
    replaced: 'UPDATE documents SET current_version_id = NULL WHERE id = $1',
    forbidden:
      'DELETE FROM collection_members m USING documents d WHERE d.id = $1 AND m.collection_id = d.collection_id',
  }
  for (const [how, sql] of Object.entries(gone)) {
    const document = await shelve()
    expect(await read(document)).toEqual(all)
    await pool.query(sql, [document.documentId])
    expect(await read(document), how).toEqual([])
  }
  expect(await read(kept)).toEqual(all)
})
