import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { SCRIPTED_REGION } from '../../test/scripted-bedrock.ts'
import { type ScriptedModel, startScriptedModel } from '../../test/scripted-model.ts'
import { parseConfig } from '../config.ts'
import { listen } from './language.cases.ts'
import { createModels, type Models } from './registry.ts'

const log = pino({ level: 'silent' })
const config = (models?: unknown, extra: Record<string, string> = {}) =>
  parseConfig({
    DATABASE_URL: 'postgresql://unused',
    STORAGE: 'file:/tmp/unused',
    AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
    ...(models === undefined ? {} : { MODELS: typeof models === 'string' ? models : JSON.stringify(models) }),
    ...extra,
  })
const entry = (more: object = {}) => ({
  id: 'llama',
  name: 'Llama',
  type: 'openai-compatible',
  url: 'http://127.0.0.1:1/v1',
  model: 'llama',
  ...more,
})

const bedrock = (more: object = {}) => ({
  ...{ id: 'claude', name: 'Claude', type: 'bedrock', model: 'eu.anthropic.claude-v1:0' },
  ...more,
})

afterEach(() => {
  delete process.env.TERRACE_TEST_KEY
})

describe('MODELS', () => {
  it('without it, passages answer', async () => {
    const models = createModels(config(), log)
    expect(await models.list()).toEqual({
      models: [expect.objectContaining({ id: 'passages', available: true })],
      defaultId: 'passages',
    })
    expect((await models.get('passages')).language).toBeNull()
    await models.close()
  })

  it('passages are always the last, the first configured one is the default', async () => {
    const models = createModels(config([entry(), entry({ id: 'other' })]), log)
    const list = await models.list()
    expect(list.models.map(({ id }) => id)).toEqual(['llama', 'other', 'passages'])
    expect(list.defaultId).toBe('llama')
    await expect(models.get('nope')).rejects.toMatchObject({ code: 'MODEL_UNKNOWN' })
    await models.close()
  })

  it('may be a file', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'terrace-models-'))
    writeFileSync(path.join(folder, 'models.json'), JSON.stringify([entry()]))
    const models = createModels(config(path.join(folder, 'models.json')), log)
    expect((await models.list()).defaultId).toBe('llama')
    await models.close()
    rmSync(folder, { recursive: true })
  })

  it('the next in line answers for a retired model', async () => {
    const models = createModels(config([entry(), entry({ id: 'other' })]), log)
    models.retire('llama')
    expect((await models.list()).models.map(({ available }) => available)).toEqual([false, true, true])
    expect((await models.list()).defaultId).toBe('other')
    expect((await models.after('llama')).info.id).toBe('other')
    expect((await models.after('other')).info.id).toBe('passages')
    await models.close()
  })

  it.each([
    ['[{', 'MODELS is not valid JSON'],
    ['[{"id":"x"}]', '[0].type: '],
    ['[{"id":"x","type":"openai-compatible"}]', '[0].name: '],
    ['/no/such/file.json', 'can not be read (ENOENT)'],
    ['{"id":1}', 'expected array'],
    [JSON.stringify([entry({ key: 'sk-very-secret' })]), '[0].key: must be env:NAME'],
    [JSON.stringify([entry({ key: 'env:TERRACE_NOT_SET' })]), '[0].key: TERRACE_NOT_SET is not set'],
    [JSON.stringify([entry({ url: 'ftp://x' })]), '[0].url: must be an http or https address'],
    [JSON.stringify([entry({ type: 'nonsense' })]), '[0].type: '],
    [JSON.stringify([bedrock({ key: 'env:AWS_KEY' })]), '[0]: '],
    [JSON.stringify([bedrock({ region: 'evil.example.org/' })]), '[0].region: must be a name like'],
    [JSON.stringify([entry(), bedrock()]), '[1].region: is missing, and AWS_REGION does not name one either'],
    [JSON.stringify([entry({ modle: 'typo' })]), '[0]: '],
    [JSON.stringify([entry(), entry()]), '[1].id: "llama" is there twice'],
    [JSON.stringify([entry({ id: 'passages' })]), '[0].id: "passages" is built in'],
    [JSON.stringify([entry({ id: 'Spaces here' })]), '[0].id: lower-case'],
  ])('%s is refused in plain words', (models, message) => {
    expect(() => createModels(config(models), log)).toThrow(message)
    expect(() => createModels(config(models), log)).not.toThrow('very-secret')
  })

  it('of Bedrock need a region, their own or the one of AWS_REGION', async () => {
    await using scripted = await startScriptedModel({ aws: () => 'secret' })
    const url = new URL(scripted.url).origin
    vi.stubEnv('AWS_PROFILE', undefined)
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKID1')
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
    vi.stubEnv('AWS_SESSION_TOKEN', undefined)
    const models = createModels(
      config(
        [
          bedrock({ url, model: 'm?text=hi' }),
          bedrock({ url, model: 'm?text=hi', id: 'elsewhere', region: 'us-east-1' }),
        ],
        { AWS_REGION: SCRIPTED_REGION },
      ),
      log,
    )
    const { language, info } = await models.get('claude')
    expect(info).toMatchObject({ provider: 'Amazon Bedrock', available: true })
    const other = (await models.get('elsewhere')).language
    if (language === null || other === null) throw new Error('no model')
    expect(await listen(language)).toMatchObject({ text: 'hi', error: null })
    // The scripted runtime stands in one region only.
    expect((await listen(other)).error).toMatchObject({ code: 'MODEL_REFUSED_KEY' })
    await models.close()
    vi.unstubAllEnvs()
    for (const region of ['auto', 'evil.example.org/'])
      expect(() => createModels(config([bedrock()], { AWS_REGION: region }), log)).toThrow('[0].region: ')
  })

  it('reads keys from the environment and uses them', async () => {
    await using scripted = await startScriptedModel()
    process.env.TERRACE_TEST_KEY = 'from-the-environment'
    const models = createModels(
      config([entry({ url: scripted.url, model: 'm?text=hi', key: 'env:TERRACE_TEST_KEY' })]),
      log,
    )
    const { language } = await models.get('llama')
    if (language === null) throw new Error('no model')
    expect(await listen(language)).toMatchObject({ text: 'hi', error: null })
    expect(scripted.requests.at(-1)?.authorization).toBe('Bearer from-the-environment')
    await models.close()
  })
})

