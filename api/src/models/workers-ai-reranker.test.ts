import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ScriptedReranker, startScriptedReranker } from '../../test/scripted-reranker.ts'
import { parseReranker } from './configured-reranker.ts'
import { createOutbound, type Outbound } from './outbound.ts'
import { rerankerCases } from './reranker.cases.ts'
import { createWorkersAIReranker } from './workers-ai-reranker.ts'

const ACCOUNT = '0123456789abcdef0123456789abcdef'
const MODEL = '@cf/baai/bge-reranker-base'

let scripted: ScriptedReranker
let outbound: Outbound
beforeAll(async () => {
  scripted = await startScriptedReranker()
  outbound = createOutbound([new URL(scripted.url).origin])
})
afterAll(async () => {
  await outbound.close()
  await scripted[Symbol.asyncDispose]()
})

const create = (by: Outbound = outbound, url = scripted.url) =>
  createWorkersAIReranker(by, { url, account: ACCOUNT, model: MODEL, apiKey: 'secret-key' })
const soon = () => AbortSignal.timeout(20_000)

describe('a reranker on Workers AI', () => {
  rerankerCases({ scripted: () => scripted, create: () => create() })

  it('is asked at the account, with the key, for the scores of all texts', async () => {
    scripted.script({})
    await create(outbound, `${scripted.url}/`).rerank('a question', ['one', 'two'], soon())
    expect(scripted.requests.at(-1)).toMatchObject({
      path: `/client/v4/accounts/${ACCOUNT}/ai/run/${MODEL}`,
      authorization: 'Bearer secret-key',
      topK: 2,
    })
  })

  it('reads the list without its envelope, too', async () => {
    scripted.script({ bare: true })
    expect(await create().rerank('one', ['one', 'two'], soon())).toEqual([1, 0])
  })

  it('sends no more of a text than the model reads, and no half of a character', async () => {
    scripted.script({})
    await create().rerank('q'.repeat(5_000), [`${'x'.repeat(2_399)}🦔`, 'x'.repeat(100_000)], soon())
    const sent = scripted.requests.at(-1)
    expect(sent?.query.length).toBe(1_000)
    expect(sent?.texts.map(({ length }) => length)).toEqual([2_400, 2_400])
    expect(sent?.texts[0]?.endsWith('\uFFFD')).toBe(true)
  })

  it.each(['http://169.254.169.254/latest/meta-data', 'http://127.0.0.1:1/', 'http://10.0.0.1/'])(
    'follows no redirect to %s',
    async (redirect) => {
      scripted.script({ redirect })
      await expect(create().rerank('a', ['b'], soon())).rejects.toMatchObject({
        reason: 'unavailable',
        message: expect.stringContaining('may not be reached'),
      })
    },
  )

  it('goes nowhere that the operator did not name', async () => {
    const nowhere = createOutbound([])
    const before = scripted.requests.length
    await expect(create(nowhere).rerank('a', ['b'], soon())).rejects.toMatchObject({ reason: 'unavailable' })
    expect(scripted.requests.length).toBe(before)
    await nowhere.close()
  })
})

describe('RERANKER', () => {
  const given = { type: 'workers-ai', account: ACCOUNT, key: 'env:CF_KEY' }
  const parse = (more: object) => parseReranker(JSON.stringify({ ...given, ...more }))

  it('is off unless it is named', () => {
    expect(parseReranker(undefined)).toBeNull()
    expect(parseReranker(' ')).toBeNull()
  })

  it('has a default for what need not be said', () => {
    expect(parse({})).toEqual({
      ...given,
      ...{ model: MODEL, url: 'https://api.cloudflare.com/client/v4', candidates: 30, timeoutSeconds: 1.5 },
    })
  })

  it.each([
    [{ account: '../../user' }, 'account: must be the account'],
    [{ model: '../v1/chat' }, 'model: must be a name like'],
    [{ key: 'sk-secret' }, 'key: must be env:NAME'],
    [{ url: 'file:///etc/passwd' }, 'url: must be an http or https address'],
    [{ candidates: 500 }, 'candidates: '],
    [{ timeoutSeconds: 0 }, 'timeoutSeconds: '],
    [{ type: 'other' }, 'type: '],
    [{ extra: 1 }, 'extra'],
  ])('%j is refused: %s', (more, message) => {
    let said = ''
    try {
      parse(more)
    } catch (error) {
      said = String(error)
    }
    expect(said).toContain('RERANKER is not valid')
    expect(said).toContain(message)
    expect(said).not.toContain('sk-secret')
  })

  it('that is no JSON is refused without being quoted', () => {
    expect(() => parseReranker('{"key": "sk-secret"')).toThrow(/^RERANKER is not valid JSON$/)
    expect(() => parseReranker('/no/such/file')).toThrow(/can not be read \(ENOENT\)/)
  })
})
