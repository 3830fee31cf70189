import { afterEach, expect, test, vi } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { FixtureLibrary } from '../index/fixtures.ts'
import { Progress } from './versions.ts'

afterEach(() => vi.restoreAllMocks())

test('progress goes on when the clock is set back', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const document = await library.document(await library.collection())
  const { versionId } = await library.publishWords(document, [{ text: 'some text' }])
  const embedded = async () =>
    (await db.pool.query('SELECT passages_embedded AS n FROM document_versions WHERE id = $1', [versionId]))
      .rows[0]?.n
  const progress = new Progress(db.pool, { id: versionId, documentId: document.id }, ['words'])
  progress.set({ passagesEmbedded: 1 })
  await expect.poll(embedded).toBe(1)
  const { now } = Date
  vi.spyOn(Date, 'now').mockImplementation(() => now() - 3_600_000)
  // Two: the first write after it may have been planned before.
  for (const n of [2, 3]) {
    progress.set({ passagesEmbedded: n })
    await expect.poll(embedded).toBe(n)
  }
  await progress.end()
})
