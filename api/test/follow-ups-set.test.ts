// The set of follow-up questions as it is committed (bench/sets/follow-ups).
import { expect, test } from 'vitest'
import { readFollowUps, splitOf } from '../../bench/sets/follow-ups/conversations.ts'

const conversations = readFollowUps()
const leaning = conversations.filter(({ kind }) => kind !== 'independent')

test('at least 60 follow-ups are left to report on, and no more than a third is for choosing', () => {
  const dev = conversations.filter((conversation) => splitOf(conversation) === 'dev')
  expect(leaning.filter((conversation) => splitOf(conversation) === 'test').length).toBeGreaterThanOrEqual(60)
  expect(dev.length).toBeLessThanOrEqual(conversations.length / 3)
  const answers = (split: string) =>
    new Set(conversations.filter((one) => splitOf(one) === split).map(({ answers: [first] }) => first))
  expect([...answers('dev')].filter((answer) => answers('test').has(answer))).toEqual([])
})

test('each is there once, and written out in other words exactly where it leans on what was asked', () => {
  expect(new Set(conversations.map(({ id }) => id)).size).toBe(conversations.length)
  const asked = conversations.map(({ turns, followUp }) => [...turns, followUp].join('\n'))
  expect(new Set(asked).size).toBe(conversations.length)
  for (const { id, kind, followUp, full } of conversations)
    expect([id, followUp === full]).toEqual([id, kind === 'independent'])
})
