import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cleanRanges, paragraphs, segments } from './highlight.ts'

const marked = (text: string, ranges: { start: number; end: number }[]) =>
  paragraphs(text, ranges).map((p) => p.segments.map((s) => (s.marked ? `«${s.text}»` : s.text)).join(''))

describe('paragraphs and marks', () => {
  test('a range inside a paragraph', () => {
    expect(marked('One two three.\n\nFour five.', [{ start: 4, end: 7 }])).toEqual([
      'One «two» three.',
      'Four five.',
    ])
  })

  test('a range over several paragraphs marks each of them', () => {
    expect(marked('One two.\n\nThree.\n \nFour five.', [{ start: 4, end: 23 }])).toEqual([
      'One «two.»',
      '«Three.»',
      '«Four» five.',
    ])
  })

  test('ranges that overlap, leave the text or are no ranges', () => {
    expect(
      cleanRanges('0123456789', [
        { start: 5, end: 8 },
        { start: 2, end: 6 },
        { start: 8, end: 9 },
      ]),
    ).toEqual([{ start: 2, end: 9 }])
    expect(
      cleanRanges('0123', [
        { start: -5, end: 2 },
        { start: 3, end: 99 },
      ]),
    ).toEqual([
      { start: 0, end: 2 },
      { start: 3, end: 4 },
    ])
    expect(
      cleanRanges('0123', [
        { start: 3, end: 3 },
        { start: 3, end: 1 },
        { start: Number.NaN, end: 2 },
        { start: 50, end: 60 },
      ]),
    ).toEqual([])
  })

  test('a surrogate pair is never cut', () => {
    expect(segments('a😀b', [{ start: 2, end: 4 }]).map((s) => s.text)).toEqual(['a', '😀b'])
    expect(segments('a😀b', [{ start: 0, end: 2 }]).map((s) => s.text)).toEqual(['a😀', 'b'])
  })

  test('no text is lost or moved, whatever the ranges', () => {
    const range = fc.record({
      start: fc.integer({ min: -3, max: 90 }),
      end: fc.integer({ min: -3, max: 90 }),
    })
    const text = fc.array(fc.constantFrom('a', ' ', '\n', '\n\n', '😀', 'word'), { maxLength: 40 })
    fc.assert(
      fc.property(text, fc.array(range, { maxLength: 6 }), (pieces, ranges) => {
        const page = pieces.join('')
        for (const paragraph of paragraphs(page, ranges)) {
          for (const s of paragraph.segments)
            expect(page.slice(s.start, s.start + s.text.length)).toBe(s.text)
        }
        const shown = paragraphs(page, ranges).flatMap((p) => p.segments.map((s) => s.text))
        expect(shown.join('').replace(/\s/g, '')).toBe(page.replace(/\s/g, ''))
      }),
    )
  })
})
