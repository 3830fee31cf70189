// The vectors of a generation go in portions, so that no lock and no statement is long; the row stays (an id means the
// same digest for ever).
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Pool, transaction } from '../database/pool.ts'
import { claimRemoval, releaseRemoval } from './claims.ts'

const PORTION = 2_000
const BETWEEN_MS = 20

/** Of one whose state is `removing`; by one process at a time. Can be broken off and begun again at any point. */
export async function removeVectors(
  pool: Pool,
  generationId: number,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const client = await pool.connect()
  let broken = true
  try {
    if (await claimRemoval(client, generationId)) {
      let last = '0'
      for (let removed = 0; ; ) {
        signal.throwIfAborted()
        const { rows } = await client.query<{ last: string | null; n: number }>(
          `WITH gone AS (DELETE FROM passage_vectors WHERE generation_id = $1 AND passage_id IN
             (SELECT passage_id FROM passage_vectors WHERE generation_id = $1 AND passage_id > $2
              ORDER BY passage_id LIMIT ${PORTION}) RETURNING passage_id)
           SELECT max(passage_id) AS last, count(*)::int AS n FROM gone`,
          [generationId, last],
        )
        const [row] = rows
        removed += row?.n ?? 0
        if (row?.last == null) {
          log.info({ generation: generationId, vectors: removed }, 'removed a search model')
          break
        }
        last = row.last
        await sleep(BETWEEN_MS)
      }
      await transaction(pool, async (each) => {
        await each.query("UPDATE generations SET state = 'removed' WHERE id = $1 AND state = 'removing'", [
          generationId,
        ])
        await each.query('DELETE FROM generation_fills WHERE generation_id = $1', [generationId])
      })
      await releaseRemoval(client, generationId)
    }
    broken = false
  } finally {
    client.release(broken)
  }
}
