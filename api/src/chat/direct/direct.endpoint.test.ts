// Answers that a page gets from the model endpoint itself, from the API's side: what it gives a page, and what it believes of
// what the page brings. Endpoint and tokens are the real ones, as in the tests beside this.
import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { heardEnd, heardText, type Watched } from '../../../test/conversation.ts'
import {
  answeredDirectly,
  answerIn,
  askDirect,
  attemptRow,
  historyOf,
  offered,
  pageEndpoint,
  QUESTION,
  SHOWN,
  shown,
  take,
} from '../../../test/direct.ts'
import { retry } from '../ask.ts'
import { watchAnswer } from '../watch.ts'
import { finish } from './finish.ts'
import { pushText } from './page-attempts.ts'
import { prepare, relay } from './prepare.ts'

const page = pageEndpoint()
const { begun } = page

describe('an answer by way of the page', () => {
  it('is asked by the page alone, and kept with its receipt, citations and usage', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const before = page.endpoint.requests.length
    const asked = await askDirect(c, chatId)
    expect(asked.direct).toBe(true)
    expect(c.server.answers.live(asked.answerId)).toBeUndefined()
    const offer = await offered(c, asked.attemptId)
    expect(page.endpoint.requests.length).toBe(before)
    expect(offer.url).toBe(`${page.endpoint.url}/v1/chat/completions`)
    expect(JSON.stringify(offer.request.messages)).toContain('apt-mark hold')
    const { text, receipt } = await take(offer)
    expect(shown(text, offer.passages)).toBe(SHOWN)
    await finish(c.server.deps, c.viewer, asked.attemptId, { text, receipt, ending: 'done' })
    const kept = await answerIn(c, chatId)
    expect(kept).toMatchObject({
      state: 'done',
      text: SHOWN,
      model: 'llama-3-8b',
      unverified: false,
      error: null,
    })
    expect(kept.citations).toMatchObject([{ number: 1, documentName: 'handbook.txt', available: true }])
    expect(kept.citations[0]?.quote).toContain('apt-mark hold')
    const saved = await attemptRow(c, asked.attemptId)
    expect(saved).toMatchObject({ receipt, owner: null, lease_until: null })
    expect(saved.input_tokens).toBeGreaterThan(0)
    expect(saved.output_tokens).toBeGreaterThan(0)
    expect(await historyOf(c, chatId)).toEqual([{ question: QUESTION, answer: SHOWN }])
  })

  it('says that it was searched for by words only, since the search engine was away', async () => {
    await using c = await begun({}, { away: true })
    const chatId = await c.chat({ model: 'llama-3-8b' })
    await answeredDirectly(c, chatId)
    expect(await answerIn(c, chatId)).toMatchObject({ text: SHOWN, wordsOnly: 'engine-away' })
  })

  it('remembers of its passages where they stand, and no word of them', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const { passages } = await offered(c, attemptId)
    const saved = await attemptRow(c, attemptId)
    expect(saved.offer.passages).toHaveLength(passages)
    expect(saved.passage_ids.map(Number)).toEqual(
      saved.offer.passages.map(({ passageId }: { passageId: number }) => passageId),
    )
    expect(JSON.stringify(saved)).not.toMatch(/apt-mark|handbook|present version/)
  })

  it('can be followed from elsewhere while the page shows it, through any server', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId, answerId } = await askDirect(c, chatId)
    const offer = await offered(c, attemptId)
    const other = c.startServer()
    const heard: Watched[] = []
    const watching = (async () => {
      const deps = { pool: c.db.pool, answers: other.answers }
      const until = AbortSignal.timeout(20_000)
      for await (const [id, event] of watchAnswer(deps, c.viewer, answerId, null, until))
        heard.push({ id, event })
    })()
    const told = () => heardText(heard.filter(({ event }) => event.type !== 'end'))
    const push = (start: number, text: string) =>
      pushText(c.db.pool, attemptId, { start, text, longest: 1_000 })
    expect(await push(0, SHOWN.slice(0, 10))).toMatchObject({ owned: true, stop: false })
    await expect.poll(told).toBe(SHOWN.slice(0, 10))
    // Sent again since the reply got lost, with what has come since.
    expect(await push(0, SHOWN.slice(0, 20))).toMatchObject({ owned: true, stop: false })
    expect(await push(0, SHOWN.slice(0, 5))).toMatchObject({ owned: true, stop: false })
    expect(await answerIn(c, chatId)).toMatchObject({ state: 'streaming', text: SHOWN.slice(0, 20) })
    await expect.poll(told).toBe(SHOWN.slice(0, 20))
    const { text, receipt } = await take(offer)
    await finish(other.deps, c.viewer, attemptId, { text, receipt, ending: 'done' })
    await watching
    expect(heardEnd(heard)).toMatchObject({ state: 'done', text: SHOWN, unverified: false })
  })

  it('is no longer than an answer can be, and has no gaps', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const push = (start: number, text: string) => pushText(c.db.pool, attemptId, { start, text, longest: 10 })
    // Nothing was offered yet: what is this the answer to?
    expect(await push(0, 'abc')).toMatchObject({ owned: false, stop: false })
    expect(await push(0, '')).toMatchObject({ owned: true, stop: false })
    await offered(c, attemptId)
    await push(0, 'abc')
    await expect(push(4, 'e')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(push(3, 'defghijk')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await push(3, 'de')
    await finish(c.server.deps, c.viewer, attemptId, { text: 'abcde', receipt: null, ending: 'stopped' })
    expect(await push(5, 'f')).toMatchObject({ owned: false, stop: false })
  })

  it('that finds nothing is ended at once, and no model is asked', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await askDirect(c, chatId, 'Jupiter, Saturn, Neptune?')
    const before = page.endpoint.requests.length
    expect(await prepare(c.server.deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
    expect(page.endpoint.requests.length).toBe(before)
    expect(await answerIn(c, chatId)).toMatchObject({ state: 'done', unverified: false })
    expect((await answerIn(c, chatId)).text).toContain('found nothing')
  })

  it('is offered once, to its person', async () => {
    await using c = await begun()
    const { attemptId } = await askDirect(c, await c.chat({ model: 'llama-3-8b' }))
    const stranger = await c.person()
    for (const call of [
      () => prepare(c.server.deps, stranger, attemptId),
      () => relay(c.server.deps, stranger, attemptId),
      () => finish(c.server.deps, stranger, attemptId, { text: 'x', receipt: null, ending: 'done' }),
      () => prepare(c.server.deps, c.viewer, randomUUID()),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const kinds = await Promise.all(
      [1, 2, 3].map(async () => (await prepare(c.server.deps, c.viewer, attemptId)).kind),
    )
    expect(kinds.toSorted()).toEqual(['elsewhere', 'elsewhere', 'offer'])
    expect(await prepare(c.server.deps, c.viewer, attemptId)).toEqual({ kind: 'elsewhere' })
  })

  it('asked again, after a reply that got lost, is still the page’s', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const requestId = randomUUID()
    const first = await askDirect(c, chatId, QUESTION, requestId)
    expect(await askDirect(c, chatId, QUESTION, requestId)).toEqual(first)
    await offered(c, first.attemptId)
    expect(await askDirect(c, chatId, QUESTION, requestId)).toEqual({ ...first, direct: false })
  })

  it('may be the next attempt at an answer', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { answerId } = await answeredDirectly(c, chatId, () => ({ receipt: null }))
    expect(await answerIn(c, chatId)).toMatchObject({ unverified: true })
    const again = await retry({ pool: c.db.pool, ...c.server }, c.viewer, answerId, true)
    expect(again.direct).toBe(true)
    const offer = await offered(c, again.attemptId)
    expect(offer.attempt).toBe(2)
    await finish(c.server.deps, c.viewer, again.attemptId, { ...(await take(offer)), ending: 'done' })
    expect(await answerIn(c, chatId)).toMatchObject({ number: 2, text: SHOWN, unverified: false })
    expect(await historyOf(c, chatId)).toHaveLength(1)
  })
})

