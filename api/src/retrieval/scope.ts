// What a search ranges over, as the asker may see it now: keys for the index's filter. Asked of the database on the
// primary for every search, never remembered (promise P5). The same statement says what generations of vectors there
// are: a question embedded otherwise than the index's can't be compared with them; where the log ends; and which entry of it
// is the asker's own latest, which the index has to have (promise P2).
import { VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import type { Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { IndexFilter, Position } from '../index/port.ts'
import { EMBEDDER_DIGEST } from '../models/generation.ts'

export interface Scope {
  /** Those of them that are visible. Without any, and without a document: every visible shared collection. */
  readonly collectionIds?: readonly string[] | undefined
  /** This document only. */
  readonly documentId?: string | undefined
}

export interface ResolvedScope {
  readonly filter: IndexFilter
  readonly collections: number
  /** Their embedders' digests (models/generation.ts) by the ids of generations. */
  readonly generations: ReadonlyMap<number, string>
  /** The log's end. */
  readonly head: Position
  /** Of the asker's own latest publication; 0 when the log has none (any more). */
  readonly own: number
}

interface Row {
  readonly key: number
  readonly generations: Readonly<Record<string, string>> | null
  readonly epoch: string
  readonly head: string
  readonly own: string | null
}

const STATE_SQL = `(SELECT json_object_agg(g.id, ${EMBEDDER_DIGEST}) FROM generations g) AS generations,
  h.epoch, h.seq AS head, (SELECT max(seq) FROM index_log WHERE user_id = $1) AS own`

/** @throws AppError NOT_FOUND when nothing that was named is visible, NOTHING_TO_SEARCH for an empty list */
export async function resolveScope(db: Queryable, viewer: Viewer, scope: Scope): Promise<ResolvedScope> {
  if (scope.documentId !== undefined) return ofDocument(db, viewer, scope.documentId)
  if (scope.collectionIds === undefined) return ofEverything(db, viewer)
  if (scope.collectionIds.length === 0) throw new AppError('NOTHING_TO_SEARCH')
  return ofCollections(db, viewer, scope.collectionIds)
}

async function ofEverything(db: Queryable, viewer: Viewer): Promise<ResolvedScope> {
  const { rows } = await db.query<Row>({
    name: 'search-scope-everything',
    text: `SELECT c.key, ${STATE_SQL} FROM collections c, index_head h WHERE c.kind = 'shared' AND c.id IN ${VISIBLE_COLLECTIONS_SQL} ORDER BY c.key`,
    values: [viewer.userId],
  })
  return collectionScope(rows)
}

async function ofCollections(db: Queryable, viewer: Viewer, ids: readonly string[]): Promise<ResolvedScope> {
  const { rows } = await db.query<Row>({
    name: 'search-scope-collections',
    text: `SELECT c.key, ${STATE_SQL} FROM collections c, index_head h WHERE c.id = ANY($2::uuid[]) AND c.id IN ${VISIBLE_COLLECTIONS_SQL} ORDER BY c.key`,
    values: [viewer.userId, ids],
  })
  if (rows.length === 0) throw new AppError('NOT_FOUND')
  return collectionScope(rows)
}

async function ofDocument(db: Queryable, viewer: Viewer, id: string): Promise<ResolvedScope> {
  const { rows } = await db.query<Row>({
    name: 'search-scope-document',
    text: `SELECT d.key, ${STATE_SQL} FROM documents d, index_head h
           WHERE d.id = $2::uuid AND d.deleted_at IS NULL AND d.collection_id IN ${VISIBLE_COLLECTIONS_SQL}`,
    values: [viewer.userId, id],
  })
  const [row] = rows
  if (row === undefined) throw new AppError('NOT_FOUND')
  return { filter: { kind: 'documents', keys: [row.key] }, collections: 1, ...stateOf(row) }
}

function collectionScope(rows: readonly Row[]): ResolvedScope {
  return {
    filter: { kind: 'collections', keys: rows.map(({ key }) => key) },
    collections: rows.length,
    ...stateOf(rows[0]),
  }
}

/** Without a row nothing is searched. */
function stateOf(row: Row | undefined): Pick<ResolvedScope, 'generations' | 'head' | 'own'> {
  return {
    generations: new Map(Object.entries(row?.generations ?? {}).map(([id, digest]) => [Number(id), digest])),
    head: { epoch: row?.epoch ?? '', seq: Number(row?.head ?? 0) },
    own: Number(row?.own ?? 0),
  }
}
