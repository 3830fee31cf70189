// One operator at a time: a lock that ends with its connection, however the command ends. Who comes second is told who is at it.
import type pg from 'pg'
import { goodbye } from '../../database/loss.ts'
import { BRIEF_MS, createListener, type DatabaseConfig, within } from '../../database/pool.ts'
import { tryLock } from '../../database/turns.ts'

const LOCK = "hashtextextended('terrace engine command', 0)"
const NAME = 'terrace-engine'

/** To be disposed of at the command's end. */
export type OperatorLock = AsyncDisposable

/** @returns the connection that holds it; else who does, for people */
export async function takeOperatorLock(config: DatabaseConfig): Promise<OperatorLock | string> {
  const client = createListener(config, NAME)
  await client.connect()
  if (await tryLock(client, LOCK)) return { [Symbol.asyncDispose]: () => goodbye(client) }
  const who = await holder(client)
  await goodbye(client)
  return who
}

async function holder(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ since: string | null; host: string | null }>(
    within(BRIEF_MS, {
      text: `SELECT to_char(a.backend_start AT TIME ZONE 'UTC', 'HH24:MI:SS') AS since, host(a.client_addr) AS host
             FROM pg_locks l JOIN pg_stat_activity a USING (pid)
             WHERE l.locktype = 'advisory' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND (l.classid::bigint << 32 | l.objid::bigint) = ${LOCK} LIMIT 1`,
    }),
  )
  const [row] = rows
  return `a command that began at ${row?.since ?? '?'} UTC${row?.host == null ? '' : ` from ${row.host}`}`
}
