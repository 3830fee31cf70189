import { expect, test } from 'vitest'
import { freshAnswer } from './answer.ts'
import { storedAnswer, withAnswer, withNewAttempt, withQuestion } from './chat-cache.ts'
import type { Chat } from './types.ts'

const asked: Chat = withQuestion(
  {
    ...{ id: 'chat', title: '', model: null, collectionIds: [], documentId: null, ownCollectionId: null },
    messages: [],
  },
  'How?',
  'llama',
  { questionId: 'question', answerId: 'answer', attemptId: 'attempt' },
)
const answerIn = ({ messages }: Chat) => {
  const last = messages.at(-1)
  if (last === undefined) throw new Error('no answer')
  return storedAnswer(last)
}

test('what a stream has said is kept, and nothing of an older attempt', () => {
  const streaming = { ...freshAnswer(1), state: 'streaming' as const, text: 'Use' }
  expect(answerIn(withAnswer(asked, 'answer', streaming))).toMatchObject({ state: 'streaming', text: 'Use' })
  const again = withNewAttempt(asked, 'answer', 'second')
  expect(answerIn(withAnswer(again, 'answer', streaming))).toMatchObject({ attempt: 2, text: '' })
})

test('an end that is stored is not undone by what a page knew before it', () => {
  const end = { ...freshAnswer(1), state: 'stopped' as const, text: 'Use apt', unverified: true }
  const ended = withAnswer(asked, 'answer', end)
  const stoppedHere = { ...freshAnswer(1), state: 'stopped' as const, text: 'Use' }
  expect(answerIn(withAnswer(ended, 'answer', stoppedHere))).toEqual(answerIn(ended))
  expect(answerIn(ended)).toMatchObject({ text: 'Use apt', unverified: true })
})
