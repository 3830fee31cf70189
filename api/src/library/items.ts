// A document as lists and events show it: its name and its newest version's state, in one query.
import { ERRORS, type ErrorCode, type ErrorDetail, errorMessage } from '../../../contract/errors.ts'
import { type CollectionRole, DOCUMENT_STAGES, type DocumentStage } from '../../../contract/stages.ts'
import type { Queryable } from '../database/pool.ts'

export interface VersionItem {
  readonly id: string
  /** From 1, counted by document. */
  readonly number: number
  readonly filename: string
  readonly mediaType: string
  readonly bytes: number
  readonly stage: DocumentStage
  /** Null until the parser knows. */
  readonly pages: number | null
  readonly pagesParsed: number
  readonly passages: number | null
  readonly passagesEmbedded: number
  readonly language: string | null
  /** Why it needs attention. */
  readonly error: { code: ErrorCode; message: string; detail: ErrorDetail } | null
  /** Cancelling was asked for and has not happened yet. */
  readonly cancelling: boolean
  readonly createdAt: Date
  readonly wordsAt: Date | null
  readonly searchableAt: Date | null
}

export interface DocumentItem {
  readonly id: string
  readonly collectionId: string
  readonly name: string
  readonly createdAt: Date
  /** The viewer's role in the collection. */
  readonly role: CollectionRole
  /** The newest one, which need not be the one that is searched yet. */
  readonly version: VersionItem
  /** Some version of it can be found. */
  readonly searchable: boolean
}

export interface VersionRow {
  id: string
  number: number
  filename: string
  media_type: string
  bytes: string
  stage: string
  pages: number | null
  pages_parsed: number
  passages: number | null
  passages_embedded: number
  language: string | null
  error_code: string | null
  error_detail: ErrorDetail | null
  cancel_requested_at: Date | null
  created_at: Date
  words_at: Date | null
  searchable_at: Date | null
}

interface DocumentRow extends VersionRow {
  document_id: string
  collection_id: string
  name: string
  document_created_at: Date
  searchable: boolean
}

export const VERSION_COLUMNS = `v.id, v.number, v.filename, v.media_type, v.bytes, v.stage, v.pages, v.pages_parsed, v.passages,
  v.passages_embedded, v.language, v.error_code, v.error_detail, v.cancel_requested_at, v.created_at, v.words_at,
  v.searchable_at`

/** Stages that work still goes on in. */
export const OPEN_STAGES = ['received', 'parsing', 'splitting', 'words'] as const satisfies DocumentStage[]

export function isOpen(stage: DocumentStage): boolean {
  return OPEN_STAGES.some((open) => open === stage)
}

/** The stages' own words are checked here, where rows come in, and nowhere after. */
export function toStage(stage: string): DocumentStage {
  const known = DOCUMENT_STAGES.find((each) => each === stage)
  if (known === undefined) throw new Error(`unknown stage ${stage}`)
  return known
}

/** A newer build's code, met by an older one while both run, is shown as INTERNAL. */
function toErrorCode(code: string): ErrorCode {
  return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'INTERNAL'
}

export function toVersionItem(row: VersionRow): VersionItem {
  const stage = toStage(row.stage)
  const code = row.error_code === null ? null : toErrorCode(row.error_code)
  const detail = row.error_detail ?? {}
  return {
    id: row.id,
    number: row.number,
    filename: row.filename,
    mediaType: row.media_type,
    bytes: Number(row.bytes),
    stage,
    pages: row.pages,
    pagesParsed: row.pages_parsed,
    passages: row.passages,
    passagesEmbedded: row.passages_embedded,
    language: row.language,
    error: code === null ? null : { code, message: errorMessage(code, detail), detail },
    cancelling: row.cancel_requested_at !== null && isOpen(stage),
    createdAt: row.created_at,
    wordsAt: row.words_at,
    searchableAt: row.searchable_at,
  }
}

/**
 * Documents that are not deleted, newest first, each with its newest version. `tail` cuts the documents off before
 * their versions are looked at, whatever the planner believes of a table that was filled a moment ago.
 * Whether the viewer may see them is for the caller to have asked; `roleOf` says what the viewer is there.
 * @param where SQL over `d` (documents) with $1…
 */
export async function documentItems(
  db: Queryable,
  query: {
    where: string
    tail?: string
    values: readonly unknown[]
    roleOf: (collectionId: string) => CollectionRole
  },
): Promise<DocumentItem[]> {
  const { rows } = await db.query<DocumentRow>(
    `SELECT d.id AS document_id, d.collection_id, d.name, d.created_at AS document_created_at,
            d.current_version_id IS NOT NULL AS searchable, ${VERSION_COLUMNS}
     FROM (SELECT d.* FROM documents d WHERE d.deleted_at IS NULL AND ${query.where} ${query.tail ?? ''}) d
     CROSS JOIN LATERAL (SELECT * FROM document_versions n WHERE n.document_id = d.id ORDER BY n.number DESC LIMIT 1) v
     ORDER BY d.id DESC`,
    [...query.values],
  )
  return rows.map((row) => ({
    id: row.document_id,
    collectionId: row.collection_id,
    name: row.name,
    createdAt: row.document_created_at,
    role: query.roleOf(row.collection_id),
    version: toVersionItem(row),
    searchable: row.searchable,
  }))
}
