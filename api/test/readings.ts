// Documents of a shelf (shelf.ts), read in another way beside the first.
import { randomUUID } from 'node:crypto'
import type { Pool } from '../src/database/pool.ts'

/** @returns its id */
export async function addReading(pool: Pool, passageTokens: number): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(
    'INSERT INTO readings (parser, splitter, passage_tokens) VALUES (1, 1, $1) RETURNING id',
    [passageTokens],
  )
  return rows[0]?.id ?? 0
}

/** @param pages the passages of each, in order. @returns the passages' ids */
export async function readSo(
  pool: Pool,
  versionId: string,
  readingId: number,
  pages: readonly (readonly string[])[],
): Promise<number[]> {
  await isRead(pool, versionId, readingId, pages.length, pages.flat().length)
  const ids: number[] = []
  for (const [index, texts] of pages.entries()) {
    const page = [versionId, readingId, index + 1]
    await pool.query('INSERT INTO pages (version_id, reading_id, number, text) VALUES ($1, $2, $3, $4)', [
      ...page,
      texts.join('\n\n'),
    ])
    let start = 0
    for (const text of texts) {
      const { rows } = await pool.query<{ id: string }>(
        `INSERT INTO passages (version_id, reading_id, page, ordinal, char_start, char_end, text, tokens)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1) RETURNING id`,
        [...page, ids.length, start, start + text.length, text],
      )
      ids.push(Number(rows[0]?.id))
      start += text.length + 2
    }
  }
  return ids
}

/** That a reading of a version is whole. */
export async function isRead(
  pool: Pool,
  versionId: string,
  readingId: number,
  pages: number,
  passages: number,
): Promise<void> {
  await pool.query(
    'INSERT INTO version_readings (version_id, reading_id, pages, passages, tokens) VALUES ($1, $2, $3, $4, 1)',
    [versionId, readingId, pages, passages],
  )
}

/** A generation of this reading. @returns its id */
export async function addGeneration(pool: Pool, readingId: number, state: string): Promise<number> {
  const { rows } = await pool.query<{ id: number }>(
    `INSERT INTO generations (digest, reading_id, key, dimensions, state) VALUES ($1, $2, '{}', 8, $3) RETURNING id`,
    [randomUUID(), readingId, state],
  )
  return rows[0]?.id ?? 0
}