describe('what a page brings', () => {
  const forged = 'Everything is allowed [1].'

  it.each([
    ['without a receipt', async () => ({ receipt: null })],
    ['another text', async () => ({ text: forged })],
    ['a receipt that is none', async () => ({ receipt: 'eyJhbGciOiJub25lIn0.e30.' })],
  ])('%s: a page’s word, kept and marked', async (_, change) => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const changed = await change()
    const { attemptId } = await answeredDirectly(c, chatId, () => changed)
    const kept = await answerIn(c, chatId)
    expect(kept).toMatchObject({ state: 'done', unverified: true })
    expect(kept.text).toBe('text' in changed ? forged : SHOWN)
    expect(kept.citations).toMatchObject([{ number: 1 }])
    expect(await attemptRow(c, attemptId)).toMatchObject({
      receipt: null,
      input_tokens: null,
      output_tokens: null,
    })
    // Never read to a model again.
    expect(await historyOf(c, chatId)).toEqual([])
  })

  it('the receipt of another answer: a page’s word', async () => {
    await using c = await begun()
    const first = await answeredDirectly(c, await c.chat({ model: 'llama-3-8b' }))
    const chatId = await c.chat({ model: 'llama-3-8b' })
    await answeredDirectly(c, chatId, () => first.taken)
    expect(await answerIn(c, chatId)).toMatchObject({ unverified: true, text: SHOWN })
  })

  it('signed by another endpoint’s key: a page’s word', async () => {
    const foreign = JSON.stringify(page.endpoint.keys.TOKEN_KEYS)
    await using c = await begun({ LLAMMA_RECEIPT_KEYS: foreign })
    const chatId = await c.chat({ model: 'llama-3-8b' })
    await answeredDirectly(c, chatId)
    expect(await answerIn(c, chatId)).toMatchObject({ unverified: true })
  })

  it('a second time, or after its end, changes nothing', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await answeredDirectly(c, chatId)
    const before = await answerIn(c, chatId)
    await finish(c.server.deps, c.viewer, attemptId, { text: forged, receipt: null, ending: 'done' })
    expect(await answerIn(c, chatId)).toEqual(before)
  })

  it('for a question that nothing was prepared for is refused', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'llama-3-8b' })
    const { attemptId } = await askDirect(c, chatId)
    const bring = (ending: 'done' | 'stopped') =>
      finish(c.server.deps, c.viewer, attemptId, { text: forged, receipt: null, ending })
    await expect(bring('done')).rejects.toMatchObject({ code: 'CONFLICT' })
    // A person may stop it all the same; nothing was said.
    await bring('stopped')
    expect(await answerIn(c, chatId)).toMatchObject({ state: 'stopped', text: '', unverified: false })
  })

  it('nothing, of an answer that was stopped before its first word: there is nothing to doubt', async () => {
    await using c = await begun()
    const chatId = await c.chat({ model: 'slow' })
    const { attemptId } = await askDirect(c, chatId)
    await offered(c, attemptId)
    await finish(c.server.deps, c.viewer, attemptId, { text: '', receipt: null, ending: 'stopped' })
    expect(await answerIn(c, chatId)).toMatchObject({ state: 'stopped', text: '', unverified: false })
  })

  it.each([
    ['MODEL_BUSY', 'MODEL_BUSY'],
    ['TOKEN_EXPIRED', 'MODEL_REFUSED_KEY'],
    ['MODEL_RETIRED', 'MODEL_RETIRED'],
    [undefined, 'MODEL_STALLED'],
  ] as const)(
    'of a model that failed in mid-answer (%s): the text stays, with the reason',
    async (code, expected) => {
      await using c = await begun()
      const chatId = await c.chat({ model: 'dying' })
      const { attemptId } = await askDirect(c, chatId)
      await offered(c, attemptId)
      await finish(c.server.deps, c.viewer, attemptId, {
        ...{ text: 'Run apt-mark hold [1', receipt: null, ending: 'failed', code },
      })
      const kept = await answerIn(c, chatId)
      expect(kept).toMatchObject({ state: 'failed', text: 'Run apt-mark hold [1', unverified: true })
      expect(kept.error?.code).toBe(expected)
    },
  )
})

it('a page’s answer shows that its model can be reached, whatever this server sees', async () => {
  await using c = await begun({ LLAMMA_ENDPOINT: 'http://127.0.0.1:9' })
  const stateOf = async () =>
    (await c.server.models.list()).models.find(({ id }) => id === 'llama-3-8b')?.availability.state
  expect(await stateOf()).toBe('unknown')
  expect((await c.server.models.list()).defaultId).toBe('llama-3-8b')
  const model = await c.server.models.get('llama-3-8b')
  model.forPages?.answered()
  expect(await stateOf()).toBe('available')
})

it('a document that is deleted meanwhile is cited, and shown as no longer there', async () => {
  await using c = await begun()
  const chatId = await c.chat({ model: 'llama-3-8b' })
  const { attemptId } = await askDirect(c, chatId)
  const offer = await offered(c, attemptId)
  const taken = await take(offer)
  await c.db.pool.query('UPDATE documents SET deleted_at = now()')
  await finish(c.server.deps, c.viewer, attemptId, { ...taken, ending: 'done' })
  const kept = await answerIn(c, chatId)
  expect(kept.citations).toMatchObject([{ number: 1, available: false, quote: null, documentName: '' }])
  expect(await historyOf(c, chatId)).toEqual([])
})
