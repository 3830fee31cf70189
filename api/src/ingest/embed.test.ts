import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { DIMENSIONS, FixtureLibrary } from '../index/fixtures.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder, EmbedderIdentity } from '../models/port.ts'
import { type EmbedDeps, embedVersion } from './embed.ts'

const IDENTITY: EmbedderIdentity = {
  ...{ model: 'fixture', sha256: '', pooling: 'cls', queryPrefix: '' },
  ...{ dimensions: DIMENSIONS, maxTokens: 512 },
}

test('when one passage fails, nothing of the job goes on after it; what was written stays', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
  const document = await library.document(await library.collection())
  const texts = Array.from({ length: 400 }, (_, n) => ({ text: `passage ${n}` }))
  const { versionId } = await library.publishWords(document, texts)
  await library.generation()
  let asked = 0
  let fails = true
  const embedder: Embedder = {
    identity: IDENTITY,
    window: 6,
    ready: async () => {},
    close: async () => {},
    async embed() {
      const mine = ++asked
      await sleep(1)
      if (fails && mine === 150) throw new Error('a thread died')
      return new Float32Array(DIMENSIONS).fill(1 / Math.sqrt(DIMENSIONS))
    },
  }
  const deps: EmbedDeps = {
    pool: db.pool,
    embedders: testEmbedders(embedder),
    log: pino({ enabled: false }),
    share: (whole) => whole,
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
