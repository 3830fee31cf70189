// A primary that is gone without a word: its connections are neither cut nor answered, and its address leads to the
// replica that was promoted in its place.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { replicatedPostgres } from '../../../test/replica.ts'
import { createPool } from '../../database/pool.ts'
import { FixtureLibrary } from '../fixtures.ts'
import { startEmbeddedIndex } from './embedded.ts'

const LONG = { timeout: 60_000 }

test('the index goes on with the log of the primary that took over, in a new epoch', async () => {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-silence-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const postgres = stack.use(await replicatedPostgres())
  const before = new FixtureLibrary(postgres.db.pool)
  const collection = await before.collection()
  const { position } = await before.publish(await before.document(collection), [{ text: 'A quince.' }])
  // Of rebuilding from a replica: rebuild-from.test.ts.
  const config = { ...postgres.db.config(home), databaseReplicaUrl: undefined }
  const index = await startEmbeddedIndex(config, pino({ enabled: false }))
  stack.defer(() => index.close())
  await index.waitFor(position, 30_000)
  await expect.poll(() => index.status().ready, LONG).toBe(true)
  const found = async (text: string) => {
    const filter = { kind: 'collections' as const, keys: [collection.key] }
    return (await index.search({ text, vector: null, limit: 5, filter })).candidates.length
  }
  expect(await found('quince')).toBe(1)

  await postgres.caughtUp()
  postgres.primary.freeze()
  await postgres.promote({ cut: false })
  const pool = createPool(config, { name: 'terrace-test-after', max: 2 })
  stack.defer(() => pool.end())
  const after = new FixtureLibrary(pool)
  await after.publish(await after.document(collection), [{ text: 'A medlar.' }])
  await expect.poll(() => found('medlar'), LONG).toBe(1)
  expect(await found('quince')).toBe(1)
  // It did not only go on reading, where another question opened another connection: the line that tells of commits is
  // with the new server as well, or nobody would have noticed that it is another.
  await expect.poll(() => index.status().position?.epoch, LONG).not.toBe(position.epoch)
}, 180_000)
