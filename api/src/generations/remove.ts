// The vectors of a generation go in portions, so that no lock and no statement is long; the row stays (an id means the
// same digest for ever).
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { claimRemoval, releaseRemoval } from './claims.ts'

const PORTION = 2_000
const BETWEEN_MS = 20

/**
 * Of one whose state is `removing`; by one process at a time. Can be broken off and begun again at any point. Of one in
 * another state nothing is removed: a caller may have read the state long ago, and an id comes back when its model is
 * built again.
 */
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
      const vectors = await removePortions(client, generationId, signal)
      if (await noteRemoved(pool, generationId))
        log.info({ generation: generationId, vectors }, 'removed a search model')
      await releaseRemoval(client, generationId)
    }
    broken = false
  } finally {
    client.release(broken)
  }
}

/** Each portion holds the generation's row: what is found `removing` stays it until the portion is gone. */
async function removePortions(client: Client, generationId: number, signal: AbortSignal): Promise<number> {
  let last = '0'
  for (let removed = 0; ; ) {
    signal.throwIfAborted()
    const { rows } = await client.query<{ last: string | null; n: number }>(
      `WITH g AS MATERIALIZED (SELECT 1 FROM generations WHERE id = $1 AND state = 'removing' FOR SHARE),
         gone AS (DELETE FROM passage_vectors WHERE generation_id = $1 AND EXISTS (SELECT 1 FROM g) AND passage_id IN
           (SELECT passage_id FROM passage_vectors WHERE generation_id = $1 AND passage_id > $2
            ORDER BY passage_id LIMIT ${PORTION}) RETURNING passage_id)
       SELECT max(passage_id) AS last, count(*)::int AS n FROM gone`,
      [generationId, last],
    )
    const [row] = rows
    if (row?.last == null) return removed
    removed += row.n
    last = row.last
    await sleep(BETWEEN_MS)
  }
}

/** False when it was not `removing` any more; then its row of `generation_fills` is another build's. */
function noteRemoved(pool: Pool, generationId: number): Promise<boolean> {
  return transaction(pool, async (client) => {
    const { rowCount } = await client.query(
      "UPDATE generations SET state = 'removed' WHERE id = $1 AND state = 'removing'",
      [generationId],
    )
    if (rowCount === 0) return false
    await client.query('DELETE FROM generation_fills WHERE generation_id = $1', [generationId])
    return true
  })
}
