// A stream on its way into a store: counted, hashed, cut off at a limit or by a signal, and checked to be whole.
import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { AppError } from '../errors.ts'
import type { Stored } from './port.ts'

/**
 * Hands every chunk to `write` and waits for it before the next. Destroys the stream when the signal aborts, also
 * while the sender stalls; after any other error that is the caller's business.
 * @throws AppError TOO_LARGE; the signal's reason; what the stream or `write` fails with
 */
export async function receiveBody(
  body: Readable,
  options: { readonly maxBytes?: number; readonly signal?: AbortSignal },
  write: (chunk: Buffer) => Promise<void>,
): Promise<Stored> {
  const { maxBytes, signal } = options
  const hash = createHash('sha256')
  const abort = () => body.destroy(abortReason(signal))
  signal?.throwIfAborted()
  signal?.addEventListener('abort', abort, { once: true })
  let bytes = 0
  try {
    for await (const piece of body) {
      signal?.throwIfAborted()
      const chunk: Buffer = typeof piece === 'string' ? Buffer.from(piece) : piece
      bytes += chunk.length
      if (maxBytes !== undefined && bytes > maxBytes)
        throw new AppError('TOO_LARGE', { limit: inMegabytes(maxBytes) })
      hash.update(chunk)
      await write(chunk)
    }
    signal?.throwIfAborted()
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  // A peer that vanished ends its request without the rest; only a stream that ended by itself is whole.
  if (!body.readableEnded) throw new Error('the stream closed before its end')
  return { bytes, sha256: hash.digest('hex') }
}

export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason : new Error('aborted')
}

export function inMegabytes(bytes: number): string {
  const megabytes = bytes / (1024 * 1024)
  return `${megabytes >= 1 ? Math.floor(megabytes) : Number(megabytes.toPrecision(2))} MB`
}
