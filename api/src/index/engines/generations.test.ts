// One generation of vectors is replaced by another while questions are asked.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { testDatabase } from '../../../test/database.ts'
import { findReading } from '../../ingest/reading.ts'
import { FixtureLibrary, unit } from '../fixtures.ts'
import type { IndexQuery } from '../port.ts'
import { startEmbeddedIndex } from './embedded.ts'

async function until(condition: () => boolean, what: string): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 30_000) throw new Error(`waited in vain: ${what}`)
    await sleep(10)
  }
}

test('questions are answered throughout, each by the vectors that it can be compared with', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-generations-'))
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const collection = await library.collection()
  const document = await library.document(collection)
  const { passageIds, position } = await library.publish(document, [
    { text: 'one', vector: [1, 0] },
    { text: 'two', vector: [0, 1] },
  ])
  const old = await library.generation()
  // The other way round in the new generation.
  const other = await library.buildGeneration('other', (id) => (id === passageIds[0] ? [0, 1] : [1, 0]))
  const index = await startEmbeddedIndex(db.config(home), pino({ enabled: false }))
  try {
    await index.waitFor(position, 10_000)
    const query = (generation: number): IndexQuery => ({
      ...{ text: '', vector: unit([1, 0]), generation, limit: 1 },
      filter: { kind: 'collections', keys: [collection.key] },
    })
    const best = async (generation: number) =>
      (await index.search(query(generation))).candidates[0]?.passageId
    expect([await best(old), await best(other)]).toEqual([passageIds[0], undefined])

    let asking = true
    const failures: unknown[] = []
    const seen = new Set<number | undefined>()
    const asked = (async () => {
      while (asking) {
        const held = index.status().generation
        const found = await best(held ?? old).catch((error: unknown) => failures.push(error))
        // In the very moment of the switch a question may miss both: it then goes by its words, here none.
        if (found !== undefined) seen.add(found)
        await sleep(1)
      }
    })()
    for (const [to, first] of [
      [other, passageIds[1]],
      [old, passageIds[0]],
    ] as const) {
      const switched = await library.switchTo(to)
      // Followed on by words, by the process that is about to be replaced.
      const added = await library.publishWords(await library.document(collection), [{ text: `quince ${to}` }])
      await index.waitFor(added.position, 10_000)
      const words = { ...query(to), text: 'quince', vector: null, limit: 10 }
      expect((await index.search(words)).candidates.map(({ passageId }) => passageId)).toContain(
        added.passageIds[0],
      )
      await until(() => index.status().generation === to, 'the other generation')
      expect(index.status().position?.seq).toBeGreaterThanOrEqual(switched.seq)
      expect(await best(to)).toBe(first)
      expect((await index.search(words)).candidates.length).toBeGreaterThan(0)
    }
    asking = false
    await asked
    expect(failures).toEqual([])
    expect([...seen].sort()).toEqual([...passageIds].sort())
  } finally {
    await index.close()
    rmSync(home, { recursive: true, force: true })
  }
})

test('another reading takes over with its words and its vectors at once, and is left again', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-generations-'))
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const collection = await library.collection()
  const short = await library.publish(await library.document(collection), [
    { text: 'A quince tree.', vector: [1, 0] },
    { text: 'Quince jelly.', vector: [0, 1] },
  ])
  const old = await library.generation()
  const { id: reading } = await findReading(db.pool, { parser: 1, splitter: 1, passageTokens: 320 })
  const long = await library.read(short, reading, [{ text: 'A quince tree. Quince jelly.' }])
  const other = await library.buildGeneration('other', () => [1, 1], reading)
  const index = await startEmbeddedIndex(db.config(home), pino({ enabled: false }))
  try {
    await index.waitFor(short.position, 10_000)
    const find = async (text: string, vector: Float32Array | null = null) => {
      const generation = index.status().generation ?? old
      const { candidates } = await index.search({
        ...{ text, vector, generation, limit: 10 },
        filter: { kind: 'collections', keys: [collection.key] },
      })
      return candidates
    }
    const ids = (found: Awaited<ReturnType<typeof find>>) =>
      found.map(({ passageId }) => passageId).sort((a, b) => a - b)
    const byMeaning = async () =>
      (await find('', unit([1, 1]))).flatMap((found) => (found.cosine === null ? [] : found.passageId))
    let asking = true
    const seen = new Set<string>()
    const asked = (async () => {
      while (asking) {
        seen.add(ids(await find('quinces')).join())
        await sleep(1)
      }
    })()
    const wait = (generation: number) =>
      until(() => index.status().generation === generation, 'the other generation')
    expect([ids(await find('quinces')), (await byMeaning()).sort()]).toEqual([
      short.passageIds,
      short.passageIds,
    ])
    const document = await library.document(collection)
    const waiting = await library.publishWords(document, [{ text: 'A medlar.' }, { text: 'Medlar wine.' }])
    await library.switchTo(other)
    await wait(other)
    expect([ids(await find('quinces')), await byMeaning()]).toEqual([long, long])
    // It has the words that it was published with until its vectors come, which are of other passages.
    expect(ids(await find('medlars'))).toEqual(waiting.passageIds)
    const text = 'A medlar. Medlar wine.'
    const again = await library.read(waiting, reading, [{ text, vector: [0, 1] }], other)
    expect(ids(await find('medlars'))).toEqual(waiting.passageIds)
    await index.waitFor(await library.publishVectors(document, waiting, other), 10_000)
    expect(ids(await find('medlars'))).toEqual(again)
    expect((await byMeaning()).sort()).toEqual([...long, ...again].sort())

    await library.switchTo(old)
    await wait(old)
    expect([ids(await find('quinces')), ids(await find('medlars'))]).toEqual([
      short.passageIds,
      waiting.passageIds,
    ])
    asking = false
    await asked
    expect([...seen].sort()).toEqual([short.passageIds.join(), long.join()].sort())
  } finally {
    await index.close()
    rmSync(home, { recursive: true, force: true })
  }
})

