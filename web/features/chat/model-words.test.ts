import { expect, test } from 'vitest'
import { describeModel, factsOf } from './model-words.ts'
import type { Model } from './models.ts'

const llama: Model = {
  id: 'llama',
  name: 'Llama',
  provider: 'Workers AI',
  contextTokens: 8_192,
  maxOutputTokens: 1_024,
  price: { input: 0.045, output: 0.384 },
  requestsPerMinute: 300,
  direct: false,
  available: true,
  availability: { state: 'available', since: new Date(0) },
}

test('sizes, price and limits in one line; what is not known is left out', () => {
  expect(factsOf(llama)).toBe(
    '8K tokens of context, answers up to 1K · $0.05 in, $0.38 out per million tokens · 300 requests a minute',
  )
  const bare = { ...llama, contextTokens: null, maxOutputTokens: null, price: null, requestsPerMinute: null }
  expect(factsOf(bare)).toBe('')
  expect(factsOf({ ...bare, contextTokens: 1_048_576 })).toBe('1M tokens of context')
  expect(factsOf({ ...bare, maxOutputTokens: 16_000 })).toBe('answers up to 16K tokens')
  expect(factsOf({ ...bare, requestsPerMinute: 1 })).toBe('1 request a minute')
})

test('a price that is small is not none, and none is free', () => {
  const priced = (input: number, output: number) =>
    factsOf({
      ...llama,
      contextTokens: null,
      maxOutputTokens: null,
      requestsPerMinute: null,
      price: { input, output },
    })
  expect(priced(0.0024, 1_250)).toBe('$0.0024 in, $1,250.00 out per million tokens')
  expect(priced(0, 0)).toBe('free of charge')
  expect(priced(0, 0.2)).toBe('$0.00 in, $0.20 out per million tokens')
})

test.each([
  ['available', '', false],
  ['unknown', '', false],
  ['busy', 'Busy at the moment.', false],
  ['not-listed', 'Its server does not list it. It may answer all the same.', false],
  ['unreachable', 'It can not be reached at the moment.', true],
  ['refused-key', 'Its server refuses the key that Terrace has for it.', true],
  ['allowance-used', 'Its allowance for today is used up.', true],
  ['retired', 'Its provider no longer offers it.', true],
] as const)('%s: "%s"', (state, reason, faded) => {
  const words = describeModel({ ...llama, availability: { state, since: new Date(0) } }, false)
  expect(words).toEqual({
    ...{ note: undefined, description: 'Workers AI', details: [factsOf(llama), reason], faded },
  })
})

test('the default is marked; an older server, which says less, breaks nothing', () => {
  expect(describeModel(llama, true).note).toBe('Default')
  expect(describeModel({ ...llama, id: 'passages' }, true).description).toMatch(/^Quotes from your documents/)
  const { availability, maxOutputTokens, requestsPerMinute, price, direct, ...older } = llama
  expect(describeModel(older as Model, false).details).toEqual(['8K tokens of context', ''])
})
