import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createCitationMapper, withoutCitations } from './citations.ts'

function map(pieces: readonly string[], count = 5) {
  const mapper = createCitationMapper(count)
  const text = pieces.map((piece) => mapper.push(piece)).join('') + mapper.end()
  return { text, used: [...mapper.used] }
}

describe('citations', () => {
  it.each([
    ['Use apt [1].', 'Use apt [1].', [1]],
    ['Use apt[1].', 'Use apt[1].', [1]],
    ['A [1][3] b', 'A [1][3] b', [1, 3]],
    ['A [1, 3] b', 'A [1][3] b', [1, 3]],
    ['A [1,3;2] b', 'A [1][3][2] b', [1, 3, 2]],
    ['A [2-4] b', 'A [2][3][4] b', [2, 3, 4]],
    ['A [1 and 2] b', 'A [1][2] b', [1, 2]],
    ['A 【2】 b', 'A [2] b', [2]],
    ['A 【2†source】 b', 'A [2] b', [2]],
    ['A [^2] b', 'A [2] b', [2]],
    ['A [passage 2] b', 'A [2] b', [2]],
    ['A [Source 1, 2] b', 'A [1][2] b', [1, 2]],
    // unknown numbers
    ['A [9].', 'A.', []],
    ['A [0] b', 'A b', []],
    ['A [1, 9].', 'A [1].', [1]],
    ['A [9] [2].', 'A [2].', [2]],
    ['[9] A', ' A', []],
    // what is no citation
    ['See [the manual] now', 'See [the manual] now', []],
    ['A [ ] todo, [x] done', 'A [ ] todo, [x] done', []],
    ['from [2024-01-01 on', 'from [2024-01-01 on', []],
    ['[1234] is a year', '[1234] is a year', []],
    ['open [1 and never closed', 'open [1 and never closed', []],
    ['[[1]]', '[[1]]', [1]],
    // code
    ['Run `argv[1]` now [1]', 'Run `argv[1]` now [1]', [1]],
    ['```c\na[9] = b[1];\n```\nDone [2]', '```c\na[9] = b[1];\n```\nDone [2]', [2]],
    ['``a`[9]`` [1]', '``a`[9]`` [1]', [1]],
    ['a lone ` here\n\nthen [9] and [1]', 'a lone ` here\n\nthen and [1]', [1]],
    // a citation never becomes a link or a hidden definition
    ['A [1](http://evil.example/x)', 'A [1] (http://evil.example/x)', [1]],
    ['[1]: http://evil.example/x', '[1] : http://evil.example/x', [1]],
    ['According to [1]: yes', 'According to [1]: yes', [1]],
  ])('%j', (given, text, used) => {
    expect(map([given])).toEqual({ text, used })
  })

  it('drops every number when no passage was given', () => {
    expect(map(['A [1] b [2].'], 0)).toEqual({ text: 'A b.', used: [] })
  })

  it('is the same however the text is cut into tokens', () => {
    const part = fc.oneof(
      fc.constantFrom(
        '[',
        ']',
        '【',
        '】',
        '`',
        '``',
        '```',
        ' ',
        '\n',
        '\n\n',
        '[1]',
        '[9]',
        ' [2, 3]',
        '(',
        ':',
      ),
      fc.constantFrom('1', '12', ',', '-', 'word', '†source', 'passage '),
      fc.string({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 30 }),
        fc.array(fc.nat({ max: 60 }), { maxLength: 12 }),
        (parts, cuts) => {
          const text = parts.join('')
          const places = [...new Set(cuts.map((cut) => Math.min(cut, text.length)))].sort((a, b) => a - b)
          const pieces = [0, ...places].map((from, i) => text.slice(from, places[i] ?? text.length))
          expect(map(pieces)).toEqual(map([text]))
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('lets no unknown number through outside of code, whatever a model writes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('[7]', '[1]', '[', '1', '7', ']', ' ', 'a', ', ', '【8】', '['), {
          maxLength: 25,
        }),
        (parts) => {
          const { text, used } = map([parts.join('')])
          for (const [, number] of text.matchAll(/\[(\d{1,3})\]/g))
            expect(Number(number)).toBeLessThanOrEqual(5)
          expect(used.every((number) => number >= 1 && number <= 5)).toBe(true)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('holds back no more than what may be a citation', () => {
    const mapper = createCitationMapper(5)
    expect(mapper.push('A word')).toBe('A word')
    expect(mapper.push(' [1')).toBe('')
    expect(mapper.push(', 2] and')).toBe(' [1][2] and')
    expect(mapper.push(` [${'1, '.repeat(20)}`)).not.toBe('')
  })
})

describe('an earlier answer', () => {
  it('goes into the next prompt without its numbers', () => {
    expect(withoutCitations('Use apt [1][2]. Or dpkg [3].')).toBe('Use apt. Or dpkg.')
  })
})
