// One generation of vectors is replaced by another while questions are asked.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { testDatabase } from '../../../test/database.ts'
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
