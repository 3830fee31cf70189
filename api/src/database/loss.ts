// Connections that wait for notifications are told nothing for hours, which is what one that is dead looks like as well:
// so they are asked now and then.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { within } from './pool.ts'

const ASK_EVERY_MS = 10_000
const ASK_FOR_MS = 5_000
const GOODBYE_MS = 500

export interface LossOptions {
  /** Milliseconds from one question to the next. Default 10,000. */
  readonly everyMs?: number
  /** Milliseconds for an answer; less than `everyMs`. Default 5,000. */
  readonly forMs?: number
}

/**
 * Resolves when a connected client's connection is lost: it says so, or answers nothing any more. Also when the signal
 * aborts. Whichever it is, `goodbye` is next.
 */
export function lossOf(client: pg.Client, signal?: AbortSignal, options: LossOptions = {}): Promise<void> {
  const { everyMs = ASK_EVERY_MS, forMs = ASK_FOR_MS } = options
  return new Promise((resolve) => {
    const over = () => {
      clearInterval(asking)
      signal?.removeEventListener('abort', over)
      resolve()
    }
    const asking = setInterval(() => client.query(within(forMs, { text: 'SELECT 1' })).catch(over), everyMs)
    client.once('error', over)
    client.once('end', over)
    signal?.addEventListener('abort', over, { once: true })
    if (signal?.aborted) over()
  })
}

/** Ends a client. One that died without a word does not answer this either, and is waited for no longer than a moment. */
export async function goodbye(client: pg.Client): Promise<void> {
  await Promise.race([client.end().catch(() => {}), sleep(GOODBYE_MS, undefined, { ref: false })])
}
