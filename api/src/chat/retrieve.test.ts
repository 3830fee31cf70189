import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { FixtureLibrary } from '../index/fixtures.ts'
import type { Index } from '../index/port.ts'
import { findReading } from '../ingest/reading.ts'
import { fetchPassages } from '../retrieval/passages.ts'
import { withNeighbours } from './retrieve.ts'

const viewer = { userId: 'reader', sessionId: '', name: '', email: 'r@example.org', role: 'member' } as const

test('what stands beside a passage is of its own reading', async () => {
  await using db = await testDatabase()
  await db.pool.query("INSERT INTO users (id, name, email) VALUES ($1, 'Reader', $2)", [
    viewer.userId,
    viewer.email,
  ])
  const library = new FixtureLibrary(db.pool)
  const document = await library.document(await library.collection({ owner: viewer.userId }))
  const version = await library.publish(document, [{ text: 'One.' }, { text: 'Two.' }, { text: 'Three.' }])
  const { id: reading } = await findReading(db.pool, { parser: 1, splitter: 1, passageTokens: 320 })
  const others = await library.read(version, reading, [{ text: 'One. Two.' }, { text: 'Three.' }])
  const deps = { pool: db.pool, index: undefined as unknown as Index, embedders: testEmbedders() }
  const around = async (id: number | undefined) => {
    const found = await fetchPassages(db.pool, viewer, id === undefined ? [] : [id])
    const rank = { score: 1, cosine: null, words: 1, withoutVector: true }
    const hits = found.map((passage) => ({ ...passage, ...rank }))
    return (await withNeighbours(deps, viewer, hits)).map(({ passage, place }) => [place, passage.passageId])
  }
  const [one, two, three] = version.passageIds
  expect(await around(two)).toEqual([
    [0, two],
    [-1, one],
    [1, three],
  ])
  expect(await around(others[0])).toEqual([
    [0, others[0]],
    [1, others[1]],
  ])
})
