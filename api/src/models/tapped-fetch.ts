// The `fetch` that the ai SDK's providers are given: requests leave by the one way out (outbound.ts), and the bytes of an
// answer go through a tap before the SDK sees what is left of them.
import type { Outbound } from './outbound.ts'

/** Takes the bytes of a stream in any pieces and forwards what the SDK is to read. What it throws ends the stream. */
export type Tap = (bytes: Buffer, forward: (bytes: Uint8Array) => void) => void

/** Bytes of one answer's stream. A model that sends more is not answering. */
const MAX_BYTES = 16 * 1024 * 1024

/**
 * A `fetch` for one request.
 * @param tap makes the one for a reply with status 200 and this content type; null leaves all to the SDK
 */
export function tappedFetch(
  outbound: Outbound,
  tap: (contentType: string) => Tap | null,
): typeof globalThis.fetch {
  return async (input, init) => {
    const { status, headers, body } = await outbound.request(String(input), {
      method: 'POST',
      headers: Object.fromEntries(new Headers(init?.headers)),
      body: typeof init?.body === 'string' ? init.body : '',
      ...(init?.signal ? { signal: init.signal } : {}),
    })
    const plain = new Headers()
    for (const [name, value] of Object.entries(headers))
      if (value !== undefined) plain.set(name, Array.isArray(value) ? value.join(', ') : value)
    const own = status === 200 ? tap(plain.get('content-type') ?? '') : null
    // Error pages and the like: small, or not worth reading.
    const rest = relay(body, own ?? ((bytes, forward) => forward(bytes)))
    return new Response([204, 304].includes(status) ? null : rest, { status, headers: plain })
  }
}

function relay(body: Awaited<ReturnType<Outbound['request']>>['body'], tap: Tap): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      let size = 0
      body.on('data', (bytes: Buffer) => {
        size += bytes.length
        if (size > MAX_BYTES) body.destroy(new Error('the answer is too large'))
        else
          try {
            tap(bytes, (rest) => controller.enqueue(rest))
          } catch (error) {
            // Thrown from here it would be nobody's and end the process.
            body.destroy(error instanceof Error ? error : new Error('the answer could not be read'))
          }
      })
      body.on('end', () => controller.close())
      body.on('error', (error) => controller.error(error))
      body.on('close', () => {
        if (!body.readableEnded && body.errored === null) controller.error(new Error('closed'))
      })
    },
    cancel() {
      body.destroy()
    },
  })
}
