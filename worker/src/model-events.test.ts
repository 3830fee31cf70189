import { describe, expect, test } from 'vitest'
import { readModelEvent } from './model-events.ts'
import { providerFailure, thrownFailure } from './provider-failure.ts'

const read = (event: object) => readModelEvent(JSON.stringify(event))

describe("a model's event", () => {
  test('is text in either dialect, whatever else it carries', () => {
    expect(read({ response: 'New', p: 'abc', index: 3 })).toEqual({ text: 'New' })
    expect(
      read({ choices: [{ delta: { content: 'New', role: 'assistant' }, finish_reason: null }] }),
    ).toEqual({
      text: 'New',
    })
    expect(read({ choices: [{ delta: { reasoning_content: 'Hm.' } }] })).toEqual({ text: '', thinking: true })
    // Workers AI sends a token that looks like a number as one.
    expect(read({ response: 4 })).toEqual({ text: '4' })
  })

  test('can say how it ends and what it cost, or nothing', () => {
    const usage = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 }
    expect(read({ response: '', usage })).toEqual({ text: '', usage })
    expect(read({ choices: [], usage: { ...usage, total_tokens: 99, more: {} } })).toEqual({
      text: '',
      usage,
    })
    expect(read({ choices: [{ delta: {}, finish_reason: 'length' }] })).toEqual({
      text: '',
      finish: 'length',
    })
    expect(read({ choices: [{ delta: {}, finish_reason: 'eos' }] })).toEqual({ text: '', finish: 'stop' })
    expect(readModelEvent('[DONE]')).toEqual({ text: '', done: true })
    expect(read({ usage: { prompt_tokens: -1, completion_tokens: 'x' } })).toEqual({ text: '' })
    expect(read({})).toEqual({ text: '' })
  })

  test('that is broken, or an error, is a typed one', () => {
    for (const broken of ['{"response": ', '<html>', '7', 'null', '[]', '{"response": {}}'])
      expect(() => readModelEvent(broken), broken).toThrow(expect.objectContaining({ code: 'MODEL_BROKEN' }))
    expect(() => read({ error: { code: 429, message: 'no' } })).toThrow(
      expect.objectContaining({ code: 'MODEL_BUSY' }),
    )
    expect(() => read({ errors: [{ code: 3036 }] })).toThrow(
      expect.objectContaining({ code: 'MODEL_ALLOWANCE_USED' }),
    )
  })
})

describe("a provider's failure", () => {
  test.for([
    [410, 5028, 'MODEL_RETIRED'],
    [400, 5007, 'MODEL_RETIRED'],
    [429, 3036, 'MODEL_ALLOWANCE_USED'],
    [429, 3040, 'MODEL_BUSY'],
    [408, 3007, 'MODEL_STALLED'],
    [403, 5035, 'MODEL_NEEDS_PLAN'],
    [413, 3006, 'PROMPT_TOO_LARGE'],
    [410, 0, 'MODEL_RETIRED'],
    [429, 0, 'MODEL_BUSY'],
    [408, 0, 'MODEL_STALLED'],
    [413, 0, 'PROMPT_TOO_LARGE'],
    [500, 3043, 'MODEL_FAILED'],
    [418, 0, 'MODEL_FAILED'],
  ] as const)('%i/%i is %s', ([status, internalCode, code]) => {
    expect(providerFailure(status, { internalCode, description: 'words' })).toMatchObject({ code })
    expect(providerFailure(status, { errors: [{ code: internalCode, message: 'words' }] })).toMatchObject({
      code,
    })
  })

  test('is known by its number when the binding throws it, and passes on no words', () => {
    expect(thrownFailure(new Error('3040: out of luck'))).toMatchObject({ code: 'MODEL_BUSY' })
    expect(thrownFailure(new Error('Network connection lost.'))).toMatchObject({ code: 'MODEL_FAILED' })
    expect(JSON.stringify(thrownFailure(new Error('3040: out of luck')))).not.toContain('luck')
  })
})
