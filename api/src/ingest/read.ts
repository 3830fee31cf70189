// The job `ingest`: a stored file is read by a parser and becomes searchable by words. Everything up to the last
// transaction can be done again from the beginning; nothing of it is seen before that.
import type { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import type { Pool } from '../database/pool.ts'
import type { VersionJob } from '../jobs/queues.ts'
import { notifyDocument } from '../library/notices.ts'
import type { BlobStore } from '../storage/port.ts'
import { Stopped } from './active.ts'
import { originalOf } from './original.ts'
import { type PageOutput, type ParseResult, ParserCrash } from './parse/child.ts'
import type { ParserPool } from './parse/pool.ts'
import { publishWords } from './publish.ts'
import { activeReading, type Reading } from './reading.ts'
import { countCrash, needsAttention, Progress, readVersion, UNREAD, type Version } from './versions.ts'

export interface ReadDeps {
  readonly pool: Pool
  readonly jobs: PgBoss
  readonly blobs: BlobStore
  readonly parsers: ParserPool
  readonly log: Logger
  /** Whether vectors follow, as it is when the words are published. */
  readonly embed: () => Promise<boolean>
}

/** A file that took this many parsers with it is set aside. */
export const MOST_CRASHES = 3

/** @throws Stopped, or what failures.ts judges */
export async function readFile(
  deps: ReadDeps,
  { versionId, drop }: VersionJob,
  signal: AbortSignal,
): Promise<void> {
  const version = await readVersion(deps.pool, versionId)
  if (version === null || !version.alive || !UNREAD.includes(version.stage)) return
  if (version.cancelRequested) throw new Stopped('cancelled')
  const progress = new Progress(deps.pool, version, UNREAD)
  try {
    // Told at once and waited for later: a small file is read in the time that this takes.
    let began: Promise<void> | undefined = begin(deps.pool, version)
    for (;;) {
      const pages: PageOutput[] = []
      const reading = await activeReading(deps.pool)
      const [result] = await Promise.all([parse(deps, version, reading, pages, progress, signal), began])
      began = undefined
      if (result === null) return
      await progress.rest()
      signal.throwIfAborted()
      const embed = await deps.embed()
      const outcome = await publishWords(deps, versionId, reading.id, pages, result, { embed, drop })
      // Another reading was switched to meanwhile.
      if (outcome === 'switched') continue
      if (outcome === 'cancelled') throw new Stopped('cancelled')
      deps.log.info(
        { versionId, outcome, kind: result.kind, pages: result.pages, passages: result.passages },
        'searchable by words',
      )
      return
    }
  } finally {
    await progress.end()
  }
}

async function begin(pool: Pool, version: Version): Promise<void> {
  await pool.query({
    name: 'ingest-begin',
    text: `UPDATE document_versions SET stage = 'parsing', pages = NULL, pages_parsed = 0, error_code = NULL,
             error_detail = NULL, updated_at = now() WHERE id = $1 AND stage = ANY($2)`,
    values: [version.id, UNREAD],
  })
  await notifyDocument(pool, version.documentId)
}

/** Null when the file was set aside. Its crashes are counted in the database: a killed ingest process forgets none. */
async function parse(
  deps: ReadDeps,
  version: Version,
  { passageTokens }: Reading,
  pages: PageOutput[],
  progress: Progress,
  signal: AbortSignal,
): Promise<ParseResult | null> {
  const file = { ...originalOf(deps.blobs, version), passageTokens }
  const hooks = {
    onProgress: (done: number, total: number | null) =>
      progress.set({ pagesParsed: done, ...(total === null ? {} : { pages: total }) }),
    onSplitting: (total: number) => progress.set({ stage: 'splitting', pages: total, pagesParsed: total }),
    onPage: (page: PageOutput) => {
      pages.push(page)
    },
  }
  for (;;)
    try {
      pages.length = 0
      return await deps.parsers.parse(file, hooks, signal)
    } catch (error) {
      if (!(error instanceof ParserCrash)) throw error
      const crashes = await countCrash(deps.pool, version.id)
      deps.log.warn({ versionId: version.id, crashes, reason: error.reason }, 'a file stopped its parser')
      if (crashes < MOST_CRASHES) continue
      await progress.end()
      await needsAttention(deps.pool, version, 'FILE_PARSER_CRASHED', { crashes })
      return null
    }
}
