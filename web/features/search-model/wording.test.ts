import { expect, test } from 'vitest'
import { addSentences } from '../../lib/t.ts'
import { searchModel } from '../../locales/en/search-model.ts'
import { generation, overview } from './fixtures.ts'
import { passagesText, progressText, shareDone, titleOf } from './wording.ts'

addSentences(searchModel)

test('passages are called by how long they are', () => {
  expect([120, 200, 320, 1_000].map(passagesText)).toEqual([
    ...['short passages (about 120 tokens)', 'standard passages', 'long passages (about 320 tokens)'],
    'passages of about 1,000 tokens',
  ])
})

test('generations of the same model have different titles', () => {
  const own = overview({ parser: 2 })
  const title = (parser: number, passageTokens = 200) => titleOf(generation({ parser, passageTokens }), own)
  expect([title(2), title(2, 120), title(1), title(3)]).toEqual([
    'Local, standard passages',
    'Local, short passages (about 120 tokens)',
    'Local, standard passages, read by an older version of Terrace',
    'Local, standard passages, read by a newer version of Terrace',
  ])
})

test('a build’s progress is that of its documents and of its passages', () => {
  const at = (documentsRead: number, passages: number, embedded: number) => {
    const now = generation({ documents: 1_000, documentsRead, passages, embedded })
    return [progressText(now), shareDone(now)]
  }
  expect(at(0, 0, 0)).toEqual(['0 of 1,000 documents read', 0])
  expect(at(400, 9_000, 4_500)).toEqual(['400 of 1,000 documents read · 4,500 of 9,000 passages so far', 0.2])
  expect(at(400, 9_000, 9_000)[1]).toBe(0.4)
  expect(at(1_000, 9_000, 4_500)).toEqual(['4,500 of 9,000 passages', 0.5])
  expect(at(1_000, 9_000, 9_000)[1]).toBe(1)
  expect(shareDone(generation({ documents: 0, documentsRead: 0, passages: 0, embedded: 0 }))).toBe(0)
})
