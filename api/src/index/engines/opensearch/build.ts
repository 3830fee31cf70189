// An index that searches may go to: filled from the tables, with the log applied to it up to where they were read.
import type { Pool } from '../../../database/pool.ts'
import { RebuildNeeded } from '../../apply.ts'
import { databaseSource, LOG_PORTION, readLog } from '../../database-source.ts'
import { checkHistory } from '../../tail.ts'
import { type FillOptions, fillIndex } from './fill.ts'
import type { IndexPlace } from './mapping.ts'
import type { IndexWriter } from './writer.ts'

/** What is written is shown at least so often, however much there is to write. */
const SHOW_MS = 1_000

/**
 * Goes on with what another writer has begun, where that can be.
 * @returns its writer; searched by nobody. @throws as fillIndex, and HistoryChanged
 */
export async function buildIndex(pool: Pool, place: IndexPlace, options: FillOptions): Promise<IndexWriter> {
  const { log, signal } = options
  for (let from = options.from ?? 0; ; ) {
    const started = performance.now()
    const writer = await fillIndex(pool, place, { ...options, from })
    log.info({ index: writer.index, ms: Math.round(performance.now() - started) }, 'an index was filled')
    try {
      let switched = false
      while (!writer.isWhole && !switched) {
        signal.throwIfAborted()
        switched = (await applyLog(pool, writer)).switched
      }
      // By a switch it is of no use: it does not hold what was published before that came to the log's end.
      if (!switched) return writer
    } catch (error) {
      // What a newer build says in the log is in the tables, for who begins after it.
      if (!(error instanceof RebuildNeeded)) throw error
      from = writer.position.seq + 1
    }
  }
}

/**
 * Applies what the log holds, a portion of it, and shows it.
 * @param shown called whenever something was
 * @returns whether there may be more, and whether another generation became active
 * @throws Trouble, HistoryChanged, RebuildNeeded or what the database says
 */
export async function applyLog(
  pool: Pool,
  writer: IndexWriter,
  shown: () => void = () => {},
): Promise<{ more: boolean; switched: boolean }> {
  const reading = await readLog(pool, writer.position)
  checkHistory(writer.position, reading)
  const renamed = reading.head.epoch !== writer.position.epoch
  if (renamed) writer.position = { ...writer.position, epoch: reading.head.epoch }
  const source = databaseSource(pool)
  let switched = false
  let shownAt = performance.now()
  const show = async () => {
    await writer.show()
    shown()
    shownAt = performance.now()
  }
  for (const entry of reading.entries) {
    if ((await writer.apply(entry, source)) !== undefined) switched = true
    if (performance.now() - shownAt >= SHOW_MS) await show()
  }
  if (renamed || reading.entries.length > 0 || writer.countIsDue) await show()
  return { more: reading.entries.length === LOG_PORTION, switched }
}
