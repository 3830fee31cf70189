// pg-boss speaks to PostgreSQL through our pool; for LISTEN it gets a connection of its own, which is opened again
// whenever it breaks. A wake-up lost in between costs nothing: pg-boss fetches anew after each reconnect.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { ConstructorOptions } from 'pg-boss'
import type { Config } from '../config.ts'
import { goodbye } from '../database/loss.ts'
import { createListener, type Pool, within } from '../database/pool.ts'

type JobDatabase = NonNullable<ConstructorOptions['db']>

const HEARTBEAT_MS = 10_000
/** Workers fetch and settle one job after the other: one question without an answer would hold up a whole queue. */
const STATEMENT_MS = 60_000

export function jobDatabase(config: Config, pool: Pool, onLost: (error: unknown) => void): JobDatabase {
  return {
    executeSql: (text, values) =>
      pool.query(within(STATEMENT_MS, values === undefined ? { text } : { text, values })),
    poolCounts: () => ({
      max: pool.options.max ?? 10,
      total: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
    }),
    async listen(channel, onNotification, onReconnect) {
      const stop = new AbortController()
      let client: pg.Client | undefined
      const done = (async () => {
        for (let wait = 250; !stop.signal.aborted; wait = Math.min(wait * 2, 5_000)) {
          const next = createListener(config, 'terrace-jobs')
          client = next
          try {
            const ended = new Promise<Error>((resolve) => {
              next.once('error', resolve)
              next.once('end', () => resolve(new Error('the connection ended')))
            })
            next.on('notification', (message) => onNotification(message.payload ?? ''))
            await next.connect()
            await next.query(`LISTEN "${channel}"`)
            onReconnect()
            wait = 250
            const broken = await watch(next, ended, stop.signal)
            if (!stop.signal.aborted) onLost(broken)
          } catch (error) {
            if (!stop.signal.aborted) onLost(error)
          } finally {
            await goodbye(next)
          }
          await sleep(wait, undefined, { signal: stop.signal, ref: false }).catch(() => {})
        }
      })()
      return {
        async close() {
          stop.abort()
          if (client !== undefined) await goodbye(client)
          await done
        },
      }
    },
  }
}

/** Resolves with the reason once the connection is gone: told so, or silent for longer than a heartbeat. */
async function watch(client: pg.Client, ended: Promise<Error>, signal: AbortSignal): Promise<unknown> {
  for (;;) {
    const beat = sleep(HEARTBEAT_MS, 'beat' as const, { signal, ref: false }).catch(() => 'stopped' as const)
    const first = await Promise.race([ended, beat])
    if (first !== 'beat') return first
    const answer = client.query('SELECT 1').then(
      () => undefined,
      (error: unknown) => error,
    )
    const late = sleep(HEARTBEAT_MS / 2, new Error('no answer'), { signal, ref: false }).catch(
      () => undefined,
    )
    const error = await Promise.race([answer, late, ended])
    if (error !== undefined) return error
  }
}
