import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type AnswerEvent, type AnswerView, freshAnswer } from './answer.ts'
import type { StreamSlot, StreamSlots } from './stream-slots.ts'
import { type AnswerWatch, type StreamHandlers, WATCH, watchAnswer } from './watch-answer.ts'

/** A page, a server and a set of slots that a test moves by hand. */
function world() {
  const attention = { visible: true, turnedTo: false, listeners: new Set<() => void>() }
  const streams: { from: string; handlers: StreamHandlers; open: boolean }[] = []
  const server: { stored: AnswerView | null; reachable: boolean; asked: number } = {
    stored: freshAnswer(1),
    reachable: true,
    asked: 0,
  }
  const slots = { free: 1, stolen: 0, held: [] as { take(): void }[] }
  const slot = (): StreamSlot => {
    const gone = Promise.withResolvers<void>()
    slots.held.push({ take: () => gone.resolve() })
    return { gone: gone.promise, release: () => gone.resolve() }
  }
  const streamSlots: StreamSlots = {
    async take({ steal }) {
      if (slots.free > 0) {
        slots.free--
        const taken = slot()
        taken.gone.then(() => slots.free++)
        return taken
      }
      if (!steal) return null
      slots.stolen++
      return slot()
    },
  }
  const turn = (visible: boolean, turnedTo = false) => {
    attention.visible = visible
    attention.turnedTo = turnedTo
    for (const listener of [...attention.listeners]) listener()
  }
  let watch: AnswerWatch | undefined
  return {
    streams,
    server,
    slots,
    turn,
    start(initial: AnswerView = freshAnswer(1)) {
      watch = watchAnswer(initial, {
        stream(from, handlers) {
          const stream = { from, handlers, open: true }
          streams.push(stream)
          return () => {
            stream.open = false
          }
        },
        async snapshot() {
          server.asked++
          if (!server.reachable) throw new Error('unreachable')
          return server.stored
        },
        slots: streamSlots,
        page: {
          visible: () => attention.visible,
          turnedTo: () => {
            const was = attention.turnedTo
            attention.turnedTo = false
            return was
          },
          onChange(listener) {
            attention.listeners.add(listener)
            return () => attention.listeners.delete(listener)
          },
        },
      })
      return watch
    },
    close: () => watch?.close(),
    listeners: attention.listeners,
  }
}

const text = (start: number, piece: string, attempt = 1): [AnswerEvent, string] => [
  { type: 'text', attempt, start, text: piece },
  `${attempt}:${start + piece.length}`,
]
const end = (whole: string): [AnswerEvent, string] => [
  { type: 'end', state: 'done', error: null, citations: [], text: whole, behind: false, unverified: false },
  `1:${whole.length}`,
]
const streaming = (words: string, attempt = 1): AnswerView => ({
  ...freshAnswer(attempt),
  state: 'streaming',
  text: words,
})

