// Two small sets in languages that are not English, asked by words: stems and stop words of the document's language, and
// words where no spaces part them.
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { DocumentWriter } from '../index/apply.ts'
import { searchBatch } from '../index/search.ts'
import { IndexState } from '../index/state.ts'
import { exactEngine } from '../index/vectors/exact.ts'
import { detectLanguage } from '../ingest/language.ts'
import { openBeirSet } from './beir.ts'
import { measure } from './measures.ts'

const SETS = path.join(import.meta.dirname, '../../../bench/sets/languages')
const START = { epoch: 'e', seq: 0, entryId: null }

/** Mean nDCG@10 by words. `language` null: what is detected for each document. */
async function byWords(set: string, language: string | null): Promise<number> {
  const { corpus, questions } = await openBeirSet(path.join(SETS, set), 'test')
  const state = IndexState.empty(exactEngine(), START, null)
  const ids: string[] = []
  for await (const { id, title, text } of corpus()) {
    ids.push(id)
    const writer = new DocumentWriter(state, 1)
    await writer.add({ id: ids.length, language: language ?? detectLanguage(text), heading: title, text })
    writer.publish(ids.length, id)
  }
  const scores = questions.map(({ text, judgements }) => {
    const query = { text, vector: null, limit: 20, filter: { kind: 'collections' as const, keys: [1] } }
    const [found = []] = searchBatch(state, [query])
    return measure(
      'nDCG@10',
      found.map(({ passageId }) => ids[passageId - 1] ?? ''),
      judgements,
    )
  })
  state.close()
  return scores.reduce((sum, score) => sum + score, 0) / scores.length
}

describe.each([
  ['german', 'de'],
  ['japanese', 'ja'],
])('%s', (set, language) => {
  test('is recognised, document by document', async () => {
    const { corpus } = await openBeirSet(path.join(SETS, set), 'test')
    for await (const { id, text } of corpus()) expect(detectLanguage(text), id).toBe(language)
  })

  test('is found by words, as they stand in a question', async () => {
    expect(await byWords(set, null)).toBeGreaterThan(0.9)
  })
})

test('German words are found by German stems: English ones do worse', async () => {
  expect(await byWords('german', 'de')).toBeGreaterThan((await byWords('german', 'en')) + 0.03)
})
