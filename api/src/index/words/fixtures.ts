// For tests: words that are filled into a test database, and a pool as searches have it.
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import type { TestDatabase } from '../../../test/database.ts'
import { AppError } from '../../errors.ts'
import type { Index, IndexAnswer, IndexQuery, IndexStatus, Position } from '../port.ts'
import { Filler } from './fill.ts'

export interface Filling extends AsyncDisposable {
  /** Until the words are at this place of the log. */
  reached(position: Position): Promise<void>
}

export function filling(db: TestDatabase): Filling {
  const config = db.config('/tmp/terrace-unused')
  const filler = new Filler({ config, log: pino({ level: 'silent' }), pollMs: 20 })
  filler.start()
  return {
    reached: (position) => filledTo(db, position),
    [Symbol.asyncDispose]: () => filler.close(),
  }
}

/** Whoever fills them. */
export async function filledTo(db: TestDatabase, { epoch, seq }: Position): Promise<void> {
  for (;;) {
    const { rowCount } = await db.pool.query('SELECT 1 FROM word_fill WHERE epoch = $1 AND seq >= $2', [
      epoch,
      seq,
    ])
    if (rowCount === 1) return
    await sleep(20)
  }
}

/** Passage ids that are shown, by document key. */
export async function shown(db: TestDatabase): Promise<Map<number, number[]>> {
  const { rows } = await db.pool.query<{ key: number; ids: string[] }>(
    `SELECT m.document_key AS key, array_agg(w.passage_id ORDER BY w.passage_id) AS ids
     FROM word_documents m JOIN passage_words w ON w.word_document_id = m.id WHERE m.ready GROUP BY 1`,
  )
  return new Map(rows.map(({ key, ids }) => [key, ids.map(Number)]))
}

/** An engine that does as it is told, and counts what it was asked. */
export class ToldEngine implements Index {
  error: AppError | null = null
  asked: string[] = []
  at: Position = { epoch: 'told', seq: 1 }
  behindMs = 0

  async search(asked: IndexQuery | Promise<IndexQuery>): Promise<IndexAnswer> {
    const { text } = await asked
    this.asked.push(text)
    if (this.error !== null) throw this.error
    return { candidates: [], position: this.at }
  }
  async waitFor(): Promise<void> {}
  status(): IndexStatus {
    const { at, behindMs } = this
    const held = { passages: 0, vectors: 0, generation: null, engine: 'told' }
    return { ready: true, position: at, behindMs, stalledMs: behindMs, ...held }
  }
  async close(): Promise<void> {}
}

export const away = () => new AppError('UNAVAILABLE', { reason: 'the search engine can not be reached' })
