// The transactions that make a version searchable, and the one that takes it back. Each locks collection, document and
// version (in the order everybody does), looks again whether its work is still wanted, and ends with the append to
// the index's log: so a version is published once, whatever was killed or ran twice before.
import type { PgBoss } from 'pg-boss'
import type { DocumentStage } from '../../../contract/stages.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { holdActive, versionCoverage } from '../generations/coverage.ts'
import { append } from '../index/log.ts'
import { sendEmbed } from '../jobs/jobs.ts'
import { notifyDocument } from '../library/notices.ts'
import type { PageOutput, ParseResult } from './parse/child.ts'
import { MEDIA_TYPES } from './parse/port.ts'
import { UNREAD } from './versions.ts'

/** UTF-16 units of page text sent in one statement. */
const BATCH = 2_000_000

export type Outcome =
  | 'done'
  /** It was done before. */
  | 'already'
  /** Deleted, or replaced by a newer version: nothing is to be done any more. */
  | 'gone'
  /** To be taken back: cancelVersion. */
  | 'cancelled'
  /** Another generation is the active one by now: its vectors are wanted. */
  | 'switched'

interface Locked {
  readonly documentId: string
  readonly documentKey: number
  readonly collectionKey: number
  readonly number: number
  readonly stage: DocumentStage
  readonly cancelRequested: boolean
  readonly current: boolean
  /** Of the document's current version; 0 when it has none. */
  readonly currentNumber: number
}

/** Null when the version, its document or its collection is gone. */
async function lock(client: Client, versionId: string): Promise<Locked | null> {
  const collection = await client.query<{ key: number; document_id: string }>(
    `SELECT c.key, d.id AS document_id FROM document_versions v JOIN documents d ON d.id = v.document_id
     JOIN collections c ON c.id = d.collection_id WHERE v.id = $1 AND c.deleted_at IS NULL FOR SHARE OF c`,
    [versionId],
  )
  const document = await client.query<{ key: number; current_version_id: string | null }>(
    'SELECT key, current_version_id FROM documents WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE',
    [collection.rows[0]?.document_id],
  )
  const version = await client.query<{
    number: number
    stage: DocumentStage
    cancel: boolean
    current_number: number | null
  }>(
    `SELECT v.number, v.stage, v.cancel_requested_at IS NOT NULL AS cancel,
       (SELECT c.number FROM document_versions c WHERE c.id = $2) AS current_number
     FROM document_versions v WHERE v.id = $1 FOR NO KEY UPDATE OF v`,
    [versionId, document.rows[0]?.current_version_id ?? null],
  )
  const [c, d, v] = [collection.rows[0], document.rows[0], version.rows[0]]
  if (c === undefined || d === undefined || v === undefined) return null
  return {
    documentId: c.document_id,
    documentKey: d.key,
    collectionKey: c.key,
    number: v.number,
    stage: v.stage,
    cancelRequested: v.cancel,
    current: d.current_version_id === versionId,
    currentNumber: v.current_number ?? 0,
  }
}

/**
 * Pages and passages replace whatever the version had, it becomes the document's current one, and its embedding is
 * ordered: in one transaction with its place in the log.
 */
export async function publishWords(
  deps: { readonly pool: Pool; readonly jobs: PgBoss },
  versionId: string,
  pages: readonly PageOutput[],
  result: ParseResult,
  options: { readonly embed: boolean; readonly drop?: string | undefined },
): Promise<Outcome> {
  return transaction(deps.pool, async (client) => {
    const locked = await lock(client, versionId)
    if (locked === null) return 'gone'
    if (!UNREAD.includes(locked.stage)) return locked.stage === 'cancelled' ? 'cancelled' : 'already'
    if (locked.cancelRequested) return 'cancelled'
    if (locked.currentNumber > locked.number) {
      // A newer version was faster. This one will never be seen.
      await client.query(
        "UPDATE document_versions SET stage = 'cancelled', updated_at = now() WHERE id = $1",
        [versionId],
      )
      await notifyDocument(client, locked.documentId)
      return 'gone'
    }
    await client.query('DELETE FROM passages WHERE version_id = $1', [versionId])
    await client.query('DELETE FROM pages WHERE version_id = $1', [versionId])
    await insertPages(client, versionId, pages, result.language)
    await client.query(
      `UPDATE document_versions SET stage = 'words', media_type = $2, language = $3, pages = $4, pages_parsed = $4,
         passages = $5, passages_embedded = 0, tokens = $6, error_code = NULL, error_detail = NULL,
         words_at = now(), updated_at = now() WHERE id = $1`,
      [versionId, MEDIA_TYPES[result.kind], result.language, result.pages, result.passages, result.tokens],
    )
    await client.query('UPDATE documents SET current_version_id = $2, updated_at = now() WHERE id = $1', [
      locked.documentId,
      versionId,
    ])
    await notifyDocument(client, locked.documentId)
    if (options.embed)
      await sendEmbed(deps.jobs, client, { id: versionId, passages: result.passages }, options.drop)
    await append(client, {
      op: 'publish-words',
      collectionKey: locked.collectionKey,
      documentKey: locked.documentKey,
      versionId,
    })
    return 'done'
  })
}