describe('what can answer now', () => {
  const states = async (models: Models) =>
    Object.fromEntries((await models.list()).models.map(({ id, availability }) => [id, availability.state]))
  const here = (scripted: ScriptedModel, id: string, more: object = {}) =>
    entry({ id, url: scripted.url, model: 'scripted', ...more })

  it('is listed with what is known of each', async () => {
    await using scripted = await startScriptedModel()
    const models = createModels(
      config([
        here(scripted, 'known', { provider: 'Ours', contextTokens: 8_192, maxOutputTokens: 2_000 }),
        here(scripted, 'priced', { model: 'other', price: { input: 0.05, output: 0 } }),
        entry({ id: 'gone' }),
      ]),
      log,
    )
    const { models: list } = await models.list()
    await models.close()
    const since = expect.any(Date)
    const { host } = new URL(scripted.url)
    expect(list).toEqual([
      {
        ...{ id: 'known', name: 'Llama', provider: 'Ours', contextTokens: 8_192, maxOutputTokens: 2_000 },
        ...{ price: null, requestsPerMinute: null, available: true, direct: false },
        availability: { state: 'available', since },
      },
      {
        ...{ id: 'priced', name: 'Llama', provider: host, contextTokens: null, maxOutputTokens: 1_024 },
        ...{ price: { input: 0.05, output: 0 }, requestsPerMinute: null, available: true, direct: false },
        availability: { state: 'not-listed', since },
      },
      expect.objectContaining({ id: 'gone', available: true, availability: { state: 'unreachable', since } }),
      {
        ...{ id: 'passages', name: 'Most relevant passages', provider: 'terrace', contextTokens: null },
        ...{ maxOutputTokens: null, price: null, requestsPerMinute: null, available: true, direct: false },
        availability: { state: 'available', since },
      },
    ])
  })

  it('what can not be reached is not the default while another language model is', async () => {
    await using scripted = await startScriptedModel()
    const both = createModels(config([entry({ id: 'gone' }), here(scripted, 'there')]), log)
    expect((await both.list()).defaultId).toBe('there')
    // Chosen by a person it is asked all the same.
    expect((await both.get('gone')).info.available).toBe(true)
    const none = createModels(config([entry({ id: 'gone' }), entry({ id: 'too' })]), log)
    expect((await none.list()).defaultId).toBe('gone')
    await Promise.all([both.close(), none.close()])
  })

  it('follows what becomes of answers', async () => {
    await using scripted = await startScriptedModel()
    const models = createModels(config([here(scripted, 'm'), here(scripted, 'other')]), log)
    const hear = async () => {
      const { language } = await models.get('m')
      if (language === null) throw new Error('no model')
      return await listen(language)
    }
    expect(await states(models)).toMatchObject({ m: 'available' })
    scripted.script({ error: 500 })
    expect(await hear()).toMatchObject({ error: { code: 'MODEL_UNAVAILABLE' } })
    expect(await states(models)).toMatchObject({ m: 'unreachable', other: 'available' })
    expect((await models.list()).defaultId).toBe('other')
    scripted.script({})
    expect(await hear()).toMatchObject({ error: null })
    expect(await states(models)).toMatchObject({ m: 'available' })
    expect((await models.list()).defaultId).toBe('m')
    scripted.script({ error: 410 })
    expect(await hear()).toMatchObject({ error: { code: 'MODEL_RETIRED' } })
    expect((await models.list()).models[0]).toMatchObject({
      available: false,
      availability: { state: 'retired' },
    })
    expect((await models.get('m')).info.available).toBe(false)
    await models.close()
  })

  it('next in line is one that can be reached, or any, or passages', async () => {
    await using scripted = await startScriptedModel()
    const models = createModels(
      config([here(scripted, 'old'), entry({ id: 'gone' }), here(scripted, 'there')]),
      log,
    )
    await models.list()
    expect((await models.after('old')).info.id).toBe('there')
    models.retire('there')
    expect((await models.after('old')).info.id).toBe('gone')
    models.retire('gone')
    expect((await models.after('old')).info.id).toBe('passages')
    await models.close()
  })
})

