import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { event, exceptionFrame } from '../../test/scripted-bedrock.ts'
import { BedrockException, BrokenFrame, createFrameTap } from './bedrock-frames.ts'

const delta = (part: object) => event('contentBlockDelta', { contentBlockIndex: 0, delta: part })
const START = event('messageStart', { role: 'assistant' })
const STOP = event('messageStop', { stopReason: 'end_turn' })

/** What becomes of a stream that arrives in pieces of these lengths, in turn. */
function read(bytes: Uint8Array, lengths: readonly number[] = [bytes.length]) {
  const heard: string[] = []
  const forwarded: Buffer[] = []
  let alive = 0
  const lane = {
    text: (text: string) => heard.push(text),
    alive: () => alive++,
    done() {},
  }
  const tap = createFrameTap({
    ...lane,
    text: (text) => void lane.text(text),
    alive: () => void lane.alive(),
  })
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length] ?? 1
    tap(Buffer.from(bytes.subarray(at, at + length)), (rest) => forwarded.push(Buffer.from(rest)))
    at += length
  }
  return { text: heard.join(''), alive, forwarded: Buffer.concat(forwarded) }
}

describe("Bedrock's frames", () => {
  it('are read in any pieces: text is heard, the rest is forwarded as it came', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), lengths, (texts, cuts) => {
        const stream = Buffer.concat([START, ...texts.map((text) => delta({ text })), STOP])
        const { text, forwarded } = read(stream, cuts)
        expect(text).toBe(texts.map((part) => part.toWellFormed()).join(''))
        expect(forwarded).toEqual(Buffer.concat([START, STOP]))
      }),
      { numRuns: 200 },
    )
  })

  it('of thinking are a sign of life, and no text', () => {
    const stream = Buffer.concat([delta({ reasoningContent: { text: 'Hm.' } }), delta({ text: 'Yes.' })])
    expect(read(stream)).toEqual({ text: 'Yes.', alive: 1, forwarded: Buffer.alloc(0) })
  })

  it.each([null, 5, {}, { delta: null }, { delta: { text: 5 } }, { delta: { toolUse: { input: '' } } }])(
    'with a delta of another shape (%j) are left to the SDK',
    (payload) => {
      const frame = event('contentBlockDelta', payload as object)
      expect(read(frame)).toEqual({ text: '', alive: 0, forwarded: Buffer.from(frame) })
    },
  )

  it('are refused when any bit of them is another', () => {
    const frame = delta({ text: 'The answer.' })
    for (let bit = 0; bit < frame.length * 8; bit++) {
      const wrong = Buffer.from(frame)
      wrong.writeUInt8(wrong.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(() => read(wrong)).toThrow(BrokenFrame)
    }
  })

  it.each(['<!doctype html>', 'data: {"choices": []}', '\0'.repeat(16)])('are not %j', (text) => {
    expect(() => read(Buffer.from(text), [3])).toThrow(BrokenFrame)
  })

  it('larger than any of an answer are not waited for', () => {
    expect(() => read(delta({ text: 'x'.repeat(1_100_000) }), [64 * 1024])).toThrow('a length')
  })

  it.each(['exception', 'error'])('of the kind %s end the stream, also unknown ones', (kind) => {
    const stream = Buffer.concat([delta({ text: 'Yes' }), exceptionFrame('newException', 'no', kind)])
    expect(() => read(stream)).toThrow(BedrockException)
    expect(() => read(stream)).toThrow(expect.objectContaining({ type: 'newException' }))
  })
})
