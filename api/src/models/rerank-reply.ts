// Reads the reply to a request for scores: one for each text, in its place, a number. Anything else is refused as a whole:
// an order made of half the scores would be worse than none.
import type { OutboundResponse } from './outbound.ts'
import { RerankerFailure } from './port.ts'

/** What a place and its score are written in, at most, and what stands around them. */
const BYTES = { each: 200, besides: 100_000 }

/** @param texts how many were sent @returns scores in their order @throws RerankerFailure */
export async function readScores(response: OutboundResponse, texts: number): Promise<number[]> {
  if (response.status !== 200) {
    response.body.on('error', () => {}).destroy()
    throw new RerankerFailure(reasonOf(response.status), `status ${response.status}`)
  }
  const list = listOf(parse(await readText(response, texts * BYTES.each + BYTES.besides)))
  if (list.length !== texts) throw broken(`${list.length} scores for ${texts} texts`)
  const scores = new Array<number>(texts)
  const seen = new Set<number>()
  for (const item of list) {
    const { id, score } = objectOf(item)
    if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id >= texts)
      throw broken('a score without its text')
    if (seen.has(id)) throw broken('two scores for one text')
    if (typeof score !== 'number' || !Number.isFinite(score)) throw broken('a score that is no number')
    seen.add(id)
    scores[id] = score
  }
  return scores
}

function reasonOf(status: number): RerankerFailure['reason'] {
  if (status === 401 || status === 403) return 'refused-key'
  if (status === 404 || status === 410) return 'gone'
  if (status === 408 || status === 504) return 'late'
  if (status === 429 || status === 503 || status === 529) return 'busy'
  return 'unavailable'
}

async function readText(response: OutboundResponse, limit: number): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response.body as AsyncIterable<Buffer>) {
    size += part.length
    // Leaving the loop destroys the body, and with it the connection.
    if (size > limit) throw broken('a reply that is far too long')
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw broken('no JSON')
  }
}

/** `{ result: { response: […] } }` of the REST API; a gateway may leave the envelope away, as the binding does. */
function listOf(reply: unknown): readonly unknown[] {
  const { success, result, response } = objectOf(reply)
  if (success === false) throw broken('a reply that says it is none')
  const list = result === undefined ? response : objectOf(result).response
  if (!Array.isArray(list)) throw broken('a reply without scores')
  return list
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function broken(what: string): RerankerFailure {
  return new RerankerFailure('broken', what)
}
