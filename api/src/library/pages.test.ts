import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { code } from '../../test/people.ts'
import { addGeneration, addReading, readSo } from '../../test/readings.ts'
import { type Person, type TestServer, testServer } from '../../test/server.ts'
import { type ShelvedDocument, shelveCollection, shelveDocument } from '../../test/shelf.ts'
import { getPages } from './pages.ts'

let db: TestDatabase
let server: TestServer
let reader: Person
let stranger: Person
/** With two pages where the first reading has one. */
let other: number
beforeAll(async () => {
  db = await testDatabase()
  server = await testServer(db)
  reader = await server.person()
  stranger = await server.person({ role: 'owner' })
  other = await addReading(db.pool, 320)
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await db[Symbol.asyncDispose]()
})

async function shelve(): Promise<ShelvedDocument & { collectionId: string }> {
  const collectionId = await shelveCollection(db.pool, reader.viewer.userId)
  const document = await shelveDocument(db.pool, collectionId, 'book.txt', ['As it was read first.'])
  await readSo(db.pool, document.versionId, other, [['As it was'], ['read again.']])
  return { ...document, collectionId }
}

const pages = ({ documentId: id, versionId }: ShelvedDocument, readingId?: number, person = reader) =>
  person.api.documents.pages.query({ id, versionId, readingId })
const page = (
  { documentId: id, versionId }: ShelvedDocument,
  number: number,
  readingId?: number,
  person = reader,
) => person.api.documents.page.query({ id, versionId, number, readingId })

test('are those of the reading that is named, or that searches see', async () => {
  const document = await shelve()
  const first = { readingId: 1, pages: [{ number: 1, length: 21 }] }
  const again = {
    readingId: other,
    pages: [
      { number: 1, length: 9 },
      { number: 2, length: 11 },
    ],
  }
  const text = { number: 1, readingId: 1, text: 'As it was read first.' }
  const textAgain = { number: 1, readingId: other, text: 'As it was' }
  // While nothing was ever embedded, that is the first.
  expect(await pages(document)).toMatchObject(first)
  expect(await page(document, 1)).toEqual(text)
  expect(await pages(document, other)).toMatchObject(again)
  expect(await page(document, 1, other)).toEqual(textAgain)
  expect(await code(page(document, 2))).toBe('NOT_FOUND')
  expect((await page(document, 2, other)).text).toBe('read again.')

  const generation = await addGeneration(db.pool, other, 'active')
  expect(await pages(document)).toMatchObject(again)
  expect(await page(document, 1)).toEqual(textAgain)
  expect(await pages(document, 1)).toMatchObject(first)
  expect(await page(document, 1, 1)).toEqual(text)
  // Found by words only, by those that it was published with.
  await db.pool.query("UPDATE document_versions SET stage = 'words' WHERE id = $1", [document.versionId])
  expect(await pages(document)).toMatchObject(first)
  expect(await page(document, 1)).toEqual(text)
  await db.pool.query("UPDATE document_versions SET stage = 'searchable' WHERE id = $1", [document.versionId])

  // What is named is gone.
  await db.pool.query('DELETE FROM pages WHERE version_id = $1 AND reading_id = 1', [document.versionId])
  for (const readingId of [1, 2_147_483_647]) {
    expect(await pages(document, readingId)).toMatchObject(again)
    expect(await page(document, 1, readingId)).toEqual(textAgain)
  }
  for (const readingId of [0, 1.5, 2_147_483_648])
    expect(await code(pages(document, readingId))).toBe('INVALID_INPUT')
  await db.pool.query('DELETE FROM generations WHERE id = $1', [generation])
})

test('of no reading leave when the document is forbidden, deleted or replaced (promise P5)', async () => {
  const [forbidden, deleted, collectionGone, replaced] = [
    await shelve(),
    await shelve(),
    await shelve(),
    await shelve(),
  ]
  await db.pool.query('DELETE FROM collection_members WHERE collection_id = $1', [forbidden.collectionId])
  await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [deleted.documentId])
  await db.pool.query('UPDATE collections SET deleted_at = now() WHERE id = $1', [
    collectionGone.collectionId,
  ])
  const newer = randomUUID()
  await db.pool.query(
    `INSERT INTO document_versions (id, document_id, number, filename, media_type, bytes, sha256, storage_key, stage)
     VALUES ($1, $2, 2, 'book.txt', 'text/plain', 1, '', '', 'searchable')`,
    [newer, replaced.documentId],
  )
  await readSo(db.pool, newer, 1, [['As it is now.']])
  await db.pool.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [
    replaced.documentId,
    newer,
  ])
  const shown = await shelve()
  for (const readingId of [undefined, 1, other]) {
    expect((await pages(shown, readingId)).pages).not.toEqual([])
    expect(await code(pages(shown, readingId, stranger))).toBe('NOT_FOUND')
    expect(await code(page(shown, 1, readingId, stranger))).toBe('NOT_FOUND')
    for (const document of [forbidden, deleted, collectionGone]) {
      expect(await code(pages(document, readingId))).toBe('NOT_FOUND')
      expect(await code(page(document, 1, readingId))).toBe('NOT_FOUND')
    }
    expect(await code(page(replaced, 1, readingId))).toBe('NOT_FOUND')
    expect(await pages(replaced, readingId)).toMatchObject({ current: false, pages: [] })
    expect((await page({ ...replaced, versionId: newer }, 1, readingId)).text).toBe('As it is now.')
  }
})

test('several at once: of that reading, and only for those who may see them now', async () => {
  const document = await shelve()
  const { documentId: id, versionId } = document
  const several = (person = reader, more: { from?: number; readingId?: number } = {}) =>
    getPages({ pool: db.pool }, person.viewer, {
      ...{ id, versionId, readingId: other, from: 1, count: 5, ...more },
    })
  const both = [
    { number: 1, text: 'As it was' },
    { number: 2, text: 'read again.' },
  ]
  expect(await several()).toEqual(both)
  expect(await several(reader, { from: 2 })).toEqual(both.slice(1))
  expect(await several(reader, { readingId: 77 })).toEqual([])
  expect(await several(stranger)).toEqual([])
  await db.pool.query('UPDATE documents SET current_version_id = NULL WHERE id = $1', [id])
  expect(await several()).toEqual([])
  await db.pool.query('UPDATE documents SET current_version_id = $2 WHERE id = $1', [id, versionId])
  expect(await several()).toEqual(both)
  await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [id])
  expect(await several()).toEqual([])
})
