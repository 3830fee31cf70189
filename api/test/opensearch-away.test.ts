// The API's own services where INDEX_ENGINE and OPENSEARCH_URL name a cluster that is not there.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { freePort } from '../../local/postgres.ts'
import { createReadiness } from '../src/http/readiness.ts'
import { FixtureLibrary } from '../src/index/fixtures.ts'
import { filledTo } from '../src/index/words/fixtures.ts'
import { startServices } from '../src/services.ts'
import { testDatabase } from './database.ts'

test('the API answers by words from PostgreSQL, and is ready', async () => {
  await using db = await testDatabase()
  const home = mkdtempSync(`${tmpdir()}/terrace-opensearch-away-`)
  try {
    const url = `http://127.0.0.1:${await freePort()}/terrace`
    const config = db.config(home, { INDEX_ENGINE: 'opensearch', OPENSEARCH_URL: url })
    await using running = await startServices(config, pino({ enabled: false }))
    const { services } = running
    const library = new FixtureLibrary(db.pool)
    const collection = await library.collection()
    const document = await library.document(collection)
    const { passageIds, position } = await library.publish(document, [{ text: 'a pear tree' }])
    await filledTo(db, position)
    const filter = { kind: 'collections', keys: [collection.key] } as const
    const answer = await services.index.search({ text: 'pears', vector: null, filter, limit: 5 })
    expect(answer.candidates.map(({ passageId }) => passageId)).toEqual(passageIds)
    expect(answer.wordsOnly).toBe('engine-away')
    expect(await createReadiness(services).check()).toMatchObject({ ready: true, reasons: [] })
  } finally {
    rmSync(home, { recursive: true, force: true })
  }
})
