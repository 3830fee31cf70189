import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ScriptedModel, startScriptedModel } from '../../test/scripted-model.ts'
import type { AppError } from '../errors.ts'
import { languageCases, listen } from './language.cases.ts'
import { createOpenAICompatibleModel } from './openai-compatible.ts'
import { createOutbound, type Outbound } from './outbound.ts'

let scripted: ScriptedModel
let outbound: Outbound
beforeAll(async () => {
  scripted = await startScriptedModel()
  outbound = createOutbound([new URL(scripted.url).origin])
})
afterAll(async () => {
  await outbound.close()
  await scripted.close()
})

/** Short where silence is what is tested, long where a busy machine could be taken for it. */
const patience = (model: string) => {
  const seconds = /hang|stall/.test(model) ? 0.3 : 30
  return { firstTokenSeconds: seconds, stallSeconds: seconds }
}

const create = (model: string, url = scripted.url, apiKey?: string) =>
  createOpenAICompatibleModel(outbound, {
    info: { id: 'm', name: 'M', provider: 'test', contextTokens: null, price: null, available: true },
    url,
    model,
    apiKey,
    ...patience(model),
  })

describe('an OpenAI-compatible model', () => {
  languageCases({ scripted: () => scripted, create })

  it('sends its key, and none when it has none', async () => {
    await listen(create('m?text=x', scripted.url, 'secret'))
    expect(scripted.requests.at(-1)?.authorization).toBe('Bearer secret')
    await listen(create('m?text=x'))
    expect(scripted.requests.at(-1)?.authorization).toBeNull()
  })

  it('learns what a server wants otherwise, and asks no third time for it', async () => {
    const model = create('m?text=Yes.&refuse=max_tokens')
    expect(await listen(model)).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.at(-1)?.maxTokens).toBe(100)
    const before = scripted.requests.length
    expect(await listen(model)).toMatchObject({ text: 'Yes.', error: null })
    expect(scripted.requests.length).toBe(before + 1)
    expect(await listen(create('m?text=Yes.&refuse=stream_options'))).toMatchObject({
      text: 'Yes.',
      error: null,
    })
    const { error } = await listen(create('m?refuse=messages'))
    expect((error as AppError).code).toBe('MODEL_REFUSED_REQUEST')
  })

  it('is unavailable when nothing listens', async () => {
    const gone = await startScriptedModel()
    await gone.close()
    const there = createOutbound([new URL(gone.url).origin])
    const model = createOpenAICompatibleModel(there, {
      info: { id: 'm', name: 'M', provider: 'test', contextTokens: null, price: null, available: true },
      url: gone.url,
      model: 'm',
      apiKey: undefined,
      firstTokenSeconds: 5,
      stallSeconds: 5,
    })
    expect(((await listen(model)).error as AppError).code).toBe('MODEL_UNAVAILABLE')
    await there.close()
  })

  it('is unavailable when its address may not be reached', async () => {
    const other = createOutbound([])
    const model = createOpenAICompatibleModel(other, {
      info: { id: 'm', name: 'M', provider: 'test', contextTokens: null, price: null, available: true },
      url: scripted.url,
      model: 'm',
      apiKey: undefined,
      firstTokenSeconds: 5,
      stallSeconds: 5,
    })
    const before = scripted.requests.length
    const { error } = await listen(model)
    expect((error as AppError).code).toBe('MODEL_UNAVAILABLE')
    expect((error as AppError).internal).toContain('may not be reached')
    expect(scripted.requests.length).toBe(before)
    await other.close()
  })

  it('quotes nothing of the reply or the prompt in an error', async () => {
    const { error } = await listen(create('m?error=500', scripted.url, 'secret-key'))
    expect(JSON.stringify([error, (error as AppError).internal, (error as AppError).message])).not.toMatch(
      /scripted|secret-key|What is the answer/,
    )
  })
})
