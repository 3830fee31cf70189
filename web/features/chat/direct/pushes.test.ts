import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PUSHES, type Pushes, startPushes } from './pushes.ts'

type Reply = { owned: boolean; stop: boolean; late?: boolean }

/** A server that a test answers for; `refused` is what it throws when it says no. */
function world() {
  const refused = new Error('no')
  const asked: { start: number; text: string; at: number; answer: PromiseWithResolvers<Reply> }[] = []
  const heard: string[] = []
  const pushes: Pushes = startPushes({
    push(start, text, signal) {
      const answer = Promise.withResolvers<Reply>()
      signal.addEventListener('abort', () => answer.reject(signal.reason))
      asked.push({ start, text, at: performance.now(), answer })
      return answer.promise
    },
    isRefusal: (error) => error === refused,
    onLost: () => heard.push('lost'),
    onStop: () => heard.push('stop'),
    onReached: (reached) => heard.push(reached ? 'reached' : 'unreached'),
  })
  const reply = async (n: number, answer: Partial<Reply> | Error = {}) => {
    if (answer instanceof Error) asked[n]?.answer.reject(answer)
    else asked[n]?.answer.resolve({ owned: true, stop: false, ...answer })
    await vi.advanceTimersByTimeAsync(0)
  }
  return { pushes, asked, heard, reply, refused, sent: () => asked.map(({ start, text }) => [start, text]) }
}

describe('telling the server of an answer', () => {
  let w: ReturnType<typeof world>
  const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds)
  beforeEach(() => {
    vi.useFakeTimers()
    w = world()
  })
  afterEach(() => {
    w.pushes.close()
    vi.useRealTimers()
  })

  test('text goes at most twice a second, from where the server has it', async () => {
    w.pushes.add('Use ')
    w.pushes.add('apt')
    await pass(PUSHES.interval)
    expect(w.sent()).toEqual([[0, 'Use apt']])
    w.pushes.add(' or ')
    await w.reply(0)
    w.pushes.add('dpkg')
    expect(w.asked).toHaveLength(1)
    await pass(PUSHES.interval)
    expect(w.sent().slice(1)).toEqual([[7, ' or dpkg']])
  })

  test('without text it says that it is there, often enough for its lease', async () => {
    for (let n = 0; n < 4; n++) {
      await pass(PUSHES.heartbeat)
      await w.reply(n)
    }
    expect(w.sent()).toEqual(Array(4).fill([0, '']))
  })

  test('a push that fails is no loss: the next carries all that nobody has acknowledged', async () => {
    w.pushes.add('Use ')
    await pass(PUSHES.interval)
    await w.reply(0, new TypeError('network'))
    w.pushes.add('apt')
    await pass(PUSHES.interval)
    expect(w.sent().slice(1)).toEqual([[0, 'Use apt']])
    await w.reply(1)
    expect(w.heard).toEqual(['unreached', 'reached'])
  })

  test('one that hangs is given up and made good', async () => {
    w.pushes.add('Use ')
    await pass(PUSHES.interval + PUSHES.patience)
    expect(w.heard).toEqual(['unreached'])
    expect(w.sent()).toEqual([
      [0, 'Use '],
      [0, 'Use '],
    ])
  })

  test('a background tab, whose timers stand still, pushes with what arrives', async () => {
    const clock = vi.spyOn(performance, 'now')
    const since = performance.now()
    for (let n = 0; n < 6; n++) {
      clock.mockReturnValue(since + (n + 1) * PUSHES.interval)
      w.pushes.add(`${n}`)
      await w.reply(n)
    }
    expect(w.sent()).toEqual(Array.from({ length: 6 }, (_, n) => [n, `${n}`]))
    clock.mockRestore()
  })

  test('given up, it keeps the rest to itself, and asks on whether the whole will be taken', async () => {
    w.pushes.add('Use ')
    await pass(PUSHES.interval)
    await w.reply(0, { owned: false, late: true })
    w.pushes.add('apt')
    await pass(PUSHES.interval)
    expect(w.asked).toHaveLength(1)
    await pass(PUSHES.heartbeat - PUSHES.interval)
    await w.reply(1, { owned: false, late: true })
    expect(w.heard).toEqual(['reached', 'reached'])
    await pass(PUSHES.heartbeat)
    expect(w.sent().slice(1)).toEqual([
      [4, ''],
      [4, ''],
    ])
    await w.reply(2, { owned: false, late: false })
    expect(w.heard).toEqual(['reached', 'reached', 'reached', 'lost'])
  })

  test('lost, refused and stopped are told', async () => {
    await pass(PUSHES.heartbeat)
    await w.reply(0, { owned: false, stop: true })
    expect(w.heard).toEqual(['reached', 'lost'])
    await pass(PUSHES.heartbeat)
    await w.reply(1, w.refused)
    expect(w.heard.slice(2)).toEqual(['lost'])
    await pass(PUSHES.heartbeat)
    await w.reply(2, { stop: true })
    expect(w.heard.slice(3)).toEqual(['reached', 'stop'])
  })

  test('closed, it says nothing more and keeps no timer', async () => {
    w.pushes.add('Use ')
    await pass(PUSHES.interval)
    w.pushes.close()
    await w.reply(0)
    w.pushes.add('apt')
    await pass(PUSHES.heartbeat * 3)
    expect([w.sent(), w.heard, vi.getTimerCount()]).toEqual([[[0, 'Use ']], [], 0])
  })
})
