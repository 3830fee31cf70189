// When a cluster is given up, nobody keeps its words up any more: they go with it.
import { BRIEF_MS, type Queryable, within } from '../../database/pool.ts'
import { tryLock } from '../../database/turns.ts'
import { WORDS_LOCK } from './fill.ts'

/** Passages that one statement removes. */
const PORTION = 10_000
const PORTION_MS = 60_000

/**
 * Empties the tables. Ended half-way it can be done again.
 * @param client a connection of its own, for the lock that it takes
 * @returns false: another server still keeps them up
 */
export async function removeWords(client: Queryable): Promise<boolean> {
  if (!(await tryLock(client, WORDS_LOCK))) return false
  // First what says that they can be searched.
  await client.query(within(BRIEF_MS, { text: 'DELETE FROM word_fill' }))
  for (let removed = PORTION; removed === PORTION; ) {
    const { rowCount } = await client.query(
      within(PORTION_MS, {
        text: `DELETE FROM passage_words WHERE passage_id IN (SELECT passage_id FROM passage_words LIMIT ${PORTION})`,
      }),
    )
    removed = rowCount ?? 0
  }
  await client.query(within(PORTION_MS, { text: 'DELETE FROM word_documents' }))
  return true
}
