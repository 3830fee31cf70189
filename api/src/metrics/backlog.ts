// What waits: documents for their next stage, entries of the log for this server's index, jobs that failed for good for a
// person. Told by the API's process and not by the one that works on it, which may be what stands still.
import type { Queryable } from '../database/pool.ts'
import type { Index } from '../index/port.ts'
import { QUEUES } from '../jobs/queues.ts'
import type { Readings } from './metrics.ts'

/** For the statement below, on a connection of its own: questions need the others. */
export const BACKLOG_STATEMENT_MS = 5_000

/**
 * Every server tells the same of documents and jobs: alarms take the maximum.
 * A document waits from when its job was sent; while it is worked on, from its last progress. Jobs are tried again for as
 * long as it takes, so hardly any fails for good; a file is given up after five tries that failed for nobody knows why.
 * @throws what the database throws; it knows the log's head too, so nothing is known without it
 */
export async function readBacklog(db: Queryable, index: Pick<Index, 'status'>): Promise<Readings> {
  const { rows } = await db.query<{ age: number; dead: number; head: number }>({
    name: 'backlog',
    text: `SELECT
      coalesce(extract(epoch FROM now() - least(
        (SELECT min(created_on) FROM pgboss.job WHERE name IN ('ingest', 'embed') AND state IN ('created', 'retry')),
        (SELECT min(greatest(j.created_on, v.updated_at))
         FROM pgboss.job j LEFT JOIN document_versions v ON v.id = (j.data->>'versionId')::uuid
         WHERE j.name IN ('ingest', 'embed') AND j.state = 'active'))), 0)::float8 AS age,
      ((SELECT count(*) FROM pgboss.job WHERE name = ANY($1) AND state = 'failed'
        AND coalesce(completed_on, created_on) > now() - interval '1 day') + (
        SELECT count(*) FROM document_versions v
        JOIN documents d ON d.id = v.document_id AND d.deleted_at IS NULL
        JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
        WHERE v.stage = 'attention' AND v.error_code = 'INTERNAL' AND v.updated_at > now() - interval '1 day'))::int AS dead,
      coalesce((SELECT seq FROM index_head WHERE id = 1), 0)::float8 AS head`,
    values: [Object.keys(QUEUES)],
  })
  const [row] = rows
  if (row === undefined) return {}
  return {
    IngestQueueAge: Math.max(0, row.age),
    DeadLetters: row.dead,
    IndexLag: lagBehind(row.head, index),
  }
}

/** Seconds; null while the index is not loaded. What nobody wrote can't be missing, however long ago it was looked at. */
function lagBehind(head: number, index: Pick<Index, 'status'>): number | null {
  const { ready, position, behindMs } = index.status()
  if (!ready || position === null || behindMs === null) return null
  return position.seq >= head ? 0 : behindMs / 1000
}
