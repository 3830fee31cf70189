import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type AnswerEvent,
  type AnswerView,
  applyEvent,
  applySnapshot,
  eventId,
  freshAnswer,
} from './answer.ts'
import { statusWords } from './answer-status.tsx'

function play(view: AnswerView, events: readonly (readonly [string, AnswerEvent])[]): AnswerView {
  return events.reduce((now, [id, event]) => applyEvent(now, event, id), view)
}

const text = (attempt: number, start: number, piece: string) =>
  [`${attempt}:${start + piece.length}`, { type: 'text', attempt, start, text: piece }] as const

const end = (attempt: number, whole: string, state: 'done' | 'stopped' | 'failed' = 'done') =>
  [
    `${attempt}:${whole.length}`,
    { type: 'end', state, error: null, citations: [], text: whole, behind: false, unverified: false },
  ] as const

describe('an answer’s stream', () => {
  test('states come before text, and text appends', () => {
    const view = play(freshAnswer(1), [
      ['1:0', { type: 'state', attempt: 1, state: 'searching' }],
      ['1:0', { type: 'state', attempt: 1, state: 'reading', passages: 6 }],
      text(1, 0, 'Use '),
      text(1, 4, 'apt.'),
    ])
    expect(view).toMatchObject({ state: 'streaming', passages: 6, text: 'Use apt.' })
    expect(eventId(view)).toBe('1:8')
  })

  test('what is searched for is shown until it is known what was found', () => {
    const searching = play(freshAnswer(1), [
      ['1:0', { type: 'state', attempt: 1, state: 'searching' }],
      ['1:0', { type: 'state', attempt: 1, state: 'searching', query: 'How do I release a package?' }],
    ])
    expect(statusWords(searching)).toBe('Searching your documents for “How do I release a package?”')
    const reading = play(searching, [['1:0', { type: 'state', attempt: 1, state: 'reading', passages: 2 }]])
    expect(statusWords(reading)).toBe('Reading 2 passages')
    expect(statusWords(play(searching, [['2:0', { type: 'state', attempt: 2, state: 'searching' }]]))).toBe(
      'Searching your documents',
    )
  })

  test('text that is already here is dropped, an overlap adds only what is new', () => {
    const view = play(freshAnswer(1), [text(1, 0, 'Use apt'), text(1, 0, 'Use apt'), text(1, 4, 'apt now')])
    expect(view.text).toBe('Use apt now')
  })

  test('a hole is never papered over: the text stays and the gap is told', () => {
    const view = play(freshAnswer(1), [text(1, 0, 'Use '), text(1, 9, 'later')])
    expect(view).toMatchObject({ text: 'Use ', gap: true })
    expect(eventId(view)).toBe('1:4')
    expect(play(view, [text(1, 4, 'apt, '), text(1, 9, 'later')])).toMatchObject({
      text: 'Use apt, later',
      gap: false,
    })
  })

  test('a new attempt clears the text, with or without its reset', () => {
    const first = play(freshAnswer(1), [text(1, 0, 'Half an ans')])
    expect(play(first, [['2:0', { type: 'reset', attempt: 2 }]])).toMatchObject({ attempt: 2, text: '' })
    expect(play(first, [text(2, 0, 'Whole')])).toMatchObject({ attempt: 2, text: 'Whole' })
    expect(play(first, [text(2, 3, 'le')])).toMatchObject({ attempt: 2, text: '', gap: true })
  })

  test('an older attempt’s late events change nothing', () => {
    const second = play(freshAnswer(2), [text(2, 0, 'New')])
    expect(
      play(second, [text(1, 0, 'Old text'), ['1:3', { type: 'reset', attempt: 1 }], end(1, 'Old')]),
    ).toBe(second)
  })

  test('the end’s text is the truth and nothing follows it', () => {
    const view = play(freshAnswer(1), [text(1, 0, 'Use a'), end(1, 'Use apt.'), text(1, 5, 'xyz')])
    expect(view).toMatchObject({ state: 'done', text: 'Use apt.' })
    expect(play(view, [['1:8', { type: 'state', attempt: 1, state: 'streaming' }]]).state).toBe('done')
  })

  test('a retry after the end begins anew', () => {
    const view = play(freshAnswer(1), [end(1, 'Half', 'failed'), ['2:0', { type: 'reset', attempt: 2 }]])
    expect(view).toEqual(freshAnswer(2))
  })

  test('whatever is replayed or cut differently, the text is the same', () => {
    fc.assert(
      fc.property(
        fc.string({ maxLength: 60 }),
        fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 20 }),
        (whole, replays) => {
          let view = freshAnswer(1)
          const send = (start: number, stop: number) => {
            const piece = whole.slice(start, stop)
            view = applyEvent(view, { type: 'text', attempt: 1, start, text: piece }, `1:${stop}`)
            expect(whole.startsWith(view.text)).toBe(true)
          }
          for (const [a, b] of replays) {
            const [low, high] = a < b ? [a, b] : [b, a]
            send(Math.min(low, whole.length), Math.min(high, whole.length))
          }
          send(view.text.length, whole.length)
          expect(view.text).toBe(whole)
        },
      ),
    )
  })
})

describe('a snapshot over the stream', () => {
  const at = (words: string, state: AnswerView['state'] = 'streaming'): AnswerView => ({
    ...freshAnswer(1),
    text: words,
    state,
  })

  test('the longer text wins, both ways', () => {
    expect(applySnapshot(at('Use'), at('Use apt')).text).toBe('Use apt')
    expect(applySnapshot(at('Use apt'), at('Use')).text).toBe('Use apt')
  })

  test('an end wins over a stream, and is not undone by an older snapshot', () => {
    expect(applySnapshot(at('Use apt and'), at('Use apt', 'stopped'))).toMatchObject({
      state: 'stopped',
      text: 'Use apt',
    })
    expect(applySnapshot(at('Use apt', 'done'), at('Use'))).toMatchObject({ state: 'done', text: 'Use apt' })
  })

  test('a state never goes back', () => {
    expect(applySnapshot(at('', 'reading'), at('', 'searching')).state).toBe('reading')
    expect(applySnapshot(at('', 'searching'), at('', 'reading')).state).toBe('reading')
  })

  test('a newer attempt replaces all', () => {
    const newer = { ...freshAnswer(2), text: 'B' }
    expect(applySnapshot(at('A long text'), newer)).toBe(newer)
    expect(applySnapshot(newer, at('A long text'))).toBe(newer)
  })
})
