import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, describe, inject } from 'vitest'
import type { TestDatabase } from '../../../../test/database.ts'
import { type CaseIndex, indexCases } from '../../port.cases.ts'
import { startOpenSearchIndex } from './opensearch.ts'

const home = mkdtempSync(path.join(tmpdir(), 'terrace-index-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

/** A restarted index of the same database finds its own in the cluster again. */
async function start(db: TestDatabase): Promise<CaseIndex> {
  const url = `${inject('opensearch')}${new URL(db.url).pathname}`
  const index = startOpenSearchIndex(db.config(home), url, pino({ level: 'warn' }))
  return {
    index,
    async [Symbol.asyncDispose]() {
      await index.close()
    },
  }
}

describe('in OpenSearch', () => {
  indexCases({ start })
})