async function insertPages(
  client: Client,
  versionId: string,
  pages: readonly PageOutput[],
  language: string,
): Promise<void> {
  let ordinal = 0
  for (const batch of batches(pages)) {
    await client.query(
      `INSERT INTO pages (version_id, number, text, items)
       SELECT $1, * FROM unnest($2::int[], $3::text[], $4::bytea[])`,
      [
        versionId,
        batch.map((page) => page.number),
        batch.map((page) => page.text),
        batch.map((page) => page.layout),
      ],
    )
    const passages = batch.flatMap((page) =>
      page.passages.map((passage) => ({
        ...passage,
        page: page.number,
        text: page.text.slice(passage.start, passage.end),
      })),
    )
    await client.query(
      `INSERT INTO passages (version_id, ordinal, page, char_start, char_end, heading, text, tokens, language)
       SELECT $1, t.*, $2 FROM unnest($3::int[], $4::int[], $5::int[], $6::int[], $7::text[], $8::text[], $9::int[]) t`,
      [
        versionId,
        language,
        passages.map((_, i) => ordinal + i),
        passages.map((passage) => passage.page),
        passages.map((passage) => passage.start),
        passages.map((passage) => passage.end),
        passages.map((passage) => passage.heading),
        passages.map((passage) => passage.text),
        passages.map((passage) => passage.tokens),
      ],
    )
    ordinal += passages.length
  }
}

function* batches(pages: readonly PageOutput[]): Generator<PageOutput[]> {
  let batch: PageOutput[] = []
  let size = 0
  for (const page of pages) {
    if (size > 0 && size + page.text.length > BATCH) {
      yield batch
      batch = []
      size = 0
    }
    batch.push(page)
    size += page.text.length
  }
  if (batch.length > 0) yield batch
}

/** All passages have their vectors: they become searchable by meaning at once. @throws Error when one has none */
export async function publishVectors(pool: Pool, versionId: string, generationId: number): Promise<Outcome> {
  return transaction(pool, async (client) => {
    const locked = await lock(client, versionId)
    if (locked === null || (locked.stage === 'words' && !locked.current)) return 'gone'
    if (locked.stage !== 'words') return locked.stage === 'cancelled' ? 'cancelled' : 'already'
    if (locked.cancelRequested) return 'cancelled'
    if ((await holdActive(client)) !== generationId) return 'switched'
    const { passages, missing } = await versionCoverage(client, versionId, generationId)
    if (missing !== 0) throw new Error(`${missing} passages of ${versionId} have no vector`)
    await client.query(
      `UPDATE document_versions SET stage = 'searchable', passages_embedded = $2, searchable_at = now(),
         error_code = NULL, error_detail = NULL, updated_at = now() WHERE id = $1`,
      [versionId, passages],
    )
    await notifyDocument(client, locked.documentId)
    await append(client, {
      op: 'publish-vectors',
      collectionKey: locked.collectionKey,
      documentKey: locked.documentKey,
      versionId,
      generationId,
    })
    return 'done'
  })
}

/**
 * Takes a version back that a person cancelled. When it could be found by words already, the one before it is the
 * current one again, with the vectors it had; without one, the document is in no search.
 */
export async function cancelVersion(
  deps: { readonly pool: Pool; readonly jobs: PgBoss },
  versionId: string,
): Promise<void> {
  await transaction(deps.pool, async (client) => {
    const locked = await lock(client, versionId)
    // Of a deleted document nothing is to be taken back: its deletion did.
    if (locked === null || !locked.cancelRequested) return
    if (locked.stage !== 'words' && !UNREAD.includes(locked.stage)) return
    await client.query("UPDATE document_versions SET stage = 'cancelled', updated_at = now() WHERE id = $1", [
      versionId,
    ])
    const { documentId, documentKey, collectionKey } = locked
    const before = locked.current ? await versionBefore(client, documentId, locked.number) : null
    if (locked.current)
      await client.query('UPDATE documents SET current_version_id = $2, updated_at = now() WHERE id = $1', [
        documentId,
        before?.id ?? null,
      ])
    await client.query('DELETE FROM passages WHERE version_id = $1', [versionId])
    await client.query('DELETE FROM pages WHERE version_id = $1', [versionId])
    await notifyDocument(client, documentId)
    if (!locked.current) return
    if (before === null) return void (await append(client, { op: 'retract', collectionKey, documentKey }))
    const generationId = before.stage === 'searchable' ? await holdActive(client) : null
    // While it was not the current one, another generation may have become active, which has no vectors of it.
    const complete =
      generationId !== null && (await versionCoverage(client, before.id, generationId)).missing === 0
    if (!complete) {
      await client.query("UPDATE document_versions SET stage = 'words', updated_at = now() WHERE id = $1", [
        before.id,
      ])
      await sendEmbed(deps.jobs, client, before)
    }
    const place = { collectionKey, documentKey, versionId: before.id }
    await append(client, { op: 'publish-words', ...place })
    if (complete) await append(client, { op: 'publish-vectors', ...place, generationId })
  })
}

async function versionBefore(
  client: Client,
  documentId: string,
  number: number,
): Promise<{ id: string; stage: DocumentStage; passages: number } | null> {
  const { rows } = await client.query<{ id: string; stage: DocumentStage; passages: number }>(
    `SELECT v.id, v.stage, coalesce(v.passages, 0) AS passages FROM document_versions v
     WHERE v.document_id = $1 AND v.number < $2 AND v.stage IN ('words', 'searchable')
       AND EXISTS (SELECT 1 FROM passages p WHERE p.version_id = v.id)
     ORDER BY v.number DESC LIMIT 1`,
    [documentId, number],
  )
  return rows[0] ?? null
}

/** The text of versions that this one has replaced for good. In no search since then; nothing hands it out. */
export async function removeReplaced(pool: Pool, versionId: string): Promise<void> {
  for (const table of ['passages', 'pages'])
    await pool.query(
      `DELETE FROM ${table} t USING document_versions old, document_versions v JOIN documents d ON d.id = v.document_id
       WHERE v.id = $1 AND d.current_version_id = v.id AND v.stage = 'searchable'
         AND old.document_id = v.document_id AND old.number < v.number AND t.version_id = old.id`,
      [versionId],
    )
}
