import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Client } from '../../../lib/trpc.ts'
import { isWorkUnderWay } from '../../../lib/under-way.ts'
import type { Message } from '../types.ts'
import { beginDirect, findDirect, mayTry } from './direct-answers.ts'

const ENDPOINT = 'https://models.example.org'
const REQUEST = { model: 'llama-3-8b', messages: [{ role: 'user', content: 'How?' }], max_tokens: 100 }
const ATTEMPT = { chatId: 'chat', answerId: 'answer', attemptId: 'attempt', number: 1 }

/** The API as far as an answer of this page asks it. */
function api(url = `${ENDPOINT}/v1/chat/completions`) {
  const asked: [string, object][] = []
  const attempt = { number: 1, state: 'streaming', error: null, behind: false, unverified: false }
  const answer = { id: 'answer', text: '', citations: [], attempt } as unknown as Message
  const procedure = (name: string, reply: unknown) => ({
    mutate: async (input: object) => {
      asked.push([name, input])
      if (name === 'finish') Object.assign(attempt, { state: 'done' })
      return reply
    },
  })
  const chats = {
    prepare: procedure('prepare', {
      ...{ kind: 'offer', attempt: 1, url, token: 'token', request: REQUEST, passages: 1, model: 'llama' },
    }),
    push: procedure('push', { owned: true, stop: false, late: false }),
    finish: procedure('finish', { ok: true }),
    relay: procedure('relay', { ok: true }),
    get: { query: async () => ({ messages: [answer] }) },
    watch: { subscribe: () => ({ unsubscribe: () => undefined }) },
  }
  return { asked, client: { chats } as unknown as Client, names: () => asked.map(([name]) => name) }
}

describe('the answers of this page', () => {
  const ask = vi.fn<typeof fetch>()
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const events = { addEventListener: vi.fn(), removeEventListener: vi.fn() }
    const querySelector = (selector: string) =>
      selector === 'meta[name=terrace-model-endpoint]' ? { content: `${ENDPOINT}/` } : null
    vi.stubGlobal('document', {
      ...events,
      querySelector,
      hasFocus: () => false,
      visibilityState: 'hidden',
    })
    vi.stubGlobal('window', events)
    vi.stubGlobal('fetch', ask)
  })
  afterEach(() => {
    ask.mockReset()
    vi.unstubAllGlobals()
    vi.useRealTimers()
  })

  test('the endpoint is sent the request as it was offered, streaming, with the token and nothing of this site', async () => {
    const said =
      'data: {"choices":[{"delta":{"content":"So."}}]}\n\ndata: {"receipt":"a.b.c"}\n\ndata: [DONE]\n\n'
    ask.mockResolvedValue(new Response(said))
    const { client, asked } = api()
    beginDirect(client, ATTEMPT)
    const answer = findDirect('answer')
    expect([answer?.path(), findDirect('another')]).toEqual(['direct', undefined])
    // Loading the page again would cut it off.
    expect(isWorkUnderWay()).toBe(true)
    await vi.waitFor(() => expect(findDirect('answer')).toBeUndefined())
    expect(isWorkUnderWay()).toBe(false)
    expect(answer?.view().state).toBe('done')
    const [url, { body, ...init } = {}] = ask.mock.calls[0] ?? []
    expect(url).toBe(`${ENDPOINT}/v1/chat/completions`)
    expect(JSON.parse(String(body))).toEqual({ ...REQUEST, stream: true })
    expect(init).toMatchObject({
      method: 'POST',
      headers: { authorization: 'Bearer token', 'content-type': 'application/json' },
      credentials: 'omit',
      redirect: 'error',
    })
    expect(asked.at(-1)).toEqual([
      'finish',
      { attemptId: 'attempt', text: 'So.', receipt: 'a.b.c', ending: 'done' },
    ])
  })

  test('an endpoint that this page does not know is not asked', async () => {
    const { client, names } = api('https://elsewhere.example.org/v1/chat/completions')
    beginDirect(client, ATTEMPT)
    await vi.waitFor(() => expect(names()).toEqual(['prepare', 'relay']))
    expect([ask.mock.calls, mayTry()]).toEqual([[], true])
  })

  test('one that can not be reached is left alone for ten minutes', async () => {
    ask.mockRejectedValue(new TypeError('Failed to fetch'))
    const { client, names } = api()
    beginDirect(client, ATTEMPT)
    await vi.waitFor(() => expect(names()).toEqual(['prepare', 'relay']))
    expect(findDirect('answer')?.path()).toBe('fallback')
    expect(mayTry()).toBe(false)
    vi.setSystemTime(Date.now() + 10 * 60_000 - 1_000)
    expect(mayTry()).toBe(false)
    vi.setSystemTime(Date.now() + 1_000)
    expect(mayTry()).toBe(true)
  })
})
