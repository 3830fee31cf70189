// The API's own services, with the index where INDEX_ENGINE and OPENSEARCH_URL say.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { pino } from 'pino'
import { expect, inject, test } from 'vitest'
import { FixtureLibrary } from '../src/index/fixtures.ts'
import { startServices } from '../src/services.ts'
import { testDatabase } from './database.ts'

test('the API searches in the cluster that its environment names', async () => {
  await using db = await testDatabase()
  const home = mkdtempSync(`${tmpdir()}/terrace-opensearch-api-`)
  try {
    const url = `${inject('opensearch')}${new URL(db.url).pathname}`
    const config = db.config(home, { INDEX_ENGINE: 'opensearch', OPENSEARCH_URL: url })
    await using running = await startServices(config, pino({ enabled: false }))
    const { index } = running.services
    expect(index.status().engine).toBe('opensearch')
    const library = new FixtureLibrary(db.pool)
    const collection = await library.collection()
    const document = await library.document(collection)
    const { passageIds, position } = await library.publish(document, [{ text: 'a pear tree' }])
    await index.waitFor(position, 60_000)
    const filter = { kind: 'collections', keys: [collection.key] } as const
    const { candidates } = await index.search({ text: 'pears', vector: null, filter, limit: 5 })
    expect(candidates.map(({ passageId }) => passageId)).toEqual(passageIds)
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})
