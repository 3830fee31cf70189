import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openAIShape } from '../../../../worker/src/shapes.ts'
import { createEndpointReader, type EndpointEvent, errorCode } from './endpoint-events.ts'

const encoder = new TextEncoder()

function read(stream: string, cuts: readonly number[] = []): EndpointEvent[] {
  const bytes = encoder.encode(stream)
  const places = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort(
    (a, b) => a - b,
  )
  const take = createEndpointReader()
  return places.slice(1).flatMap((end, n) => take(bytes.subarray(places[n], end)))
}

const textIn = (events: readonly EndpointEvent[]) =>
  events.map((event) => (event.type === 'text' ? event.text : '')).join('')

/** As the endpoint writes it. */
function streamOf(pieces: readonly string[], receipt?: string): string {
  const shape = openAIShape({ id: '1', model: 'llama-3-8b', includeUsage: false })
  const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
  const ending = { text: pieces.join(''), usage, finish: 'stop' as const }
  return pieces.map(shape.text).join('') + shape.end(receipt === undefined ? ending : { ...ending, receipt })
}

describe('reading the model endpoint', () => {
  test('text, receipt and end, as the endpoint writes them', () => {
    expect(read(streamOf(['Use ', 'apt [1].'], 'a.b.c'))).toEqual([
      { type: 'text', text: 'Use ' },
      { type: 'text', text: 'apt [1].' },
      { type: 'receipt', receipt: 'a.b.c' },
      { type: 'done' },
    ])
    expect(read(streamOf(['Use']))).toEqual([{ type: 'text', text: 'Use' }, { type: 'done' }])
  })

  test('any cut of the bytes, with any ends of lines and comments between, gives the same', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', minLength: 1 }), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 40 }),
        fc.constantFrom('\n', '\r\n'),
        fc.boolean(),
        (pieces, cuts, newline, comments) => {
          const written = streamOf(pieces, 'a.b.c')
          const stream = (
            comments ? `: hello\n\n${written.replaceAll('\n\n', '\n: ping\n\n')}` : written
          ).replaceAll('\n', newline)
          const events = read(stream, cuts)
          expect(textIn(events)).toBe(pieces.join(''))
          expect(events.slice(-2)).toEqual([{ type: 'receipt', receipt: 'a.b.c' }, { type: 'done' }])
          expect(events).toHaveLength(pieces.length + 2)
        },
      ),
    )
  })

  test('an error within the stream is its end; codes that nobody knows are a failure', () => {
    const broke = (error: object) =>
      `${streamOf(['Use ']).split('\n\n')[0]}\n\ndata: ${JSON.stringify({ error })}\n\n`
    const after = 'data: {"choices":[{"delta":{"content":"late"}}]}\n\ndata: [DONE]\n\n'
    expect(
      read(broke({ message: 'x', type: 'server_error', code: 'MODEL_STALLED', param: null }) + after),
    ).toEqual([
      { type: 'text', text: 'Use ' },
      { type: 'error', code: 'MODEL_STALLED' },
    ])
    for (const error of [{ message: 'x' }, { code: 7 }, { code: 'toString' }])
      expect(read(broke(error) + after).at(-1)).toEqual({ type: 'error', code: 'MODEL_FAILED' })
  })

  test('what is no chunk breaks the answer off, what says nothing is passed over', () => {
    for (const data of ['<html>', '{"choices"', ''])
      expect(read(`data: ${data}\n\n`)).toEqual([{ type: 'error', code: 'MODEL_BROKEN' }])
    const empty = [
      '1',
      'null',
      '{}',
      '{"choices":null}',
      '{"choices":[]}',
      '{"choices":[{"delta":null}]}',
      '{"choices":[{"delta":{"content":null}}]}',
      '{"error":null,"receipt":1}',
    ]
    for (const data of empty) expect(read(`event: x\nid: 1\ndata: ${data}\n\n`)).toEqual([])
  })

  test('an event without end is given up, and nothing more is kept of it', () => {
    const take = createEndpointReader()
    const piece = encoder.encode(`data: ${'x'.repeat(600_000)}`)
    expect(take(piece)).toEqual([])
    expect(take(piece)).toEqual([{ type: 'error', code: 'MODEL_BROKEN' }])
    expect(take(piece)).toEqual([])
  })

  test('any bytes at all end in events, never in a throw', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 })), (pieces) => {
        const take = createEndpointReader()
        for (const piece of pieces) take(piece)
      }),
    )
  })

  test('a refusal is the endpoint’s own only with a code of its own', () => {
    expect(errorCode({ error: { code: 'RATE_LIMITED' } })).toBe('RATE_LIMITED')
    for (const body of [null, 'no', {}, { error: 'no' }, { error: { code: 'Bad Gateway' } }])
      expect(errorCode(body)).toBeNull()
  })
})
