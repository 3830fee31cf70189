import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEventReader } from './events.ts'

const bytes = (text: string) => new TextEncoder().encode(text)

function readAll(text: string, sizes: readonly number[]): string[] {
  const reader = createEventReader()
  const all = bytes(text)
  const found: string[] = []
  for (let at = 0, i = 0; at < all.length; i++) {
    const size = sizes[i % sizes.length] ?? 1
    found.push(...reader.push(all.subarray(at, at + size)))
    at += size
  }
  return [...found, ...reader.end()]
}

describe('events of a stream', () => {
  test('are the same however the network has cut them', () => {
    const word = fc.string({ unit: 'grapheme', minLength: 1 }).map((text) => text.replaceAll(/[\r\n]/g, ' '))
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
        fc.constantFrom('\n', '\r\n'),
        (words, sizes, end) => {
          const text = words.map((data) => `data: ${data}${end}${end}`).join('')
          expect(readAll(text, sizes)).toEqual(words)
        },
      ),
    )
  })

  test('have their lines joined; comments, names and ids are nothing', () => {
    const text = ': hello\n\nevent: x\nid: 1\ndata: {"a":\ndata:1}\n\n: still here\n\ndata: [DONE]\n\n'
    expect(readAll(text, [7])).toEqual(['{"a":\n1}', '[DONE]'])
  })

  test('the last one counts without its blank line', () => {
    expect(readAll('data: a\n\ndata: [DONE]', [100])).toEqual(['a', '[DONE]'])
  })

  test('one without end is given up', () => {
    const reader = createEventReader()
    const piece = bytes(`data: ${'x'.repeat(400_000)}`)
    expect(() => {
      for (let i = 0; i < 4; i++) reader.push(piece)
    }).toThrow(expect.objectContaining({ code: 'MODEL_BROKEN' }))
  })
})
