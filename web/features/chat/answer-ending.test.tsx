import { renderToStaticMarkup } from 'react-dom/server'
import { expect, test } from 'vitest'
import { type AnswerEvent, applyEvent, freshAnswer } from './answer.ts'
import { Caveats } from './answer-ending.tsx'
import { storedAnswer, withAnswer, withQuestion } from './chat-cache.ts'

const end = {
  ...{ type: 'end', state: 'done', error: null, citations: [], text: 'Use apt.' },
  ...{ behind: false, unverified: false },
} as const satisfies AnswerEvent

const said = (event: AnswerEvent) =>
  renderToStaticMarkup(<Caveats view={applyEvent(freshAnswer(1), event, '1:8')} />)

test('an answer that was searched for by words only, since the search engine was away, says so', () => {
  expect(said({ ...end, wordsOnly: 'engine-away' })).toContain(
    'Searched by words only here: the search engine could not be used.',
  )
  expect(said({ ...end, wordsOnly: null })).toBe('')
  // A server of an older build does not tell.
  expect(said(end)).toBe('')
  expect(said({ ...end, behind: true })).toContain('The newest changes may be missing here')
})

test('it says so later, too', () => {
  const chat = withQuestion(
    {
      ...{ id: 'chat', title: '', model: null, collectionIds: [], documentId: null, ownCollectionId: null },
      messages: [],
    },
    'How?',
    'llama',
    { questionId: 'question', answerId: 'answer', attemptId: 'attempt' },
  )
  const view = applyEvent(freshAnswer(1), { ...end, wordsOnly: 'engine-away' }, '1:8')
  const answer = withAnswer(chat, 'answer', view).messages.at(-1)
  expect(answer === undefined ? null : storedAnswer(answer).wordsOnly).toBe('engine-away')
})
