// An Index for tests of what stands on it: finds passages in PostgreSQL by the share of the question's words that
// they hold, those of the question before for half. Small, exact, always up to date; ranking and speed are the real engines' business.
import type { Pool } from '../src/database/pool.ts'
import { AppError } from '../src/errors.ts'
import type { Candidate, Index } from '../src/index/port.ts'

/** `behind`: what it is waited for does not come. `away`: it says that the engine is. */
export function wordIndex(
  pool: Pool,
  { behind = false, away = false }: { readonly behind?: boolean; readonly away?: boolean } = {},
): Index {
  return {
    async search(asked) {
      const query = await asked
      const weights = new Map(wordsOf(query.previous ?? '').map((word) => [word, 0.5]))
      for (const word of wordsOf(query.text)) weights.set(word, 1)
      const all = [...weights.values()].reduce((sum, weight) => sum + weight, 0)
      const { rows } = await pool.query<{ id: string; text: string }>(
        `SELECT p.id, p.heading || ' ' || p.text AS text
         FROM passages p JOIN documents d ON d.current_version_id = p.version_id AND d.deleted_at IS NULL
         JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
         WHERE ${query.filter.kind === 'documents' ? 'd.key' : 'c.key'} = ANY($1::int[])`,
        [query.filter.keys],
      )
      const candidates = rows
        .map(({ id, text }): Candidate => {
          const found = new Set(wordsOf(text))
          let share = 0
          for (const [word, weight] of weights) if (found.has(word)) share += weight / all
          return { passageId: Number(id), score: share, cosine: null, words: share, withoutVector: true }
        })
        .filter(({ score }) => score > 0)
        .sort((a, b) => b.score - a.score || a.passageId - b.passageId)
        .slice(0, query.limit)
      const position = { epoch: 'test', seq: 0 }
      return { candidates, position, ...(away ? { wordsOnly: 'engine-away' as const } : {}) }
    },
    async waitFor() {
      if (behind) throw new AppError('UNAVAILABLE', { reason: 'the index is behind' })
    },
    status: () => ({
      ready: true,
      position: { epoch: 'test', seq: 0 },
      behindMs: 0,
      stalledMs: 0,
      passages: 0,
      vectors: 0,
      generation: null,
      engine: 'words',
    }),
    close: async () => {},
  }
}

const wordsOf = (text: string) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