describe('following an answer', () => {
  let w: ReturnType<typeof world>
  const settle = (milliseconds = 0) => vi.advanceTimersByTimeAsync(milliseconds)
  beforeEach(() => {
    vi.useFakeTimers()
    w = world()
  })
  afterEach(() => {
    w.close()
    vi.useRealTimers()
  })

  test('streams from the offset that is already here, to the end, and then lets go of everything', async () => {
    const watch = w.start(streaming('Use '))
    await settle()
    expect(w.streams.map((s) => s.from)).toEqual(['1:4'])
    w.streams[0]?.handlers.onEvent(...text(4, 'apt.'))
    expect(watch.connection()).toBe('live')
    w.streams[0]?.handlers.onEvent(...end('Use apt.'))
    await settle()
    expect(watch.view()).toMatchObject({ state: 'done', text: 'Use apt.' })
    expect(watch.connection()).toBe('ended')
    expect([w.streams[0]?.open, w.slots.free, w.listeners.size, w.server.asked]).toEqual([false, 1, 0, 0])
  })

  test('a broken stream is asked again at the offset, waiting longer each time', async () => {
    const watch = w.start()
    await settle()
    w.streams[0]?.handlers.onEvent(...text(0, 'Use '))
    w.server.stored = streaming('Us')
    w.streams[0]?.handlers.onError()
    await settle(WATCH.firstRetry)
    expect(w.streams[1]?.from).toBe('1:4')
    w.streams[1]?.handlers.onError()
    await settle(WATCH.firstRetry)
    expect(w.streams).toHaveLength(2)
    expect(watch.connection()).toBe('reconnecting')
    await settle(WATCH.firstRetry)
    expect(w.streams[2]?.from).toBe('1:4')
  })

  test('an unreachable server is waited for without losing the text', async () => {
    const watch = w.start()
    await settle()
    w.streams[0]?.handlers.onEvent(...text(0, 'Use '))
    w.server.reachable = false
    w.streams[0]?.handlers.onError()
    await settle(60_000)
    expect(watch.view().text).toBe('Use ')
    expect(watch.connection()).toBe('reconnecting')
    w.server.reachable = true
    w.server.stored = { ...streaming('Use apt.'), state: 'done' }
    await settle(WATCH.lastRetry)
    expect(watch.view()).toMatchObject({ state: 'done', text: 'Use apt.' })
  })

  test('text with a hole is never shown: the stream is asked again from before it', async () => {
    w.start()
    await settle()
    w.streams[0]?.handlers.onEvent(...text(0, 'Use '))
    w.server.stored = streaming('Use ')
    w.streams[0]?.handlers.onEvent(...text(20, 'later'))
    await settle()
    expect(w.streams[0]?.open).toBe(false)
    expect(w.streams[1]?.from).toBe('1:4')
  })

  test('another server’s new attempt replaces the text', async () => {
    const watch = w.start()
    await settle()
    w.streams[0]?.handlers.onEvent(...text(0, 'Half an'))
    w.streams[0]?.handlers.onEvent({ type: 'reset', attempt: 2 }, '2:0')
    expect(watch.view()).toMatchObject({ attempt: 2, text: '' })
    w.streams[0]?.handlers.onEvent(...text(0, 'Whole', 2))
    expect(watch.view().text).toBe('Whole')
  })

  test('without a slot the text comes by polling, and a slot that becomes free is used', async () => {
    w.slots.free = 0
    const watch = w.start()
    await settle()
    expect(watch.connection()).toBe('polling')
    w.server.stored = streaming('Use apt')
    await settle(WATCH.poll)
    expect(watch.view().text).toBe('Use apt')
    expect(w.streams).toHaveLength(0)
    w.slots.free = 1
    await settle(WATCH.poll)
    expect(w.streams.map((s) => s.from)).toEqual(['1:7'])
  })

  test('turning to the tab takes a slot once; losing it means polling', async () => {
    w.slots.free = 0
    const watch = w.start()
    await settle()
    w.turn(true, true)
    await settle()
    expect([w.slots.stolen, w.streams.length]).toEqual([1, 1])
    w.slots.held[0]?.take()
    await settle(WATCH.poll * 3)
    expect(w.streams[0]?.open).toBe(false)
    expect([watch.connection(), w.slots.stolen]).toEqual(['polling', 1])
  })

  test('a hidden tab keeps its stream for a moment, then rests, and catches up when it is seen again', async () => {
    const watch = w.start()
    await settle()
    w.streams[0]?.handlers.onEvent(...text(0, 'Use '))
    w.turn(false)
    await settle(WATCH.hiddenGrace - 1)
    expect(w.streams[0]?.open).toBe(true)
    await settle(1)
    expect([w.streams[0]?.open, watch.connection(), w.slots.free]).toEqual([false, 'hidden', 1])
    await settle(600_000)
    expect(w.server.asked).toBe(0)
    w.server.stored = streaming('Use apt, or')
    w.turn(true)
    await settle()
    expect(watch.view().text).toBe('Use apt, or')
    expect(w.streams[1]?.from).toBe('1:11')
  })

  test('a hidden tab that is seen again within the moment streams on', async () => {
    w.start()
    await settle()
    w.turn(false)
    await settle(WATCH.hiddenGrace / 2)
    w.turn(true)
    await settle(WATCH.hiddenGrace * 2)
    expect(w.streams.map((s) => s.open)).toEqual([true])
  })

  test('an answer that is gone is not asked for again', async () => {
    w.slots.free = 0
    const watch = w.start()
    await settle()
    w.server.stored = null
    await settle(WATCH.poll)
    expect(watch.connection()).toBe('gone')
    const { asked } = w.server
    await settle(60_000)
    expect(w.server.asked).toBe(asked)
  })

  test('closing ends stream, timers and listeners', async () => {
    w.start()
    await settle()
    w.close()
    await settle()
    expect([w.streams[0]?.open, w.slots.free, w.listeners.size]).toEqual([false, 1, 0])
    expect(vi.getTimerCount()).toBe(0)
  })
})
