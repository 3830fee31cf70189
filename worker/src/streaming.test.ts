// Models that stall, die, or send what is no answer; readers who go away. Every ending has its type, and none is the Worker's.
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINT_PATHS } from '../../contract/model-endpoint.ts'
import { SECRET_WORDS } from '../local/scripted.ts'
import { type Endpoint, REQUEST, refusal, startEndpoint, streamed, textOf } from '../test/endpoint.ts'

const good = 'scripted?text=Good.'
const text = 'text=One two three four five.'
let endpoint: Endpoint
/** The same with hardly any patience. */
let hasty: Endpoint
/** All patience for the first token, hardly any for the next. */
let uneven: Endpoint
beforeAll(async () => {
  const models = {
    'llama-3-8b': [good],
    slow: ['scripted?rate=10&tokens=10'],
    long: ['scripted?rate=20&tokens=4000'],
    late: ['scripted?delay=60000', good],
    hanging: ['scripted?hang', good],
    split: [`scripted?split=1&${text}`],
    'split-openai': [`scripted?split=2&dialect=openai&${text}`],
    stalling: [`scripted?stall=2&${text}`, good],
    mute: ['scripted?stall=0', good],
    commenting: ['scripted?forever=: still here', good],
    empty: [`scripted?forever=${encodeURIComponent('data: {"response": ""}')}`, good],
    lingering: [`scripted?lingers&dialect=openai&${text}`],
    dying: [`scripted?die=2&${text}`, good],
    cut: [`scripted?cut=2&${text}`, good],
    garbage: [`scripted?garbage=2&${text}`, good],
    failing: [`scripted?fail=2&code=3007&${text}`, good],
    endless: [`scripted?tokens=9&text=${'x'.repeat(3_000)}`],
    // nothing was said yet:
    'retired-first': ['scripted?error=410&code=5028', good],
    'unknown-first': ['scripted?error=400&code=5007', good],
    'busy-first': ['scripted?error=429&code=3040', good],
    'timeout-first': ['scripted?error=408&code=3007', good],
    'paid-first': ['scripted?error=403&code=5035', good],
    'down-first': ['scripted?error=500', good],
    'dead-first': ['scripted?die=0', good],
    'garbage-first': ['scripted?garbage=0', good],
    'page-first': ['scripted?page', good],
    'failing-first': ['scripted?fail=0&code=3040', good],
    'third-answers': ['scripted?error=410', 'scripted?error=429', good],
    // another model would not help:
    'too-large': ['scripted?error=413&code=3006', good],
    'nothing-left': ['scripted?error=429&code=3036', good],
    // all of them:
    'all-retired': ['scripted?error=410&code=5028', 'scripted?error=400&code=5007'],
    'busy-and-retired': ['scripted?error=429&code=3040', 'scripted?error=410&code=5028'],
    'down-and-retired': ['scripted?error=500&code=3043', 'scripted?error=410&code=5028'],
    'retired-and-paid': ['scripted?error=410&code=5028', 'scripted?error=403&code=5035'],
    'all-paid': ['scripted?error=403&code=5035'],
    'all-down': ['scripted?error=500&code=3043'],
    'all-pages': ['scripted?page'],
  }
  endpoint = await startEndpoint({ models })
  hasty = await startEndpoint({ models, bindings: { FIRST_TOKEN_SECONDS: 2, STALL_SECONDS: 1 } })
  uneven = await startEndpoint({ models, bindings: { FIRST_TOKEN_SECONDS: 3_600, STALL_SECONDS: 1 } })
})
afterAll(async () => {
  await endpoint?.[Symbol.asyncDispose]()
  await hasty?.[Symbol.asyncDispose]()
  await uneven?.[Symbol.asyncDispose]()
})

const ask = (model: string, options: { at?: Endpoint; stream?: boolean; signal?: AbortSignal } = {}) => {
  const { at = endpoint, stream = true, signal } = options
  return at.post({ ...REQUEST, model, stream }, signal === undefined ? {} : { signal })
}
const asked = (from: number, at = endpoint) => at.requests.slice(from).map(({ model }) => model)

