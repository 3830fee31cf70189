import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { DIMENSIONS, FixtureLibrary } from '../index/fixtures.ts'
import { embedVersion } from './embed.ts'

test('when one passage fails, nothing of the job goes on after it; what was written stays', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const document = await library.document(await library.collection())
  const texts = Array.from({ length: 400 }, (_, n) => ({ text: `passage ${n}` }))
  const { versionId } = await library.publishWords(document, texts)
  const generation = { id: await library.generation(), dimensions: DIMENSIONS }
  let asked = 0
  let fails = true
  const embedder = {
    async embed() {
      const mine = ++asked
      await sleep(1)
      if (fails && mine === 150) throw new Error('a thread died')
      return new Float32Array(DIMENSIONS).fill(1 / Math.sqrt(DIMENSIONS))
    },
  }
  const deps = {
    pool: db.pool,
    embedder,
    generation,
    log: pino({ enabled: false }),
    window: 6,
    othersWait: async () => false,
  }
  const never = new AbortController().signal
  await expect(embedVersion(deps, versionId, never)).rejects.toThrow('a thread died')
  const after = asked
  await sleep(100)
  expect(asked).toBe(after)
  expect(asked).toBeLessThan(165)

  const stage = async () =>
    (await db.pool.query('SELECT stage FROM document_versions WHERE id = $1', [versionId])).rows[0]?.stage
  expect(await stage()).toBe('words')
  fails = false
  await embedVersion(deps, versionId, never)
  expect(await stage()).toBe('searchable')
  // 64 vectors a statement: at least one was kept of the first try.
  expect(asked - after).toBeLessThan(400)
})
