// Where a rebuild reads: gigabytes, which the primary need not be bothered with as long as the replica has nearly
// everything. What it lacks is in the log, which is followed on the primary.
import type { Logger } from 'pino'
import { createPool, type Pool } from '../database/pool.ts'
import { activeGeneration, readLog } from './database-source.ts'
import type { IndexConfig } from './messages.ts'
import { rebuild } from './rebuild.ts'
import type { IndexState } from './state.ts'
import { checkHistory } from './tail.ts'
import type { VectorEngine } from './vectors/port.ts'

/** Entries that are sooner applied than the primary is read. */
const NEAR = 1_000
const CONNECT_MS = 1_000
/** A large table is sorted before its first row comes. */
const SILENCE_MS = 60_000

export interface RebuildPlace {
  readonly primary: Pool
  readonly config: IndexConfig
  readonly engine: VectorEngine
  readonly log: Logger
  readonly signal: AbortSignal
}

export type RebuiltFrom = 'replica' | 'primary'

/** @throws what the primary says; the replica's failures only cost the time until they are noticed */
export async function rebuildFromNearest(
  place: RebuildPlace,
): Promise<{ readonly state: IndexState; readonly from: RebuiltFrom }> {
  const { primary, config, engine, log, signal } = place
  if (config.databaseReplicaUrl !== undefined)
    try {
      return { state: await fromReplica(place, config.databaseReplicaUrl), from: 'replica' }
    } catch (err) {
      if (signal.aborted) throw err
      log.warn({ err }, 'the index was not rebuilt from the replica; the primary is read')
    }
  return { state: await rebuild(primary, engine, config.indexDir, signal), from: 'primary' }
}

async function fromReplica(
  { primary, config, engine, signal }: RebuildPlace,
  databaseUrl: string,
): Promise<IndexState> {
  const { databaseCa, databaseAuth, indexDir } = config
  const pool = createPool(
    { databaseUrl, databaseCa, databaseAuth },
    { name: 'terrace-index-replica', max: 1, connectMs: CONNECT_MS },
  )
  try {
    return await rebuild(pool, engine, indexDir, signal, {
      silenceMs: SILENCE_MS,
      accept: async ({ position, generation }) => {
        const reading = await readLog(primary, position)
        // A replica of another history, or so far behind that the log may have been cut there.
        checkHistory(position, reading)
        if (reading.head.seq - position.seq > NEAR)
          throw new Error(`the replica is ${reading.head.seq - position.seq} entries behind`)
        const active = await activeGeneration(primary)
        if (active?.id !== generation?.id) throw new Error('the replica has another generation')
      },
    })
  } finally {
    await pool.end()
  }
}
