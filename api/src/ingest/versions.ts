// A version under way, as the database knows it: read at the start of a job, written as its work goes on. Whatever
// is written here says for itself under which stages it holds, so that a late write never undoes a newer state.
import type { ErrorCode, ErrorDetail } from '../../../contract/errors.ts'
import type { DocumentStage } from '../../../contract/stages.ts'
import { type Pool, type Queryable, within } from '../database/pool.ts'
import { notifyDocument } from '../library/notices.ts'

export interface Version {
  readonly id: string
  readonly documentId: string
  readonly stage: DocumentStage
  readonly filename: string
  readonly bytes: number
  readonly storageKey: string
  /** Of the original's bytes, lower-case hex. */
  readonly sha256: string
  readonly crashes: number
  /** In which its words were published. */
  readonly readingId: number
  readonly cancelRequested: boolean
  /** The document and its collection are there. */
  readonly alive: boolean
  /** Searches see this version. */
  readonly current: boolean
}

/** Milliseconds for what a job asks again and again; longer than a database is slow while much is written. */
export const STEP_MS = 30_000

/** Null when it was purged. */
export async function readVersion(db: Queryable, id: string): Promise<Version | null> {
  const { rows } = await db.query<{
    id: string
    document_id: string
    stage: DocumentStage
    filename: string
    bytes: string
    storage_key: string
    sha256: string
    crashes: number
    reading_id: number
    cancel: boolean
    alive: boolean
    current: boolean
  }>(
    within(STEP_MS, {
      name: 'ingest-version',
      text: `SELECT v.id, v.document_id, v.stage, v.filename, v.bytes, v.storage_key, v.sha256, v.crashes, v.reading_id,
               v.cancel_requested_at IS NOT NULL AS cancel, d.deleted_at IS NULL AND c.deleted_at IS NULL AS alive,
               d.current_version_id IS NOT DISTINCT FROM v.id AS current
             FROM document_versions v JOIN documents d ON d.id = v.document_id JOIN collections c ON c.id = d.collection_id
             WHERE v.id = $1`,
      values: [id],
    }),
  )
  const row = rows[0]
  if (row === undefined) return null
  return {
    id: row.id,
    documentId: row.document_id,
    stage: row.stage,
    filename: row.filename,
    bytes: Number(row.bytes),
    storageKey: row.storage_key,
    sha256: row.sha256,
    crashes: row.crashes,
    readingId: row.reading_id,
    cancelRequested: row.cancel,
    alive: row.alive,
    current: row.current,
  }
}

/** Stages in which a version's file has still to be read. */
export const UNREAD: readonly DocumentStage[] = ['received', 'parsing', 'splitting']

interface Counts {
  stage?: 'parsing' | 'splitting'
  pages?: number
  pagesParsed?: number
  passagesEmbedded?: number
}

const COLUMNS = {
  stage: 'stage',
  pages: 'pages',
  pagesParsed: 'pages_parsed',
  passagesEmbedded: 'passages_embedded',
} as const

const EVERY_MS = 300

/**
 * Tells people how far a version is: at most one write every 300 ms, the newest state always, never two at a time.
 * Progress is a courtesy: a write that fails is left out.
 */
export class Progress {
  readonly #pool: Pool
  readonly #version: Pick<Version, 'id' | 'documentId'>
  readonly #stages: readonly DocumentStage[]
  #next: Counts = {}
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  /** performance.now(): a clock that is set back must not keep it waiting. */
  #last = -EVERY_MS
  #ended = false

  /** @param stages the stages under which its writes hold */
  constructor(pool: Pool, version: Pick<Version, 'id' | 'documentId'>, stages: readonly DocumentStage[]) {
    this.#pool = pool
    this.#version = version
    this.#stages = stages
  }

  set(counts: Counts): void {
    if (this.#ended) return
    Object.assign(this.#next, counts)
    this.#timer ??= setTimeout(() => this.#write(), Math.max(0, this.#last + EVERY_MS - performance.now()))
  }

  /** What is under way is written, and nothing more until something new is told: what comes next is a transaction. */
  async rest(): Promise<void> {
    this.#next = {}
    clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#writing
  }

  /** After this nothing is written any more. */
  async end(): Promise<void> {
    this.#ended = true
    await this.rest()
  }

  #write(): void {
    const entries = Object.entries(this.#next) as [keyof Counts, string | number][]
    this.#next = {}
    this.#last = performance.now()
    const assignments = entries.map(([name], i) => `${COLUMNS[name]} = $${i + 3}`)
    this.#writing = this.#pool
      .query(
        `UPDATE document_versions SET ${assignments.join(', ')}, updated_at = now() WHERE id = $1 AND stage = ANY($2)`,
        [this.#version.id, this.#stages, ...entries.map(([, value]) => value)],
      )
      .then(({ rowCount }) => {
        if (rowCount) return notifyDocument(this.#pool, this.#version.documentId)
      })
      .catch(() => {})
      .finally(() => {
        this.#timer = undefined
        if (Object.keys(this.#next).length > 0) this.set({})
      })
  }
}

/** The version waits for a person: its reason, with what the reason's sentence needs. */
export async function needsAttention(
  pool: Pool,
  version: Pick<Version, 'id' | 'documentId'>,
  code: ErrorCode,
  detail: ErrorDetail,
): Promise<void> {
  const { rowCount } = await pool.query(
    `UPDATE document_versions SET stage = 'attention', error_code = $2, error_detail = $3, updated_at = now()
     WHERE id = $1 AND stage = ANY($4)`,
    [version.id, code, JSON.stringify(detail), [...UNREAD, 'words']],
  )
  if (rowCount) await notifyDocument(pool, version.documentId)
}

/** The version goes on by itself later: why it waits. The stage stays. */
export async function waitsFor(
  pool: Pool,
  version: Pick<Version, 'id' | 'documentId'>,
  code: ErrorCode,
): Promise<void> {
  const { rowCount } = await pool.query(
    `UPDATE document_versions SET error_code = $2, error_detail = NULL, updated_at = now()
     WHERE id = $1 AND stage = ANY($3) AND error_code IS DISTINCT FROM $2`,
    [version.id, code, [...UNREAD, 'words']],
  )
  if (rowCount) await notifyDocument(pool, version.documentId)
}

/** One more parser that this file took with it. Returns how many now. */
export async function countCrash(pool: Pool, id: string): Promise<number> {
  const { rows } = await pool.query<{ crashes: number }>(
    'UPDATE document_versions SET crashes = crashes + 1 WHERE id = $1 RETURNING crashes',
    [id],
  )
  return rows[0]?.crashes ?? 0
}
