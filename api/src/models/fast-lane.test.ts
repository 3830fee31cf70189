import { Readable } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSplitter, laneFetch } from './fast-lane.ts'
import type { Outbound } from './outbound.ts'

/** Runs bytes through a splitter in pieces of the given sizes. */
function run(bytes: Buffer, sizes: readonly number[]) {
  const seen = { text: '', alive: 0, done: false, forwarded: [] as Buffer[] }
  const split = createSplitter({
    text: (text) => {
      seen.text += text
    },
    alive: () => {
      seen.alive++
    },
    done: () => {
      seen.done = true
    },
  })
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % Math.max(1, sizes.length)] ?? 1)
    split(bytes.subarray(at, at + size), (rest) => seen.forwarded.push(Buffer.from(rest)))
    at += size
  }
  return { ...seen, forwarded: Buffer.concat(seen.forwarded).toString() }
}

const event = (chunk: unknown) => `data: ${JSON.stringify(chunk)}\n\n`
const text = (content: unknown, more: object = {}) =>
  event({ choices: [{ index: 0, delta: { content }, ...more }] })

describe('the fast lane', () => {
  it('takes plain text however its bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 12 }), { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        (pieces, sizes) => {
          const end = text('', { finish_reason: 'stop' })
          const seen = run(Buffer.from(pieces.map((piece) => text(piece)).join('') + end), sizes)
          expect(seen.text).toBe(pieces.join(''))
          expect(seen.forwarded).toBe(end)
        },
      ),
    )
  })

  it('leaves to the SDK what has another shape, whatever JSON it is', () => {
    const strange = [
      null,
      5,
      'text',
      [],
      [null],
      true,
      { choices: 5 },
      { choices: [null] },
      { choices: null },
    ]
    const more = [
      { choices: [5] },
      { choices: [{ delta: 5 }] },
      { choices: [{ delta: null }] },
      { choices: {} },
    ]
    const bytes = [...strange, ...more].map(event).join('')
    expect(run(Buffer.from(bytes), [1_000_000])).toMatchObject({ text: '', forwarded: bytes })
  })

  it('leaves to the SDK what is not plain, as it came', () => {
    const forwarded = [
      text(null, { finish_reason: 'stop' }),
      event({ choices: [], usage: { prompt_tokens: 1 } }),
      event({ error: { message: 'no' } }),
      'data: <html>\n\n',
      'data: [DONE]\n\n',
    ].join('')
    const seen = run(Buffer.from(`${text('a')}${forwarded}`), [5])
    expect(seen).toMatchObject({ text: 'a', forwarded, done: true })
  })

  it.each([
    ['content in parts', text([{ type: 'text', text: 'b' }])],
    ['a refusal', event({ choices: [{ delta: { refusal: 'no' } }] })],
    ['text with its finish reason', text('b', { finish_reason: 'stop' })],
    ['an event of several lines', `event: x\n${text('b')}`],
  ])('closes after %s, so that nothing overtakes it', (_, unusual) => {
    const rest = `${unusual}${text('c')}`
    expect(run(Buffer.from(`${text('a')}${rest}`), [9])).toMatchObject({ text: 'a', forwarded: rest })
  })

  it('leaves a stream with CR LF to the SDK from its first byte, cut characters included', () => {
    const stream = [text('ü'), text('世')].join('').replaceAll('\n', '\r\n')
    for (const size of [1, 2, 3, 50])
      expect(run(Buffer.from(stream), [size])).toMatchObject({ text: '', forwarded: stream })
  })

  it('leaves a very long event to the SDK, and gives up on a line without an end', () => {
    const long = text('x'.repeat(200_000))
    expect(run(Buffer.from(`${text('a')}${long}${text('b')}`), [16_384])).toMatchObject({
      text: 'a',
      forwarded: `${long}${text('b')}`,
    })
    expect(() => run(Buffer.alloc(1_200_000, 'x'), [16_384])).toThrow('too large')
    expect(run(Buffer.from('data: <p>\n'.repeat(120_000)), [16_384]).forwarded).toHaveLength(1_200_000)
  })

  it('counts thinking as life, comments not, and neither as text', () => {
    const thinking = event({ choices: [{ delta: { reasoning_content: 'hm', content: null } }] })
    const seen = run(Buffer.from(`: keep-alive\n\n${thinking}${text('a')}`), [1000])
    expect(seen).toMatchObject({ text: 'a', alive: 1, forwarded: '' })
  })
})

it('fails its own answer, not the process, when a piece can not be passed on', async () => {
  const body = Readable.from([Buffer.from(text('a')), Buffer.from(text('b'))])
  const request = async () => ({ status: 200, headers: { 'content-type': 'text/event-stream' }, body })
  const outbound = { request, close: async () => {} } as unknown as Outbound
  const refuses = () => {
    throw new Error('full')
  }
  const fetch = laneFetch(outbound, { text: refuses, alive: () => {}, done: () => {} })
  const response = await fetch('http://model', { method: 'POST', body: '{}' })
  await expect(response.text()).rejects.toThrow('full')
})