/** A small library of two generations, `old` the active one, and an index of it in `home`. */
async function twoGenerations(home: string) {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const library = new FixtureLibrary(db.pool)
  const collection = await library.collection()
  const { passageIds, position } = await library.publish(await library.document(collection), [
    { text: 'one', vector: [1, 0] },
    { text: 'two', vector: [0, 1] },
  ])
  const old = await library.generation()
  const other = await library.buildGeneration('other', (id) => (id === passageIds[0] ? [0, 1] : [1, 0]))
  const start = () => startEmbeddedIndex(db.config(home), pino({ enabled: false }))
  const query: IndexQuery = {
    ...{ text: '', vector: unit([1, 1]), generation: old, limit: 10 },
    filter: { kind: 'collections', keys: [collection.key] },
  }
  /** Published while `other` is active, with vectors of both. */
  const add = async () => {
    const added = await new FixtureLibrary(db.pool, 'other').publish(await library.document(collection), [
      { text: 'three', vector: [1, 1] },
    ])
    await db.pool.query(
      'INSERT INTO passage_vectors SELECT passage_id, $1, vector FROM passage_vectors WHERE passage_id = $2',
      [old, added.passageIds[0]],
    )
    return added
  }
  const kept = stack.move()
  return {
    db,
    library,
    position,
    old,
    other,
    start,
    query,
    add,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

test('a checkpoint from before another generation was active is not continued, though its own is active again', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-generations-'))
  await using of = await twoGenerations(home)
  const first = await of.start()
  await first.waitFor(of.position, 10_000)
  await first.close()
  await of.library.switchTo(of.other)
  const { passageIds } = await of.add()
  const back = await of.library.switchTo(of.old)
  const index = await of.start()
  try {
    await index.waitFor(back, 20_000)
    const { candidates } = await index.search(of.query)
    expect(candidates[0]).toMatchObject({ passageId: passageIds[0], withoutVector: false })
    const pid = index.pid()
    await sleep(3_000)
    // Nor is it replaced for ever by another that loads the same.
    expect(index.pid()).toBe(pid)
  } finally {
    await index.close()
    rmSync(home, { recursive: true, force: true })
  }
})

test('a process that was overtaken by another switch while it loaded is replaced, too', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-generations-'))
  await using of = await twoGenerations(home)
  const index = await of.start()
  const lock = await of.db.pool.connect()
  try {
    await index.waitFor(of.position, 10_000)
    // Held up when it has seen which generation is active, and nothing else.
    await lock.query('BEGIN')
    await lock.query('LOCK TABLE passages IN ACCESS EXCLUSIVE MODE')
    await of.library.switchTo(of.other)
    let waiting = 0
    while (waiting === 0) {
      const { rows } = await lock.query(
        'SELECT count(*)::int AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database() WHERE NOT granted',
      )
      waiting = rows[0]?.n ?? 0
      await sleep(20)
    }
    const back = await of.library.switchTo(of.old)
    await lock.query('COMMIT')
    await until(() => index.status().generation === of.other, 'the one that was overtaken')
    await until(() => index.status().generation === of.old, 'the one after it')
    await index.waitFor(back, 10_000)
    expect((await index.search(of.query)).candidates.map(({ cosine }) => cosine)).not.toContain(null)
  } finally {
    lock.release(true)
    await index.close()
    rmSync(home, { recursive: true, force: true })
  }
})
