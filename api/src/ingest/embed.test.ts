import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { testEmbedders } from '../../test/embedders.ts'
import { DIMENSIONS, FixtureLibrary } from '../index/fixtures.ts'
import { generationDigest } from '../models/generation.ts'
import type { Embedder, EmbedderIdentity } from '../models/port.ts'
import { type EmbedDeps, embedVersion } from './embed.ts'

const IDENTITY: EmbedderIdentity = {
  ...{ model: 'fixture', sha256: '', pooling: 'cls', queryPrefix: '' },
  ...{ dimensions: DIMENSIONS, maxTokens: 512 },
}

const never = new AbortController().signal

const depsOf = (db: TestDatabase, embed: Embedder['embed']): EmbedDeps => ({
  pool: db.pool,
  embedders: testEmbedders({
    identity: IDENTITY,
    window: 6,
    ready: async () => {},
    close: async () => {},
    embed,
  }),
  log: pino({ enabled: false }),
  share: (whole) => whole,
  othersWait: async () => false,
  readAgain: async () => {
    throw new Error('nothing is to be read')
  },
})

const someVector = () => new Float32Array(DIMENSIONS).fill(1 / Math.sqrt(DIMENSIONS))

test('when one passage fails, nothing of the job goes on after it; what was written stays', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
  const document = await library.document(await library.collection())
  const texts = Array.from({ length: 400 }, (_, n) => ({ text: `passage ${n}` }))
  const { versionId } = await library.publishWords(document, texts)
  await library.generation()
  let asked = 0
  let fails = true
  const deps = depsOf(db, async () => {
    const mine = ++asked
    await sleep(1)
    if (fails && mine === 150) throw new Error('a thread died')
    return someVector()
  })
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

describe('the text of the version before', () => {
  /** Two editions, the second searchable by words. */
  async function editions(db: TestDatabase, vector?: readonly number[]) {
    const library = new FixtureLibrary(db.pool, generationDigest(IDENTITY))
    const document = await library.document(await library.collection())
    const first = await library.publish(document, [{ text: 'old', vector: [1] }])
    const second = await library.publishWords(document, [
      { text: 'new', ...(vector === undefined ? {} : { vector }) },
    ])
    return { library, document, first, second }
  }
  const passagesOf = async (db: TestDatabase, versionId: string) =>
    (await db.pool.query('SELECT text FROM passages WHERE version_id = $1', [versionId])).rows.length

  test('goes when the job is repeated, too: whoever published the next one may have been killed before that', async () => {
    await using db = await testDatabase()
    const { library, document, first, second } = await editions(db, [2])
    await library.publishVectors(document, second)
    expect(await passagesOf(db, first.versionId)).toBe(1)
    const noneMissing = async () => {
      throw new Error('nothing is to be embedded')
    }
    expect(await embedVersion(depsOf(db, noneMissing), second.versionId, never)).toBe(true)
    expect(await passagesOf(db, first.versionId)).toBe(0)
    expect(await passagesOf(db, second.versionId)).toBe(1)
  })

  test('goes when another process was faster, and was killed before that', async () => {
    await using db = await testDatabase()
    const { library, document, first, second } = await editions(db)
    const beaten = async () => {
      await library.publishVectors(document, second)
      return someVector()
    }
    expect(await embedVersion(depsOf(db, beaten), second.versionId, never)).toBe(true)
    expect(await passagesOf(db, first.versionId)).toBe(0)
    expect(await passagesOf(db, second.versionId)).toBe(1)
  })

  test('stays while the next one can be cancelled', async () => {
    await using db = await testDatabase()
    const { first, second } = await editions(db)
    const fails = async () => {
      throw new Error('a thread died')
    }
    await expect(embedVersion(depsOf(db, fails), second.versionId, never)).rejects.toThrow('a thread died')
    expect(await passagesOf(db, first.versionId)).toBe(1)
  })
})
