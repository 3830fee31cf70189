// What an owner does with generations: begin one, switch to it, go back, remove. Each in one transaction on the rows'
// states; the work that follows is fill.ts's, and the index hears of a switch by the log.
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { append } from '../index/log.ts'
import { activeReading, findReading, PARSER, SPLITTER } from '../ingest/reading.ts'
import type { Embedders } from '../models/embedders.ts'
import { EMBEDDER_DIGEST, generationDigest, generationKey } from '../models/generation.ts'
import { totalCoverage } from './coverage.ts'

interface Row {
  readonly id: number
  readonly state: string
  readonly embedder_digest: string
}

/**
 * Begins a generation of an embedder of EMBEDDERS, of documents as this build reads them. @returns its id
 * @param passageTokens that a passage should have; default: as in the active generation
 * @throws AppError EMBEDDER_MISSING, GENERATION_EXISTS, GENERATION_BUSY
 */
export async function buildGeneration(
  { pool, embedders }: { readonly pool: Pool; readonly embedders: Embedders },
  embedderId: string,
  passageTokens?: number,
): Promise<number> {
  const offered = embedders.offered.find(({ id }) => id === embedderId)
  if (offered?.embedder == null || offered.digest === null) throw new AppError('EMBEDDER_MISSING')
  const { identity } = offered.embedder
  return transaction(pool, async (client) => {
    const reading = await findReading(client, {
      ...{ parser: PARSER, splitter: SPLITTER },
      passageTokens: passageTokens ?? (await activeReading(client)).passageTokens,
    })
    const digest = generationDigest(identity, reading)
    const { rows: there } = await client.query<Pick<Row, 'state'>>(
      'SELECT state FROM generations WHERE digest = $1',
      [digest],
    )
    const values = [
      ...[digest, generationKey(identity, reading), identity.dimensions],
      ...[offered.digest, reading.id],
    ]
    const state = there[0]?.state
    if (state === 'removing') throw new AppError('GENERATION_BUSY')
    if (state !== undefined && state !== 'removed') throw new AppError('GENERATION_EXISTS')
    // An index lets one at a time be built, whoever else begins one in this moment.
    const { rows } = await client.query<{ id: number }>(
      state === undefined
        ? `INSERT INTO generations (digest, key, dimensions, embedder_digest, reading_id, state)
           VALUES ($1, $2, $3, $4, $5, 'building') ON CONFLICT DO NOTHING RETURNING id`
        : `UPDATE generations SET state = 'building', key = $2, dimensions = $3, embedder_digest = $4, reading_id = $5
           WHERE digest = $1 AND state = 'removed' AND NOT EXISTS (SELECT 1 FROM generations WHERE state = 'building')
           RETURNING id`,
      values,
    )
    const id = rows[0]?.id
    if (id === undefined) throw new AppError('GENERATION_BUSY')
    await beginFill(client, id)
    return id
  })
}

/**
 * Searches go by this generation from here on: one that was built, or the one before. The one that was active is kept
 * complete, to go back to; an older one is removed.
 * @throws AppError NOT_FOUND, EMBEDDER_MISSING, GENERATION_IN_USE, GENERATION_UNREAD, GENERATION_INCOMPLETE
 */
export async function switchGeneration(
  { pool, embedders }: { readonly pool: Pool; readonly embedders: Embedders },
  generationId: number,
): Promise<void> {
  await transaction(pool, async (client) => {
    // Whoever publishes vectors holds the active row (coverage.ts): after this nobody does, until the end.
    const { rows } = await client.query<Row>(
      `SELECT g.id, g.state, ${EMBEDDER_DIGEST} AS embedder_digest FROM generations g
       WHERE g.state IN ('active', 'building', 'retired') ORDER BY g.id FOR NO KEY UPDATE`,
    )
    const next = rows.find(({ id }) => id === generationId)
    if (next === undefined) throw new AppError('NOT_FOUND')
    if (next.state === 'active') throw new AppError('GENERATION_IN_USE')
    // Searches would go by words only from here on.
    if (embedders.ofDigest(next.embedder_digest) === undefined) throw new AppError('EMBEDDER_MISSING')
    const { missing, unread } = await totalCoverage(client, generationId)
    if (unread > 0) throw new AppError('GENERATION_UNREAD', { documents: unread })
    if (missing > 0) throw new AppError('GENERATION_INCOMPLETE', { passages: missing })
    for (const { id, state } of rows) {
      if (id === generationId || state === 'building') continue
      await client.query('UPDATE generations SET state = $2 WHERE id = $1', [
        id,
        state === 'active' ? 'retired' : 'removing',
      ])
      if (state === 'active') await beginFill(client, id)
    }
    await client.query("UPDATE generations SET state = 'active' WHERE id = $1", [generationId])
    await client.query('DELETE FROM generation_fills WHERE generation_id = $1', [generationId])
    await append(client, { op: 'switch-generation', generationId })
  })
}

/**
 * Ends what is built, or gives up the one before. Its vectors are removed in the background.
 * @throws AppError NOT_FOUND, GENERATION_IN_USE
 */
export async function removeGeneration(
  { pool }: { readonly pool: Pool },
  generationId: number,
): Promise<void> {
  await transaction(pool, async (client) => {
    const { rows } = await client.query<Pick<Row, 'state'>>(
      'SELECT state FROM generations WHERE id = $1 FOR NO KEY UPDATE',
      [generationId],
    )
    const state = rows[0]?.state
    if (state === undefined || state === 'removed') throw new AppError('NOT_FOUND')
    if (state === 'active') throw new AppError('GENERATION_IN_USE')
    await client.query("UPDATE generations SET state = 'removing' WHERE id = $1", [generationId])
  })
}

async function beginFill(client: Client, generationId: number): Promise<void> {
  await client.query(
    'INSERT INTO generation_fills (generation_id) VALUES ($1) ON CONFLICT (generation_id) DO NOTHING',
    [generationId],
  )
}
