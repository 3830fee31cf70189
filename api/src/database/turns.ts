// What one server of many does at a time: whoever holds a lock of the database does it, for as long as the connection that holds
// it lives; when it ends, however it ends, another one goes on.
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { goodbye, lossOf } from './loss.ts'
import { BRIEF_MS, createListener, type DatabaseConfig, type Queryable, within } from './pool.ts'

/** How soon another server has its turn when one has ended. */
const TURN_MS = 1_000

/**
 * For as long as this connection lives, or until it says that it gives it back.
 * @param lock an SQL expression of the lock's number: of this code, never of anybody's words
 * @returns false: somebody else has it
 */
export async function tryLock(db: Queryable, lock: string): Promise<boolean> {
  const { rows } = await db.query<{ mine: boolean }>(
    within(BRIEF_MS, { text: `SELECT pg_try_advisory_lock(${lock}) AS mine` }),
  )
  return rows[0]?.mine === true
}

export interface Turns {
  readonly config: DatabaseConfig
  /** Of its connections, as the database shows them. */
  readonly name: string
  /** As of `tryLock`. */
  readonly lock: string
  readonly signal: AbortSignal
  /** Told of what the database or the work has thrown: another turn comes. */
  readonly failed: (error: unknown) => void
}

/**
 * Until the signal aborts.
 * @param work is given the connection that holds the lock, and a signal that aborts with it: without it another server may be at it
 */
export async function takeTurns(
  { config, name, lock, signal, failed }: Turns,
  work: (client: pg.Client, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    const client = createListener(config, name)
    const turn = new AbortController()
    try {
      await client.connect()
      if (await tryLock(client, lock)) {
        lossOf(client, AbortSignal.any([signal, turn.signal])).then(() => turn.abort())
        await work(client, turn.signal)
      }
    } catch (error) {
      if (!signal.aborted) failed(error)
    }
    turn.abort()
    await goodbye(client)
    await sleep(TURN_MS, undefined, { signal }).catch(() => {})
  }
}
