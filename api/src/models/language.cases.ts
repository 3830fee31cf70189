// What every language model adapter must do, whatever speaks behind it. Each adapter's test runs these cases
// against the scripted server (api/test/scripted-model.ts), whose knobs stand in the model's name.
import { expect, it } from 'vitest'
import type { ScriptedModel } from '../../test/scripted-model.ts'
import { AppError } from '../errors.ts'
import type { ChatMessage, Counted, LanguageModel } from './port.ts'

export interface LanguageCase {
  readonly scripted: () => ScriptedModel
  /** A model of this adapter; `model` carries the knobs. With `hang` or `stall`, silence is to be noticed soon. */
  readonly create: (model: string) => LanguageModel
}

const MESSAGES: readonly ChatMessage[] = [
  { role: 'system', content: 'Answer from the passages.' },
  { role: 'user', content: 'What is the answer?' },
]

export interface Heard {
  text: string
  error: unknown
  usage: Counted | null
}

/** Listens to a whole answer; an error does not take away the text that came before it. */
export async function listen(model: LanguageModel, signal = new AbortController().signal): Promise<Heard> {
  const heard: Heard = { text: '', error: null, usage: null }
  try {
    for await (const event of model.stream(MESSAGES, { maxOutputTokens: 100, signal })) {
      if (event.type === 'text') heard.text += event.text
      else heard.usage = { inputTokens: event.inputTokens, outputTokens: event.outputTokens }
    }
  } catch (error) {
    heard.error = error
  }
  return heard
}

/** Knobs, the code that they end in, and the tokens that arrive all the same. */
const FAILURES: readonly [string, string, number][] = [
  ['hang=1', 'MODEL_STALLED', 0],
  ['stall=0', 'MODEL_STALLED', 0],
  ['stall=3', 'MODEL_STALLED', 3],
  ['die=0', 'MODEL_STALLED', 0],
  ['die=3', 'MODEL_STALLED', 3],
  ['cut=0', 'MODEL_BROKEN', 0],
  ['cut=3', 'MODEL_STALLED', 3],
  ['error=400', 'MODEL_REFUSED_REQUEST', 0],
  ['error=401', 'MODEL_REFUSED_KEY', 0],
  ['error=403', 'MODEL_REFUSED_KEY', 0],
  ['error=404', 'MODEL_RETIRED', 0],
  ['error=410', 'MODEL_RETIRED', 0],
  ['error=429', 'MODEL_BUSY', 0],
  ['error=500', 'MODEL_UNAVAILABLE', 0],
  ['error=503', 'MODEL_BUSY', 0],
  ['error=429&at=3', 'MODEL_BUSY', 3],
  ['error=500&at=3', 'MODEL_UNAVAILABLE', 3],
  ['garbage=-1', 'MODEL_BROKEN', 0],
  ['garbage=0', 'MODEL_BROKEN', 0],
  ['garbage=3', 'MODEL_BROKEN', 3],
  ['tokens=0', 'MODEL_BROKEN', 0],
]

