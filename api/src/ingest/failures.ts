// What becomes of a job that failed: some causes are the file's and a person has to know; some pass by themselves
// and the job is tried again later. A database that is away, restarting or full is never the file's fault.
import pg from 'pg'
import type { ErrorCode, ErrorDetail } from '../../../contract/errors.ts'
import { databaseIsAway } from '../database/away.ts'
import { AppError } from '../errors.ts'

export type Verdict =
  | { readonly kind: 'attention'; readonly code: ErrorCode; readonly detail: ErrorDetail }
  /** Tried again; `code` says to people why it takes so long, where there is something to say. */
  | { readonly kind: 'later'; readonly code: ErrorCode | null }
  /** Not known to pass, not known to be the file's: tried a few times. */
  | { readonly kind: 'unknown' }

const FULL = new Set(['ENOSPC', 'EDQUOT', '53100'])

/** Classes of SQLSTATE that are about this statement and its values, not about the server's day. */
const STATEMENT_CLASSES = /^(?:0A|21|22|23|25|26|42|54|P0)/

export function judge(error: unknown): Verdict {
  const codes = codesOf(error)
  if (codes.some((code) => FULL.has(code))) return { kind: 'later', code: 'INGEST_STORAGE_FULL' }
  if (error instanceof AppError) {
    if (error.code === 'NOT_FOUND') return { kind: 'attention', code: 'FILE_ORIGINAL_MISSING', detail: {} }
    if (error.code === 'STORAGE_FULL') return { kind: 'later', code: 'INGEST_STORAGE_FULL' }
    // The search model's days are not the file's; why it has a bad one is told to owners (generations/).
    if (error.code.startsWith('EMBEDDER_') && error.code !== 'EMBEDDER_REFUSED_TEXT')
      return { kind: 'later', code: 'EMBEDDER_UNAVAILABLE' }
    if (error.status >= 500) return { kind: 'later', code: null }
    return { kind: 'attention', code: error.code, detail: error.detail }
  }
  if (error instanceof pg.DatabaseError)
    return error.code !== undefined && STATEMENT_CLASSES.test(error.code)
      ? { kind: 'unknown' }
      : { kind: 'later', code: null }
  // Codes are what the system gives (ECONNRESET, EIO, EMFILE …); pg's own complaints have none.
  return codes.length > 0 || databaseIsAway(error) ? { kind: 'later', code: null } : { kind: 'unknown' }
}

function codesOf(error: unknown): string[] {
  const codes: string[] = []
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++)
    if (!(at instanceof AppError) && 'code' in at && typeof at.code === 'string') codes.push(at.code)
  return codes
}
