// What servers tell each other about attempts, by PostgreSQL's channel: stop this one; some wait for an owner.
// A notice that is lost costs time and nothing else: stops are also seen when leases are renewed, lapsed attempts
// by the regular look for them.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { Config } from '../config.ts'
import { goodbye, lossOf } from '../database/loss.ts'
import { BRIEF_MS, createListener, within } from '../database/pool.ts'
import { ATTEMPTS_CHANNEL } from './attempts.ts'

const noticeSchema = z.union([z.object({ stop: z.uuid() }), z.object({ lapsed: z.literal(true) })])

const BACK_OFF_MS = { first: 100, most: 5_000 }

export function listenForAttempts(
  config: Config,
  log: Logger,
  on: { onStop(attemptId: string): void; onLapsed(): void },
): { stop(): Promise<void> } {
  const stopping = new AbortController()

  async function connect(): Promise<pg.Client> {
    const listener = createListener(config, 'terrace-api-attempts')
    listener.on('notification', ({ payload }) => {
      const notice = noticeSchema.safeParse(parse(payload))
      if (!notice.success) return
      if ('stop' in notice.data) on.onStop(notice.data.stop)
      else on.onLapsed()
    })
    try {
      await listener.connect()
      await listener.query(within(BRIEF_MS, { text: `LISTEN ${ATTEMPTS_CHANNEL}` }))
    } catch (error) {
      await goodbye(listener)
      throw error
    }
    return listener
  }

  async function keep(): Promise<void> {
    for (
      let wait = BACK_OFF_MS.first;
      !stopping.signal.aborted;
      wait = Math.min(wait * 2, BACK_OFF_MS.most)
    ) {
      try {
        const client = await connect()
        wait = BACK_OFF_MS.first
        await lossOf(client, stopping.signal)
        await goodbye(client)
      } catch (error) {
        log.warn({ err: error }, 'the channel of answers is not connected')
      }
      await sleep(wait, undefined, { signal: stopping.signal }).catch(() => {})
    }
  }

  const kept = keep()
  return {
    async stop() {
      stopping.abort()
      await kept
    },
  }
}

function parse(payload: string | undefined): unknown {
  try {
    return JSON.parse(payload ?? '')
  } catch {
    return null
  }
}