export function languageCases({ scripted, create }: LanguageCase): void {
  it('streams the text in order, then its usage', async () => {
    const heard = await listen(create('m?text=One two three.&rate=200'))
    expect(heard).toEqual({ text: 'One two three.', error: null, usage: expect.anything() })
    expect(heard.usage?.outputTokens).toBe(3)
    const request = scripted().requests.at(-1)
    expect(request?.messages).toEqual(MESSAGES)
    expect(request?.maxTokens).toBe(100)
  })

  it.each([1, 2, 3, 7, 64])('reads frames and characters that are cut every %i bytes', async (split) => {
    const text = 'Grüße, 世界! 👩‍🔬 says “hi” \\ "quoted" \u2028 end.'
    const heard = await listen(create(`m?text=${encodeURIComponent(text)}&split=${split}`))
    expect(heard).toMatchObject({ text, error: null })
  })

  it.each(FAILURES)('%s ends in %s after %i tokens', async (knobs, code, tokens) => {
    const heard = await listen(create(`m?text=a b c d e f&${knobs}`))
    expect(heard.error).toBeInstanceOf(AppError)
    expect((heard.error as AppError).code).toBe(code)
    expect(heard.text).toBe('a b c d e f'.slice(0, Math.max(0, tokens * 2 - 1)))
    expect(heard.usage).toBeNull()
  })

  it('takes an end without a finish reason for one, when it is said', async () => {
    const heard = await listen(create('m?text=One two.&terse=1'))
    expect(heard).toEqual({ text: 'One two.', error: null, usage: { inputTokens: null, outputTokens: null } })
  })

  it('cuts off a server that does not keep to the length it was asked for', async () => {
    const endless = 'more and more words '.repeat(1_000)
    const heard = await listen(create('m?text=more and more words&tokens=100000&rate=2000'))
    expect(heard).toEqual({
      text: endless.slice(0, 1_600),
      error: null,
      usage: { inputTokens: null, outputTokens: null },
    })
    await expect.poll(() => scripted().requests.at(-1)).toMatchObject({ aborted: true, ended: false })
  })

  it.each([
    ['a model that thinks before its first word', 'thinks=3', ' d e f', 'a b c', 6],
    ['thoughts and nothing else', 'thinks=9', '', 'a b c d e f', 6],
    ['thoughts that nothing comes after', 'thinks=9&stall=2', '', 'a b', null],
  ])(
    '%s: a meter hears what it thinks, and what was counted; nobody else does',
    async (_, knobs, text, thoughts, counted) => {
      const heard = { text: '', thoughts: '', counted: null as number | null }
      const meter = {
        thought(thought: string) {
          heard.thoughts += thought
        },
        counted({ outputTokens }: Counted) {
          heard.counted = outputTokens
        },
      }
      const call = { maxOutputTokens: 100, signal: new AbortController().signal, meter }
      try {
        for await (const event of create(`m?text=a b c d e f&${knobs}`).stream(MESSAGES, call))
          if (event.type === 'text') heard.text += event.text
      } catch (error) {
        expect(error).toMatchObject({ code: counted === null ? 'MODEL_STALLED' : 'MODEL_BROKEN' })
      }
      expect(heard).toEqual({ text, thoughts, counted })
    },
  )

  it('says when to try again', async () => {
    const heard = await listen(create('m?error=429&retryAfter=7'))
    expect((heard.error as AppError).detail).toEqual({ seconds: 7 })
  })

  it('closes the connection upstream at once when the signal aborts', async () => {
    const stop = new AbortController()
    const model = create('m?tokens=1000&rate=100')
    let tokens = 0
    await expect(async () => {
      for await (const _ of model.stream(MESSAGES, { maxOutputTokens: 100, signal: stop.signal }))
        if (++tokens === 3) stop.abort()
    }).rejects.toThrow()
    await expect.poll(() => scripted().requests.at(-1)?.aborted, { timeout: 15_000 }).toBe(true)
    expect(scripted().requests.at(-1)?.sent).toBeLessThan(50)
  })

  it('closes the connection also while nobody reads', async () => {
    const stop = new AbortController()
    const events = create('m?tokens=1000&rate=100').stream(MESSAGES, {
      maxOutputTokens: 100,
      signal: stop.signal,
    })
    await events[Symbol.asyncIterator]().next()
    stop.abort()
    await expect.poll(() => scripted().requests.at(-1)?.aborted, { timeout: 15_000 }).toBe(true)
  })

  it('closes the connection before the first token, too', async () => {
    const stop = new AbortController()
    const before = scripted().requests.length
    const heard = listen(create('m?hang=1'), stop.signal)
    await expect.poll(() => scripted().requests.length, { timeout: 15_000 }).toBe(before + 1)
    stop.abort()
    await heard
    await expect.poll(() => scripted().requests.at(-1)?.aborted, { timeout: 15_000 }).toBe(true)
  })

  it('closes the connection when the reader leaves early', async () => {
    for await (const _ of create('m?tokens=1000&rate=100').stream(MESSAGES, {
      maxOutputTokens: 100,
      signal: new AbortController().signal,
    }))
      break
    await expect.poll(() => scripted().requests.at(-1)?.aborted, { timeout: 15_000 }).toBe(true)
  })
}
