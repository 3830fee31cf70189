import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { FixtureLibrary } from './fixtures.ts'
import { rebuild } from './rebuild.ts'
import { exactEngine } from './vectors/exact.ts'

const dir = mkdtempSync(path.join(tmpdir(), 'terrace-rebuild-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const files = () =>
  readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())

test('one that fails leaves none of the vectors that it has put on the disk', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  // Somewhat more than go to the disk at once.
  const passages = Array.from({ length: 17_000 }, (_, i) => ({ text: 'sloe', vector: [1, i] }))
  await library.publish(await library.document(await library.collection()), passages)
  const stop = new AbortController()
  const exact = exactEngine()
  let sealed = 0
  const engine = {
    ...exact,
    open(file: string, dimensions: number) {
      const segment = exact.open(file, dimensions)
      sealed = files().length
      stop.abort(new Error('the server is stopping'))
      return segment
    },
  }
  await expect(rebuild(db.pool, engine, dir, stop.signal)).rejects.toThrow('stopping')
  expect(sealed).toBe(1)
  expect(files()).toEqual([])
})
