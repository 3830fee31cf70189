import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { settleTail, splitBlocks } from './blocks.ts'

describe('blocks of an answer', () => {
  test('paragraphs part at blank lines', () => {
    expect(splitBlocks('One.\nStill one.\n\nTwo.\n\n\n# Three\n')).toEqual([
      'One.\nStill one.\n\n',
      'Two.\n\n\n',
      '# Three\n',
    ])
  })

  test('a fence holds its blank lines, also while it is open', () => {
    const fenced = '```sh\napt update\n\napt upgrade\n```\n'
    expect(splitBlocks(`${fenced}\nAfter.`)).toEqual([`${fenced}\n`, 'After.'])
    expect(splitBlocks('```sh\napt update\n\napt')).toEqual(['```sh\napt update\n\napt'])
    expect(splitBlocks('~~~~\n~~~\n\n~~~~\n\nAfter')).toEqual(['~~~~\n~~~\n\n~~~~\n\n', 'After'])
  })

  test('a loose list stays one block, so that its numbers go on', () => {
    const list = '1. First\n\n   more of it\n\n2. Second\n\n'
    expect(splitBlocks(`${list}After.`)).toEqual([list, 'After.'])
  })

  test('put together they are the text, and text that is appended leaves finished blocks alone', () => {
    const piece = fc.constantFrom(
      'word ',
      '\n',
      '\n\n',
      '- item\n',
      '2. item\n',
      '```\n',
      '~~~\n',
      '    code\n',
      '# h\n',
      '| a |\n',
      '[1]',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), fc.nat(40), (pieces, cut) => {
        const whole = pieces.join('')
        const blocks = splitBlocks(whole)
        expect(blocks.join('')).toBe(whole)
        const before = splitBlocks(pieces.slice(0, cut).join(''))
        // The last two may still move: a line that has only begun can turn out to be a list's next item.
        for (const [n, block] of before.slice(0, -2).entries()) expect(blocks[n]).toBe(block)
      }),
    )
  })
})

describe('the growing tail', () => {
  test.each([
    ['Use **apt', 'Use **apt**'],
    ['Use **', 'Use '],
    ['Use `apt up', 'Use `apt up`'],
    ['Use `', 'Use '],
    ['Use apt [1', 'Use apt '],
    ['Use apt [1][', 'Use apt [1]'],
    ['See [the manual](https://exa', 'See the manual'],
    ['See [the man', 'See '],
    ['Done **well** [1].', 'Done **well** [1].'],
    ['`a ** b` is', '`a ** b` is'],
    ['```\nlet a = "**', '```\nlet a = "**'],
  ])('%j is shown as %j', (tail, shown) => {
    expect(settleTail(tail)).toBe(shown)
  })
})
