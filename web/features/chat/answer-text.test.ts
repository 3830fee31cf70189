import { expect, test } from 'vitest'
import { type Citation, freshAnswer } from './answer.ts'
import { answerAsText } from './answer-text.ts'

const citation: Citation = {
  number: 1,
  passageId: 7,
  documentId: 'd',
  documentName: 'debian-faq.pdf',
  versionId: 'v',
  readingId: 1,
  page: 12,
  charStart: 0,
  charEnd: 4,
  quote: 'Use apt.',
  available: true,
}

test('an answer is copied with its sources', () => {
  expect(answerAsText({ ...freshAnswer(1), text: 'Use apt [1].\n', citations: [citation] })).toBe(
    'Use apt [1].\n\n[1] debian-faq.pdf, Page 12',
  )
})

test('quotes are copied as quotes, one that is gone without its words', () => {
  const gone = { ...citation, number: 2, documentName: '', quote: null, available: false }
  expect(answerAsText({ ...freshAnswer(1), citations: [citation, gone] })).toBe(
    '[1] debian-faq.pdf, Page 12\nUse apt.\n\n[2] This source is no longer available\nThis source was deleted, replaced, or is no longer shared with you.',
  )
})