describe('a stream', () => {
  test('brings every token when the model has said it', async () => {
    const reply = await ask('slow')
    expect(reply.headers.get('content-type')).toBe('text/event-stream; charset=utf-8')
    expect(reply.headers.get('cache-control')).toBe('no-cache, no-transform')
    const request = endpoint.requests.at(-1)
    const behind: number[] = []
    for await (const _ of reply.body ?? []) behind.push((request?.sent ?? 0) - behind.length)
    // The first was here while nine were still to come, and so on; never two at once.
    expect(behind.slice(0, 5).every((tokens) => tokens <= 2)).toBe(true)
    expect(behind.length).toBeGreaterThanOrEqual(10)
  })

  test.for(['split', 'split-openai'])('is whole however the network has cut it: %s', async (model) => {
    const events = await streamed(await ask(model))
    expect(textOf(events)).toBe('One two three four five.')
    expect(events.at(-1)).toBe('[DONE]')
  })

  test('ends when the model has said why it finishes, even if it lingers', async () => {
    const events = await streamed(await ask('lingering', { at: hasty }))
    expect(textOf(events)).toBe('One two three four five.')
    expect(events.at(-1)).toBe('[DONE]')
    await expect.poll(() => hasty.requests.at(-1)?.abortedAt).toBeTypeOf('number')
  })

  test('is cut where a model ignores what it was told', async () => {
    const reply = await endpoint.post({ ...REQUEST, model: 'endless', max_tokens: 9, stream: true })
    const events = await streamed(reply)
    expect(textOf(events)).toBe('x'.repeat(9 * 16))
    expect(events.at(-2)).toMatchObject({ choices: [{ finish_reason: 'length' }] })
  })
})

/** Asks on a connection of its own, which is then reset: as Cloudflare ends a request whose reader has gone. A reader who
 * only closes (FIN) before there is a reply could still be waiting for it, as far as TCP and workerd by itself can tell. */
async function askOnSocket(model: string, stream: boolean): Promise<Socket> {
  const { token } = await endpoint.script()
  const { hostname, port } = new URL(endpoint.url)
  const body = JSON.stringify({ ...REQUEST, model, stream })
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  socket.write(`POST ${ENDPOINT_PATHS.completions} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\n`)
  socket.write(`content-length: ${body.length}\r\n\r\n${body}`)
  return socket
}

describe('a reader who goes away', () => {
  test('ends the model’s work', async () => {
    const gone = new AbortController()
    const reply = await ask('long', { signal: gone.signal })
    await reply.body?.getReader().read()
    gone.abort()
    const request = endpoint.requests.at(-1)
    await expect.poll(() => request?.abortedAt).toBeTypeOf('number')
    expect(request?.sent).toBeLessThan(200)
  })

  test.for([
    ['long', false],
    ['late', true],
    ['late', false],
    ['hanging', true],
  ] as const)('ends it before there is a reply too: %s, as a stream: %s', async ([model, stream]) => {
    const before = endpoint.requests.length
    const socket = await askOnSocket(model, stream)
    await expect.poll(() => endpoint.requests.length).toBe(before + 1)
    socket.resetAndDestroy()
    const request = endpoint.requests.at(-1)
    await expect.poll(() => request?.abortedAt).toBeTypeOf('number')
    expect(request?.sent).toBeLessThan(200)
    // Nobody is there any more whom another model could answer.
    await sleep(100)
    expect(endpoint.requests.length).toBe(before + 1)
  })
})

