// Saving answers while they stream: what all attempts have gained since the last time goes into the database as one
// INSERT, at most every 250 ms. Rows are only ever appended: no growing text is rewritten, and nobody is notified
// (who watches from another server looks at the rows every 250 ms).
import type { Logger } from 'pino'
import type { Pool, Queryable } from '../database/pool.ts'
import type { LiveAttempt } from './live.ts'

export const FLUSH_MS = 250

export interface ChunkWriter {
  /** The attempt has text that is not saved. Cheap: called for every token. */
  add(attempt: LiveAttempt): void
  /** Its text needs no more saving. */
  drop(attempt: LiveAttempt): void
  /** Saves everything now. @throws what the database throws */
  flush(): Promise<void>
  stop(): void
}

export function createChunkWriter(pool: Pool, log: Logger): ChunkWriter {
  const unsaved = new Set<LiveAttempt>()
  let timer: NodeJS.Timeout | undefined
  let saving: Promise<void> = Promise.resolve()

  async function save(): Promise<void> {
    const attempts = [...unsaved]
    unsaved.clear()
    const rows = attempts
      .map((attempt) => ({ attempt, start: attempt.savedLength, text: attempt.read(attempt.savedLength) }))
      .filter(({ text }) => text !== '')
    if (rows.length === 0) return
    try {
      await insertChunks(
        pool,
        rows.map(({ attempt, start, text }) => ({ id: attempt.id, start, text })),
      )
      for (const { attempt, start, text } of rows) attempt.savedLength = start + text.length
    } catch (error) {
      // The database is away: the text stays in memory and goes with the next round.
      for (const attempt of attempts) if (attempt.conclusion === null) unsaved.add(attempt)
      throw error
    }
  }

  /** One at a time: two INSERTs of the same stretch of text would differ in where they cut it. */
  function enqueue(): Promise<void> {
    saving = saving.catch(() => {}).then(save)
    return saving
  }

  function schedule(): void {
    timer ??= setTimeout(() => {
      enqueue()
        .catch((error: unknown) =>
          log.warn({ err: error, attempts: unsaved.size }, 'answers could not be saved yet'),
        )
        .finally(() => {
          timer = undefined
          if (unsaved.size > 0) schedule()
        })
    }, FLUSH_MS)
  }

  return {
    add(attempt) {
      unsaved.add(attempt)
      if (timer === undefined) schedule()
    },
    drop: (attempt) => void unsaved.delete(attempt),
    flush: enqueue,
    stop: () => clearTimeout(timer),
  }
}

/**
 * A flush is repeated when its reply got lost; by then a row may be longer. Attempts that have ended, or whose chat is
 * gone, take no more text: one of them must not fail the others.
 */
async function insertChunks(
  db: Queryable,
  rows: readonly { id: string; start: number; text: string }[],
): Promise<void> {
  await db.query({
    name: 'insert-chunks',
    text: `INSERT INTO attempt_chunks AS old (attempt_id, start, text)
           SELECT a.id, new.start, new.text
           FROM json_to_recordset($1) AS new (id uuid, start int, text text)
           JOIN attempts a ON a.id = new.id AND a.ended_at IS NULL
           ON CONFLICT (attempt_id, start) DO UPDATE SET text = excluded.text
           WHERE length(excluded.text) > length(old.text)`,
    values: [JSON.stringify(rows)],
  })
}
