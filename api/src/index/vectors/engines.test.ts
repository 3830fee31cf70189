import { describe, expect, test } from 'vitest'
import { coarseEngine } from './coarse/coarse.ts'
import { eagerHelper } from './coarse/helper.cases.ts'
import { exactEngine } from './exact.ts'
import { loadFaiss } from './faiss.ts'
import { engineCases } from './port.cases.ts'

describe('exact', () => engineCases(exactEngine))
describe('coarse', () => engineCases(() => coarseEngine(null)))
describe.each(['', 'slow', 'dead'] as const)('coarse with a helper: %s', (trouble) => {
  const engine = coarseEngine(eagerHelper(trouble === '' ? undefined : trouble))
  engineCases(() => engine)
})

// One engine for the whole file: the addon must not be loaded twice in a process.
const faiss = loadFaiss()
describe.skipIf(faiss === null)('faiss', () => {
  engineCases(() => faiss ?? exactEngine())

  test('counts what its searches lose, and refuses what would end the process', async () => {
    expect(faiss?.lostBytes).toBeGreaterThan(0)
  })
})
