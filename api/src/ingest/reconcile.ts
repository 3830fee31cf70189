// What should be under way and is not: versions whose job was lost (a restored database, a queue emptied by hand),
// words that still wait for vectors (their embedder came later), cancellations whose notice nobody heard, what an older
// build read without saying so. At the start of the process and every half minute. A job too many does no harm: whatever was
// done is found done.
import type { PgBoss } from 'pg-boss'
import { type Pool, transaction } from '../database/pool.ts'
import { sendEmbed, sendIngest } from '../jobs/jobs.ts'
import { cancelVersion } from './publish.ts'
import { noteReadings } from './version-readings.ts'
import { UNREAD } from './versions.ts'

export interface ReconcileDeps {
  readonly pool: Pool
  readonly jobs: PgBoss
  /** Whether this process can make vectors of the active generation. */
  readonly embeds: boolean
  /** Versions that this process works on: it stops them itself. */
  readonly isActive: (versionId: string) => boolean
}

/** Versions looked at in one round. */
const ROUND = 1_000

const NO_JOB = (queue: 'ingest' | 'embed') => `NOT EXISTS (
  SELECT 1 FROM pgboss.job j WHERE j.name = '${queue}' AND j.state IN ('created', 'retry', 'active')
    AND j.data->>'versionId' = v.id::text)`

const ALIVE = `JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
  JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL`

/** Returns how many jobs were sent. */
export async function reconcile(deps: ReconcileDeps): Promise<number> {
  await cancelUnheard(deps)
  await noteReadings(deps.pool)
  const unread = await deps.pool.query<{ id: string; bytes: string }>(
    `SELECT v.id, v.bytes FROM document_versions v ${ALIVE}
     WHERE v.stage = ANY($1) AND v.cancel_requested_at IS NULL AND ${NO_JOB('ingest')} ORDER BY v.id LIMIT ${ROUND}`,
    [UNREAD],
  )
  for (const { id, bytes } of unread.rows)
    await transaction(deps.pool, (client) => sendIngest(deps.jobs, client, { id, bytes: Number(bytes) }))
  if (!deps.embeds) return unread.rows.length
  const words = await deps.pool.query<{ id: string; passages: number }>(
    `SELECT v.id, coalesce(v.passages, 0) AS passages FROM document_versions v ${ALIVE}
     WHERE v.stage = 'words' AND d.current_version_id = v.id AND v.cancel_requested_at IS NULL
       AND ${NO_JOB('embed')} ORDER BY v.id LIMIT ${ROUND}`,
  )
  for (const version of words.rows)
    await transaction(deps.pool, (client) => sendEmbed(deps.jobs, client, version))
  return unread.rows.length + words.rows.length
}

async function cancelUnheard(deps: ReconcileDeps): Promise<void> {
  const { rows } = await deps.pool.query<{ id: string }>(
    `SELECT v.id FROM document_versions v ${ALIVE}
     WHERE v.stage = ANY($1) AND v.cancel_requested_at IS NOT NULL LIMIT ${ROUND}`,
    [[...UNREAD, 'words']],
  )
  for (const { id } of rows) if (!deps.isActive(id)) await cancelVersion(deps, id)
}
