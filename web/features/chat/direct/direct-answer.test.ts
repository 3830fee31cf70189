import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  ENDPOINT_ERRORS,
  type EndpointErrorCode,
  endpointErrorBody,
} from '../../../../contract/endpoint-errors.ts'
import { freshAnswer } from '../answer.ts'
import { DIRECT } from './direct-answer.ts'
import { directWorld, NETWORK, OFFER, REFUSED } from './fixtures.ts'
import { PUSHES } from './pushes.ts'

const pass = (milliseconds = 0) => vi.advanceTimersByTimeAsync(milliseconds)
const refusal = (code: EndpointErrorCode) =>
  Response.json(endpointErrorBody(code), { status: ENDPOINT_ERRORS[code].status })

describe('an answer straight from the model endpoint', () => {
  let w: ReturnType<typeof directWorld>
  const start = (prepare?: Parameters<typeof directWorld>[1]) => {
    // Of a world before this one.
    vi.clearAllTimers()
    w = directWorld(pass, prepare)
  }
  beforeEach(() => {
    vi.useFakeTimers()
    start()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  /** It has ended, and nothing of it goes on: no timer, no listener. */
  const expectEnded = () =>
    expect([w.direct.connection(), vi.getTimerCount(), w.leaving.size]).toEqual(['ended', 0, 0])

  test('is shown as it comes, pushed on the way, and ended with the model’s own words and the receipt', async () => {
    await pass()
    expect(w.direct.view()).toMatchObject({ state: 'reading', passages: 2 })
    await w.say('Use apt')
    expect(w.seen()).toEqual(['streaming', 'Use apt', 'direct'])
    await pass(PUSHES.interval)
    expect(w.server.text).toBe('Use apt')
    // A citation that no passage has is not shown.
    await w.say(' 【1】 or dpkg [7].')
    expect(w.direct.view().text).toBe('Use apt [1] or dpkg.')
    await w.end('a.b.c')
    expect(w.server.finishes).toEqual([
      { text: 'Use apt 【1】 or dpkg [7].', receipt: 'a.b.c', ending: 'done' },
    ])
    expect(w.direct.view().state).toBe('done')
    expect(w.said).toEqual(['fetch', 'finish'])
    expectEnded()
  })

  test('what was held back as a possible citation is shown at the end', async () => {
    w.server.ends = false
    await w.say('See [1')
    expect(w.direct.view().text).toBe('See')
    await w.end('a.b.c')
    expect(w.direct.view().text).toBe('See [1')
  })

  test('the last word is the server’s: until it comes the answer is not over', async () => {
    w.server.ends = false
    await w.say('Use apt [1].')
    await w.end('a.b.c')
    expect(w.seen()).toEqual(['streaming', 'Use apt [1].', 'relayed'])
    expect(w.said).toEqual(['fetch', 'finish', 'watch 1:12'])
    await w.hear({ state: 'done', behind: true }, 'ended')
    expect(w.direct.view()).toMatchObject({ state: 'done', behind: true })
    expectEnded()
  })

  test('without a receipt it is told as such; with one the last event may be missing', async () => {
    await w.say('Use apt.')
    await w.end()
    expect(w.server.finishes).toEqual([{ text: 'Use apt.', receipt: null, ending: 'done' }])
    start()
    await w.say('Use apt.')
    await w.send('data: {"choices":[],"receipt":"a.b.c"}\n\n')
    await w.cut()
    expect(w.server.finishes).toEqual([{ text: 'Use apt.', receipt: 'a.b.c', ending: 'done' }])
  })

  describe('before the first token the server takes it over', () => {
    const relayed = (...said: string[]) => {
      expect(w.said).toEqual(said)
      expect(w.direct.path()).toBe(said.includes('relay') ? 'fallback' : 'relayed')
      // The stop is the server's from here on.
      expect([w.direct.stop(), vi.getTimerCount(), w.server.finishes]).toEqual([false, 0, []])
    }

    test('when a server writes it already', async () => {
      start(async () => null)
      await pass()
      relayed('watch 1:0')
    })

    test.for([NETWORK, REFUSED])('when there is no offer: $message', async (error) => {
      start(() => Promise.reject(error))
      await pass()
      relayed('relay', 'watch 1:0')
    })

    test('when network or CORS forbid, and others need not try', async () => {
      await w.reply(NETWORK)
      relayed('fetch', 'unreachable', 'relay', 'watch 1:0')
    })

    test.for(['TOKEN_EXPIRED', 'TOKEN_REPLAYED', 'RATE_LIMITED', 'MODEL_BUSY', 'MISCONFIGURED'] as const)(
      'when the endpoint says %s',
      async (code) => {
        await w.reply(refusal(code))
        relayed('fetch', 'relay', 'watch 1:0')
      },
    )

    test.for([
      new Response('<h1>Bad gateway', { status: 502 }),
      Response.json({ error: { code: 'nope' } }, { status: 404 }),
      new Response(null, { status: 204 }),
    ])('when something else is there: $status', async (response) => {
      await w.reply(response)
      relayed('fetch', 'unreachable', 'relay', 'watch 1:0')
    })

    test('when the stream begins with an error, or ends without a word', async () => {
      await w.say('')
      await w.send(`data: ${JSON.stringify(endpointErrorBody('MODEL_STALLED'))}\n\n`)
      relayed('fetch', 'relay', 'watch 1:0')
      start()
      await w.say('')
      await w.end('a.b.c')
      relayed('fetch', 'relay', 'watch 1:0')
    })

    test('when nothing comes for too long; while it waits it says that it is there', async () => {
      await pass(DIRECT.firstToken - 1)
      expect([w.said, w.server.pushes]).toEqual([
        ['fetch'],
        Math.floor(DIRECT.firstToken / PUSHES.heartbeat) - 1,
      ])
      await pass(1)
      relayed('fetch', 'abort', 'unreachable', 'relay', 'watch 1:0')
    })

    test('when the offer does not come: a server that never answers is not waited for', async () => {
      const given: AbortSignal[] = []
      start((signal) => {
        given.push(signal)
        return new Promise(() => undefined)
      })
      await pass(DIRECT.preparing - 1)
      expect([w.said, given[0]?.aborted]).toEqual([[], false])
      await pass(1)
      relayed('relay', 'watch 1:0')
      expect(given.map(({ aborted }) => aborted)).toEqual([true])
    })

    test('and is told again, when it does not hear that', async () => {
      w.server.failures = [NETWORK, NETWORK]
      await w.reply(refusal('MODEL_BUSY'))
      await pass(DIRECT.firstRetry * 3)
      relayed('fetch', 'relay', 'relay', 'relay', 'watch 1:0')
    })
  })

  test('once it has begun it may take its time', async () => {
    for (const word of ['Use ', 'apt', '-mark ', 'hold.']) {
      await w.say(word)
      await pass(DIRECT.silence * 0.9)
    }
    await w.end('a.b.c')
    expect(w.server.finishes).toEqual([{ text: 'Use apt-mark hold.', receipt: 'a.b.c', ending: 'done' }])
  })

  test('a connection that is dead without a word ends it: its chat would take no other question', async () => {
    await w.say('Use ')
    await pass(DIRECT.silence)
    expect(w.server.finishes).toEqual([
      { text: 'Use ', receipt: null, ending: 'failed', code: 'MODEL_INTERRUPTED' },
    ])
    expect(w.said).toEqual(['fetch', 'abort', 'finish'])
    expectEnded()
  })

  test('an offer of a later attempt begins with nothing', async () => {
    start(async () => ({ ...OFFER, attempt: 3 }))
    await w.say('Use')
    expect(w.direct.view()).toMatchObject({ attempt: 3, text: 'Use' })
  })

  test.for([
    ['an error within the stream', 'MODEL_STALLED'],
    ['a stream without an end', 'MODEL_INTERRUPTED'],
    ['a stream that the network cuts', 'MODEL_INTERRUPTED'],
    ['a stream of something else', 'MODEL_BROKEN'],
  ] as const)('%s after the first token is a failure that keeps the text', async ([what, code]) => {
    await w.say('Use apt')
    if (what === 'an error within the stream')
      await w.send(`data: ${JSON.stringify(endpointErrorBody('MODEL_STALLED'))}\n\n`)
    else if (what === 'a stream of something else') await w.send('data: <html>\n\n')
    else await w.cut(what === 'a stream that the network cuts' ? NETWORK : undefined)
    expect(w.server.finishes).toEqual([{ text: 'Use apt', receipt: null, ending: 'failed', code }])
    expect(w.seen().slice(0, 2)).toEqual(['failed', 'Use apt'])
    expect(w.said).not.toContain('relay')
    expectEnded()
  })

  test('pushes that fail for a while cost nothing, and the page says that it has no connection', async () => {
    await w.say('Use ')
    w.server.silent = true
    await pass(PUSHES.interval)
    expect(w.direct.connection()).toBe('reconnecting')
    await w.say('apt')
    expect(w.direct.view().text).toBe('Use apt')
    w.server.silent = false
    await pass(PUSHES.interval)
    expect([w.server.text, w.direct.connection()]).toEqual(['Use apt', 'live'])
    await w.end('a.b.c')
    expect(w.server.finishes).toHaveLength(1)
  })

  test('an answer that is not this page’s any more is let go and watched', async () => {
    await w.say('Use apt')
    w.server.push = { owned: false, stop: false, late: false }
    w.server.stored = { ...freshAnswer(2), state: 'streaming', text: 'Call' }
    await pass(PUSHES.interval)
    expect(w.said).toEqual(['fetch', 'abort', 'watch 2:4'])
    expect(w.seen()).toEqual(['streaming', 'Call', 'relayed'])
    await w.hear({ text: 'Call apt.' })
    expect(w.direct.view().text).toBe('Call apt.')
  })

  test('an answer that was given up is shown on, and brought when it is whole', async () => {
    await w.say('Use ')
    w.server.push = { owned: false, stop: false, late: true }
    await pass(PUSHES.interval)
    await w.say('apt')
    expect(w.seen()).toEqual(['streaming', 'Use apt', 'direct'])
    await w.end('a.b.c')
    expect(w.server.finishes).toEqual([{ text: 'Use apt', receipt: 'a.b.c', ending: 'done' }])
    expect([w.said, w.direct.view().state]).toEqual([['fetch', 'finish'], 'done'])
  })

  test('one that does not exist any more is gone', async () => {
    await w.say('Use apt')
    w.server.push = { owned: false, stop: false, late: false }
    w.server.stored = null
    await pass(PUSHES.interval)
    expect([w.direct.connection(), w.said]).toEqual(['gone', ['fetch', 'abort']])
  })

  test('stopped here it is stopped at once, and so it is told', async () => {
    await w.say('Use apt')
    w.server.failures = [NETWORK]
    expect(w.direct.stop()).toBe(true)
    expect(w.seen().slice(0, 2)).toEqual(['stopped', 'Use apt'])
    await pass()
    expect([w.said, w.direct.connection()]).toEqual([['fetch', 'abort', 'finish'], 'reconnecting'])
    expect([w.direct.stop(), w.direct.view().state]).toEqual([true, 'stopped'])
    await pass(DIRECT.firstRetry)
    expect(w.server.finishes).toEqual([{ text: 'Use apt', receipt: null, ending: 'stopped' }])
    expectEnded()
  })

  test('stopped while it is prepared it waits for nothing, and tells whoever writes it by now', async () => {
    for (const failures of [[], [NETWORK]]) {
      start(() => new Promise(() => undefined))
      w.server.failures = failures
      expect(w.direct.stop()).toBe(true)
      expect(w.direct.view().state).toBe('stopped')
      await pass()
      expect(w.said).toEqual(['stop', 'finish'])
      expect(w.server.finishes).toEqual([{ text: '', receipt: null, ending: 'stopped' }])
      expectEnded()
    }
  })

  test('left while it is prepared it says nothing', async () => {
    start(() => new Promise(() => undefined))
    await w.leave()
    expect(w.said).toEqual(['watch 1:0'])
  })

  test('stopped from elsewhere it ends as stopped', async () => {
    await w.say('Use apt')
    w.server.push = { owned: true, stop: true, late: false }
    await pass(PUSHES.interval)
    expect(w.server.finishes).toEqual([{ text: 'Use apt', receipt: null, ending: 'stopped' }])
    expectEnded()
  })

  test('an end that does not arrive is told again', async () => {
    await w.say('Use apt.')
    w.server.failures = [NETWORK, NETWORK]
    await w.end('a.b.c')
    expect([w.direct.view().state, w.direct.connection()]).toEqual(['streaming', 'reconnecting'])
    await pass(DIRECT.firstRetry * 3)
    expect(w.server.finishes).toHaveLength(1)
    expectEnded()
  })

  test('an end that is never answered is told again, and given up like one that does not arrive', async () => {
    await w.say('Use apt.')
    w.server.mute = true
    await w.end('a.b.c')
    await pass(DIRECT.telling - 1)
    expect([w.said, w.direct.connection()]).toEqual([['fetch', 'finish'], 'live'])
    await pass(1)
    expect(w.direct.connection()).toBe('reconnecting')
    w.server.mute = false
    await pass(DIRECT.firstRetry)
    expect(w.server.finishes).toHaveLength(1)
    expectEnded()
    start()
    await w.say('Use apt.')
    w.server.mute = true
    await w.end('a.b.c')
    await pass(DIRECT.retries + DIRECT.telling)
    expect([w.said.at(-1), vi.getTimerCount()]).toEqual(['watch 1:8', 0])
  })

  test('an end that is refused is not; one that never arrives is given up: the lease ends it', async () => {
    await w.say('Use apt.')
    w.server.failures = [REFUSED]
    await w.end('a.b.c')
    expect(w.said).toEqual(['fetch', 'finish', 'watch 1:8'])
    start()
    await w.say('Use apt.')
    w.server.silent = true
    await w.end('a.b.c')
    await pass(DIRECT.retries)
    expect(w.said.at(-1)).toBe('watch 1:8')
    expect([w.server.finishes, vi.getTimerCount()]).toEqual([[], 0])
  })

  test('a page that goes away lets go and says nothing', async () => {
    await w.say('Use apt')
    await w.leave()
    await pass(PUSHES.heartbeat * 2)
    expect(w.said).toEqual(['fetch', 'abort', 'watch 1:7'])
    expect([w.server.pushes, w.server.finishes]).toEqual([0, []])
  })

  test('a server’s answer is watched no longer than somebody looks at it', async () => {
    start(async () => null)
    await pass()
    w.direct.close()
    expect(w.said).toEqual(['watch 1:0', 'unwatched', 'closed'])
  })

  test('whoever looked at it may go: it goes on, and tells whoever comes back', async () => {
    const heard = vi.fn()
    await w.say('Use ')
    const leave = w.direct.subscribe(heard)
    await w.say('apt')
    leave()
    w.direct.close()
    const { length } = heard.mock.calls
    await w.say('.')
    expect(heard.mock.calls).toHaveLength(length)
    w.direct.subscribe(heard)
    expect(w.direct.view().text).toBe('Use apt.')
    await w.end('a.b.c')
    expect(heard.mock.calls.length).toBeGreaterThan(length)
    expectEnded()
  })
})