describe('a model that goes wrong in the middle', () => {
  test.for([
    ['stalling', 'MODEL_STALLED'],
    ['dying', 'MODEL_INTERRUPTED'],
    ['cut', 'MODEL_INTERRUPTED'],
    ['garbage', 'MODEL_BROKEN'],
    ['failing', 'MODEL_STALLED'],
  ] as const)('%s: what it said is there, then %s, and no other model speaks', async ([model, code]) => {
    // Patience where it is not what is tested: a busy machine must not be taken for a model that stalls.
    const at = model === 'stalling' ? uneven : endpoint
    const before = at.requests.length
    const reply = await ask(model, { at })
    expect(reply.status).toBe(200)
    const events = await streamed(reply)
    expect(textOf(events)).toBe('One two ')
    expect(events.at(-1)).toMatchObject({
      error: { code, type: 'server_error', message: expect.any(String) },
    })
    expect(events).not.toContain('[DONE]')
    expect(JSON.stringify(events)).not.toContain(SECRET_WORDS)
    expect(asked(before, at)).toHaveLength(1)
    if (model === 'stalling') await expect.poll(() => uneven.requests.at(-1)?.abortedAt).toBeTypeOf('number')
    // In one piece there is no answer at all.
    const logged = at.log().length
    expect((await refusal(await ask(model, { at, stream: false })))[1]).toBe(code)
    await expect.poll(() => at.log().slice(logged)).toContain(code)
  })
})

describe('a model that has said nothing', () => {
  test.for(['mute', 'commenting', 'empty', 'hanging'])('has a limit: %s', async (model) => {
    const before = hasty.requests.length
    expect(await refusal(await ask(model, { at: hasty }))).toEqual([504, 'MODEL_STALLED'])
    // Its caller has waited long enough: no other is tried, and the call is ended.
    expect(asked(before, hasty)).toHaveLength(1)
    await expect.poll(() => hasty.requests.at(-1)?.abortedAt).toBeTypeOf('number')
  })

  test.for([
    'retired-first',
    'unknown-first',
    'busy-first',
    'timeout-first',
    'paid-first',
    'down-first',
    'dead-first',
    'garbage-first',
    'page-first',
    'failing-first',
    'third-answers',
  ])('leaves the answer to the next: %s', async (model) => {
    const reply = await ask(model)
    expect([reply.status, reply.headers.get('terrace-provider-model')]).toEqual([200, good])
    expect(textOf(await streamed(reply))).toBe('Good.')
  })

  test.for([
    ['too-large', 413, 'PROMPT_TOO_LARGE', 1],
    ['nothing-left', 429, 'MODEL_ALLOWANCE_USED', 1],
    ['all-retired', 410, 'MODEL_RETIRED', 2],
    ['busy-and-retired', 429, 'MODEL_BUSY', 2],
    ['down-and-retired', 502, 'MODEL_FAILED', 2],
    ['retired-and-paid', 503, 'MODEL_NEEDS_PLAN', 2],
    ['all-paid', 503, 'MODEL_NEEDS_PLAN', 1],
    ['all-down', 502, 'MODEL_FAILED', 1],
    ['all-pages', 502, 'MODEL_BROKEN', 1],
  ] as const)('is a typed error: %s', async ([model, status, code, tries]) => {
    const before = endpoint.requests.length
    const reply = await ask(model)
    const busy = code === 'MODEL_BUSY'
    expect(reply.headers.get('retry-after') !== null).toBe(busy)
    expect(reply.headers.get('x-should-retry')).toBe(busy ? null : 'false')
    const words = await reply.clone().text()
    expect(await refusal(reply)).toEqual([status, code])
    expect(words).not.toContain(SECRET_WORDS)
    expect(asked(before)).toHaveLength(tries)
  })
})

test('nothing of all this has ended the Worker, or put a prompt or a provider’s words into its log', async () => {
  for (const at of [endpoint, hasty]) {
    const reply = await ask('llama-3-8b', { at })
    expect(textOf(await streamed(reply))).toBe('Good.')
    expect(at.log()).not.toMatch(/What is|Uncaught|Error/)
    expect(at.log()).not.toContain(SECRET_WORDS)
  }
  expect(endpoint.log()).toContain('"code":"MODEL_RETIRED"')
  expect(endpoint.log()).toContain('provider 410/5028')
})
