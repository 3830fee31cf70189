// Reads the reply to a request for vectors: as many as texts, each in its place, of the right length, made of numbers.
// Anything else is refused as a whole: a vector in the wrong place would be found for another text for ever.
import type { AppError } from '../errors.ts'
import { brokenReply, embedderStatusError } from './embedder-error.ts'
import type { OutboundResponse } from './outbound.ts'

export interface Expected {
  /** The embedder's, for the log. */
  readonly id: string
  readonly texts: number
  readonly dimensions: number
}

/** The longest that a number and what stands around it is written. */
const BYTES_PER_NUMBER = 40
const BYTES_BESIDES = 1_000_000

/** @returns unit vectors in the order of the texts @throws AppError EMBEDDER_… */
export async function readEmbeddings(
  response: OutboundResponse,
  expected: Expected,
): Promise<Float32Array[]> {
  const { id } = expected
  if (response.status !== 200) {
    const retryAfter = response.headers['retry-after']
    response.body.on('error', () => {}).destroy()
    throw embedderStatusError(id, response.status, typeof retryAfter === 'string' ? retryAfter : undefined)
  }
  const parsed = parse(id, await readText(response, expected))
  const { data } = typeof parsed === 'object' && parsed !== null && 'data' in parsed ? parsed : {}
  if (!Array.isArray(data)) throw brokenReply(id, 'a reply without vectors')
  if (data.length !== expected.texts)
    throw brokenReply(id, `${data.length} vectors for ${expected.texts} texts`)
  const vectors: Float32Array[] = new Array(expected.texts)
  const seen = new Set<number>()
  for (const [i, item] of data.entries()) {
    const { index, embedding } = itemOf(item)
    // Without an index, in order: some servers leave it out.
    const place = index ?? i
    if (typeof place !== 'number' || !Number.isInteger(place) || place < 0 || place >= expected.texts)
      throw brokenReply(id, 'a vector without its place')
    if (seen.has(place)) throw brokenReply(id, 'two vectors for one text')
    seen.add(place)
    vectors[place] = unitVector(embedding, expected)
  }
  return vectors
}

function itemOf(item: unknown): { index?: unknown; embedding?: unknown } {
  return typeof item === 'object' && item !== null ? item : {}
}

async function readText(response: OutboundResponse, { id, texts, dimensions }: Expected): Promise<string> {
  const limit = texts * dimensions * BYTES_PER_NUMBER + BYTES_BESIDES
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response.body as AsyncIterable<Buffer>) {
    size += part.length
    // Leaving the loop destroys the body, and with it the connection.
    if (size > limit) throw brokenReply(id, 'a reply that is far too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parse(id: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw brokenReply(id, 'no JSON')
  }
}

function unitVector(embedding: unknown, { id, dimensions }: Expected): Float32Array {
  if (!Array.isArray(embedding)) throw brokenReply(id, 'a vector that is no list of numbers')
  if (embedding.length !== dimensions)
    throw brokenReply(id, `a vector of ${embedding.length} numbers instead of ${dimensions}`)
  let sum = 0
  for (const value of embedding) {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw notNumbers(id)
    sum += value * value
  }
  const length = Math.sqrt(sum)
  if (length === 0 || !Number.isFinite(length)) throw brokenReply(id, 'a vector without a direction')
  return Float32Array.from(embedding as number[], (value) => value / length)
}

function notNumbers(id: string): AppError {
  return brokenReply(id, 'a vector with something that is no number')
}
