// Appending to the one log (DESIGN §4). The head row's lock makes the order of positions the order of commits,
// without gaps: so an append must be the LAST statement before COMMIT, and a job is sent before it.
// Readers therefore may say "seq > last seen" and never miss a late commit.
import type { Queryable } from '../database/pool.ts'
import type { Position } from './port.ts'

/** The channel that wakes tails; its payload is the new seq. Polling is the guarantee, this only saves time. */
export const LOG_CHANNEL = 'terrace_log'

export type LogEntry =
  | {
      readonly op: 'publish-words'
      readonly collectionKey: number
      readonly documentKey: number
      readonly versionId: string
      /** Whose passages it publishes. */
      readonly readingId: number
    }
  | {
      readonly op: 'publish-vectors'
      readonly collectionKey: number
      readonly documentKey: number
      readonly versionId: string
      readonly generationId: number
    }
  | { readonly op: 'retract'; readonly collectionKey: number; readonly documentKey: number }
  | { readonly op: 'retract-collection'; readonly collectionKey: number }
  | { readonly op: 'switch-generation'; readonly generationId: number }
  | { readonly op: 'session'; readonly userId: string }

/**
 * Appends one entry and wakes the tails on commit. Call it as the transaction's last statement. A publication is
 * entered under the person who uploaded the version, who is to find it in the very next search (promise P2).
 */
export async function append(client: Queryable, entry: LogEntry): Promise<Position> {
  const { rows } = await client.query<{ epoch: string; seq: string }>(
    `WITH h AS (UPDATE index_head SET seq = seq + 1 WHERE id = 1 RETURNING seq, epoch),
          l AS (INSERT INTO index_log
                  (seq, epoch, op, collection_key, document_key, version_id, generation_id, reading_id, user_id)
                SELECT h.seq, h.epoch, $1, $2, $3, $4::uuid, $5, $6,
                       coalesce($7, (SELECT created_by FROM document_versions WHERE id = $4::uuid))
                FROM h RETURNING seq, epoch)
     SELECT l.epoch, l.seq, pg_notify('${LOG_CHANNEL}', l.seq::text) FROM l`,
    [
      entry.op,
      'collectionKey' in entry ? entry.collectionKey : null,
      'documentKey' in entry ? entry.documentKey : null,
      'versionId' in entry ? entry.versionId : null,
      'generationId' in entry ? entry.generationId : null,
      'readingId' in entry ? entry.readingId : null,
      'userId' in entry ? entry.userId : null,
    ],
  )
  const row = rows[0]
  if (row === undefined) throw new Error('index_head has no row: the first migration did not run')
  return { epoch: row.epoch, seq: Number(row.seq) }
}
