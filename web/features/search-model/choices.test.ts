import { describe, expect, test } from 'vitest'
import { choicesOf, isRead, isWorthReadingAnew, proposed } from './choices.ts'
import { generation, overview } from './fixtures.ts'

const active = generation({})
const taken = (...generations: (typeof active)[]) =>
  choicesOf(overview({ generations }), 'local').map((choice) => choice.taken)

describe('how long passages can be', () => {
  test('what is there of the same model, in the same way, can not be built again', () => {
    expect(taken(active)).toEqual([null, 'active', null])
    expect(taken(active, generation({ id: 2, passageTokens: 320, state: 'removing' }))).toEqual([
      ...[null, 'active', 'removing'],
    ])
    expect(taken(active, generation({ id: 2, passageTokens: 320, embedderId: 'far' }))).toEqual([
      ...[null, 'active', null],
    ])
    expect(choicesOf(overview({ generations: [active] }), 'far').map((each) => each.taken)).toEqual([
      ...[null, null, null],
    ])
  })

  test('a newer parser makes another reading at the same length', () => {
    const choices = choicesOf(overview({ generations: [active], parser: 2 }), 'local')
    expect(choices).toEqual([120, 200, 320].map((tokens) => ({ tokens, taken: null })))
  })

  test('proposed is the length in use, where it can be built', () => {
    const long = overview({ generations: [generation({ passageTokens: 320 })] })
    expect(proposed(choicesOf(long, 'far'), long)).toBe(320)
    expect(proposed(choicesOf(long, 'local'), long)).toBe(120)
    const nothing = overview({ generations: [] })
    expect(proposed(choicesOf(nothing, 'far'), nothing)).toBe(200)
    const all = overview({
      generations: [120, 200, 320].map((passageTokens, id) =>
        generation({ id, passageTokens, state: id === 0 ? 'active' : 'removing' }),
      ),
    })
    expect(proposed(choicesOf(all, 'local'), all)).toBe(null)
  })

  test('documents are read again unless another model has them read so', () => {
    const now = overview({ generations: [active] })
    expect([isRead(now, 200), isRead(now, 120)]).toEqual([true, false])
    expect(isRead(overview({ generations: [active], parser: 2 }), 200)).toBe(false)
    const going = generation({ id: 2, passageTokens: 120, state: 'removing' })
    expect(isRead(overview({ generations: [active, going] }), 120)).toBe(false)
  })

  test('reading anew is worth it by a newer parser, once', () => {
    const worth = (parser: number, ...more: (typeof active)[]) =>
      isWorthReadingAnew(overview({ generations: [active, ...more], parser }), active)
    expect(worth(1)).toBe(false)
    expect(worth(2)).toBe(true)
    expect(worth(2, generation({ id: 2, parser: 2, state: 'building' }))).toBe(false)
    expect(worth(2, generation({ id: 2, parser: 2, passageTokens: 320, state: 'previous' }))).toBe(true)
    const newer = generation({ parser: 2 })
    expect(isWorthReadingAnew(overview({ generations: [newer] }), newer)).toBe(false)
    const gone = generation({ embedderId: null })
    expect(isWorthReadingAnew(overview({ generations: [gone], parser: 2 }), gone)).toBe(false)
  })
})
