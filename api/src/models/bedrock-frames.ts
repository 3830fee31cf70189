// Bedrock's answer on the wire: AWS event-stream frames, as the short way for a token reads them (why: fast-lane.ts; here
// it takes 5 µs of CPU a token, the SDK's own way 30 and more).
// Text goes to the answer at once; start, stop, usage and whatever is unusual go to the SDK as they came. What the SDK
// would pass over is noticed here: a frame whose checksums are wrong, and exceptions that it does not know.
//
// A frame: length of all, length of the headers, CRC-32 of these eight bytes; headers; payload; CRC-32 of all before it.
// https://docs.aws.amazon.com/lexv2/latest/dg/event-stream-encoding.html
import { crc32 } from 'node:zlib'
import type { Lane } from './fast-lane.ts'
import type { Tap } from './tapped-fetch.ts'

/** Its sender made a mistake, or the bytes are no frames at all. */
export class BrokenFrame extends Error {}

/** An exception that the service sent inside its stream. */
export class BedrockException extends Error {
  /** As the service calls it: `throttlingException`. */
  readonly type: string
  readonly payload: Buffer
  constructor(type: string, payload: Buffer) {
    super('the stream carried an exception')
    this.type = type
    this.payload = payload
  }
}

const PRELUDE = 12
const CHECKSUM = 4
/** AWS allows more; a piece of an answer needs some hundred bytes. */
const MAX_FRAME = 1024 * 1024

/** What it throws, BrokenFrame or BedrockException, ends the stream. */
export function createFrameTap(lane: Lane): Tap {
  let pieces: Buffer[] = []
  let size = 0
  /** Bytes until something can be done: put together only then, or an unfinished frame would be copied with every piece. */
  let needed = PRELUDE
  return (bytes, forward) => {
    pieces.push(bytes)
    size += bytes.length
    if (size < needed) return
    const all = pieces.length === 1 ? bytes : Buffer.concat(pieces, size)
    let start = 0
    needed = PRELUDE
    while (all.length - start >= PRELUDE) {
      const length = frameLength(all, start)
      if (all.length - start < length) {
        needed = length
        break
      }
      const frame = all.subarray(start, start + length)
      if (!takeFrame(frame, lane)) forward(frame)
      start += length
    }
    size = all.length - start
    pieces = size === 0 ? [] : [all.subarray(start)]
  }
}

function frameLength(bytes: Buffer, start: number): number {
  const length = bytes.readUInt32BE(start)
  const headers = bytes.readUInt32BE(start + 4)
  if (crc32(bytes.subarray(start, start + 8)) !== bytes.readUInt32BE(start + 8))
    throw new BrokenFrame('the checksum of a prelude')
  if (length > MAX_FRAME || headers > length - PRELUDE - CHECKSUM) throw new BrokenFrame('a length')
  return length
}

/** @returns whether that is all there is to do with it */
function takeFrame(frame: Buffer, lane: Lane): boolean {
  const end = frame.length - CHECKSUM
  if (crc32(frame.subarray(0, end)) !== frame.readUInt32BE(end))
    throw new BrokenFrame('the checksum of a frame')
  const payloadAt = PRELUDE + frame.readUInt32BE(4)
  const headers = readHeaders(frame.subarray(PRELUDE, payloadAt))
  const payload = frame.subarray(payloadAt, end)
  const kind = headers.get(':message-type')
  if (kind === 'exception') throw new BedrockException(headers.get(':exception-type') ?? '', payload)
  // What no model of the service has a shape for.
  if (kind === 'error') throw new BedrockException(headers.get(':error-code') ?? '', payload)
  return headers.get(':event-type') === 'contentBlockDelta' && takeDelta(payload, lane)
}

function takeDelta(payload: Buffer, lane: Lane): boolean {
  let event: { readonly delta?: unknown } | null
  try {
    event = JSON.parse(payload.toString()) as typeof event
  } catch {
    return false
  }
  // It may be any JSON. The SDK says what is wrong with it.
  const { text, reasoningContent } = Object(event?.delta) as { text?: unknown; reasoningContent?: unknown }
  if (typeof text === 'string') {
    if (text !== '') lane.text(text)
    return true
  }
  // A model that thinks aloud: a sign of life, and no text of the answer.
  if (typeof reasoningContent !== 'object' || reasoningContent === null) return false
  const { text: thought } = reasoningContent as { text?: unknown }
  lane.alive(typeof thought === 'string' ? thought : '')
  return true
}

/** Bytes of a header's value by its type; 6 and 7, bytes and text, say theirs themselves. */
const VALUE_BYTES: readonly (number | null)[] = [0, 0, 1, 2, 4, 8, null, null, 8, 16]
const TEXT = 7

/** Those that are text: the service sends no others. */
function readHeaders(bytes: Buffer): Map<string, string> {
  const headers = new Map<string, string>()
  try {
    for (let at = 0; at < bytes.length; ) {
      const nameEnd = at + 1 + bytes.readUInt8(at)
      const type = bytes.readUInt8(nameEnd)
      const fixed = VALUE_BYTES[type]
      if (fixed === undefined) throw new BrokenFrame('a header')
      const valueAt = nameEnd + (fixed === null ? 3 : 1)
      const valueEnd = valueAt + (fixed ?? bytes.readUInt16BE(nameEnd + 1))
      if (valueEnd > bytes.length) throw new BrokenFrame('a header')
      if (type === TEXT)
        headers.set(bytes.toString('utf8', at + 1, nameEnd), bytes.toString('utf8', valueAt, valueEnd))
      at = valueEnd
    }
  } catch (error) {
    throw error instanceof BrokenFrame ? error : new BrokenFrame('a header', { cause: error })
  }
  return headers
}
