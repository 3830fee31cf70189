// A version is read by another reading than it was published by, beside what searches see of it: for a generation that is
// built or kept (generations/fill.ts), or for the active one when it changed while the version waited for its vectors.
import type { Logger } from 'pino'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { BlobStore } from '../storage/port.ts'
import { originalOf } from './original.ts'
import { type PageOutput, ParserCrash } from './parse/child.ts'
import type { ParserPool } from './parse/pool.ts'
import { keepReading } from './publish.ts'
import { MOST_CRASHES } from './read.ts'
import { PARSER, type Reading, SPLITTER } from './reading.ts'
import { hasReading } from './version-readings.ts'
import { readVersion } from './versions.ts'

/**
 * False when it is not wanted (any more).
 * @throws what failures.ts judges, UNAVAILABLE for a reading of a newer build; the signal's reason
 */
export type ReadAgain = (versionId: string, reading: Reading, signal: AbortSignal) => Promise<boolean>

/** One file at a time, whoever asks: what it becomes is held in memory, and a parser may be busy with it for long. */
export function readAgain(deps: {
  readonly pool: Pool
  readonly blobs: BlobStore
  readonly parsers: ParserPool
  readonly log: Logger
}): ReadAgain {
  const { pool, blobs, parsers, log } = deps
  let turn: Promise<unknown> = Promise.resolve()
  return (versionId, reading, signal) => {
    const mine = turn.then(() => {
      signal.throwIfAborted()
      return read(versionId, reading, signal)
    })
    turn = mine.catch(() => {})
    return unlessAborted(mine, signal)
  }

  async function read(versionId: string, reading: Reading, signal: AbortSignal): Promise<boolean> {
    if (reading.parser > PARSER || reading.splitter > SPLITTER)
      throw new AppError('UNAVAILABLE', { reason: 'only a newer build reads documents so' })
    // Another process may just have done it.
    if (await hasReading(pool, versionId, reading.id)) return true
    const version = await readVersion(pool, versionId)
    if (!version?.alive || !version.current) return false
    const file = { ...originalOf(blobs, version), passageTokens: reading.passageTokens }
    const hooks = { onProgress() {}, onSplitting() {} }
    for (let crashes = 1; ; crashes++)
      try {
        const pages: PageOutput[] = []
        const result = await parsers.parse(
          file,
          { ...hooks, onPage: (page) => void pages.push(page) },
          signal,
        )
        const outcome = await keepReading(pool, versionId, reading.id, pages, result)
        log.debug({ versionId, reading: reading.id, outcome }, 'read again')
        return outcome !== 'gone'
      } catch (error) {
        // Not counted on the version, which others find as it is; who asks for it waits before it asks again.
        if (!(error instanceof ParserCrash)) throw error
        log.warn({ versionId, crashes, reason: error.reason }, 'a file stopped its parser')
        if (crashes >= MOST_CRASHES) throw new AppError('FILE_PARSER_CRASHED', { crashes })
      }
  }
}

/** Who waits for a turn does not wait for it to learn that it is not wanted any more. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  if (signal.aborted) abort()
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
