import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, describe } from 'vitest'
import type { TestDatabase } from '../../../test/database.ts'
import { type CaseIndex, indexCases } from '../port.cases.ts'
import { startEmbeddedIndex } from './embedded.ts'

const homes = new Map<TestDatabase, string>()
afterAll(() => {
  for (const home of homes.values()) rmSync(home, { recursive: true, force: true })
})

const ROOT = path.resolve(import.meta.dirname, '../../../..')
const hasFaiss = ['.', '.native'].some((place) =>
  existsSync(path.join(ROOT, place, 'node_modules/faiss-node/build/Release/faiss-node.node')),
)

/** A restarted index of the same database finds its folder again. */
async function start(db: TestDatabase, engine?: 'exact'): Promise<CaseIndex> {
  const home = homes.get(db) ?? mkdtempSync(path.join(tmpdir(), 'terrace-index-'))
  homes.set(db, home)
  const index = await startEmbeddedIndex(
    db.config(home),
    pino({ enabled: false }),
    engine === undefined ? {} : { engine },
  )
  return {
    index,
    async [Symbol.asyncDispose]() {
      await index.close()
    },
  }
}

describe('with the exact scan', () => {
  indexCases({ start: (db) => start(db, 'exact') })
})

describe.skipIf(!hasFaiss)('with FAISS', () => {
  indexCases({ start: (db) => start(db) })
})