describe('Ollama', () => {
  it('is found where it runs, in local mode only', async () => {
    await using scripted = await startScriptedModel()
    const ollamaOrigin = new URL(scripted.url).origin
    const off = createModels(config(), log, { ollamaOrigin })
    expect((await off.list()).defaultId).toBe('passages')
    const on = createModels(config(undefined, { OLLAMA_DISCOVERY: '1' }), log, { ollamaOrigin })
    expect(
      (await on.list()).models.map(({ id, provider, availability }) => [id, provider, availability.state]),
    ).toEqual([
      ['ollama/scripted:latest', 'Ollama', 'available'],
      ['passages', 'terrace', 'available'],
    ])
    expect((await on.list()).defaultId).toBe('ollama/scripted:latest')
    const { language } = await on.get('ollama/scripted:latest')
    if (language === null) throw new Error('no model')
    expect((await listen(language)).error).toBeNull()
    await Promise.all([off.close(), on.close()])
  })

  it('is not missed where it does not run', async () => {
    const gone = await startScriptedModel()
    await gone.close()
    const models = createModels(config(undefined, { OLLAMA_DISCOVERY: '1' }), log, {
      ollamaOrigin: new URL(gone.url).origin,
    })
    expect((await models.list()).defaultId).toBe('passages')
    await models.close()
  })
})
