// The transactions that make a version searchable, and the one that takes it back. Each locks collection, document and
// version (in the order everybody does), looks again whether its work is still wanted, and ends with the append to
// the index's log: so a version is published once, whatever was killed or ran twice before.
import type { PgBoss } from 'pg-boss'
import type { DocumentStage } from '../../../contract/stages.ts'
import { type Client, type Pool, transaction } from '../database/pool.ts'
import { type HeldGeneration, holdActive, versionCoverage } from '../generations/coverage.ts'
import { append } from '../index/log.ts'
import { sendEmbed } from '../jobs/jobs.ts'
import { notifyDocument } from '../library/notices.ts'
import type { PageOutput, ParseResult } from './parse/child.ts'
import { MEDIA_TYPES } from './parse/port.ts'
import { FIRST_READING } from './reading.ts'
import { hasReading, isSeen, noteReading } from './version-readings.ts'
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
  /** Another generation is the active one by now: its passages and vectors are wanted. */
  | 'switched'

interface Locked {
  readonly documentId: string
  readonly documentKey: number
  readonly collectionKey: number
  readonly number: number
  readonly stage: DocumentStage
  /** In which its words were published. */
  readonly readingId: number
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
    reading_id: number
    cancel: boolean
    current_number: number | null
  }>(
    `SELECT v.number, v.stage, v.reading_id, v.cancel_requested_at IS NOT NULL AS cancel,
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
    readingId: v.reading_id,
    cancelRequested: v.cancel,
    current: d.current_version_id === versionId,
    currentNumber: v.current_number ?? 0,
  }
}

/** Of the active generation; the first while there is none. */
const readingFor = (active: HeldGeneration | null) => active?.readingId ?? FIRST_READING

/**
 * Pages and passages replace whatever the version had, it becomes the document's current one, and its embedding is
 * ordered: in one transaction with its place in the log. `switched` when another reading is the active one by now.
 */
export async function publishWords(
  deps: { readonly pool: Pool; readonly jobs: PgBoss },
  versionId: string,
  readingId: number,
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
    if (readingFor(await holdActive(client)) !== readingId) return 'switched'
    await deleteText(client, versionId)
    await insertReading(client, versionId, readingId, pages, result)
    await client.query(
      `UPDATE document_versions SET stage = 'words', reading_id = $7, media_type = $2, language = $3, pages = $4, pages_parsed = $4,
         passages = $5, passages_embedded = 0, tokens = $6, error_code = NULL, error_detail = NULL,
         words_at = now(), updated_at = now() WHERE id = $1`,
      [
        ...[
          versionId,
          MEDIA_TYPES[result.kind],
          result.language,
          result.pages,
          result.passages,
          result.tokens,
        ],
        readingId,
      ],
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
      ...{ versionId, readingId },
    })
    return 'done'
  })
}

/**
 * What a version is by another reading, beside the one that searches see: for a generation that is built or kept, or the
 * one that was switched to while the version waited for its vectors. `gone` when nobody wants it (any more).
 */
export async function keepReading(
  pool: Pool,
  versionId: string,
  readingId: number,
  pages: readonly PageOutput[],
  result: ParseResult,
): Promise<'done' | 'already' | 'gone'> {
  return transaction(pool, async (client) => {
    const locked = await lock(client, versionId)
    if (!locked?.current || UNREAD.includes(locked.stage) || locked.stage === 'cancelled') return 'gone'
    const wanted = await client.query(
      "SELECT 1 FROM generations WHERE reading_id = $1 AND state IN ('active', 'building', 'retired') FOR SHARE",
      [readingId],
    )
    if (!wanted.rowCount) return 'gone'
    if (await hasReading(client, versionId, readingId)) return 'already'
    // Without its row it is an older build's. What searches see of it stays: their indexes have these very passages.
    if (await isSeen(client, versionId, readingId)) {
      await noteReading(client, versionId, readingId)
      return 'already'
    }
    for (const table of ['passages', 'pages'])
      await client.query(`DELETE FROM ${table} WHERE version_id = $1 AND reading_id = $2`, [
        versionId,
        readingId,
      ])
    await insertReading(client, versionId, readingId, pages, result)
    return 'done'
  })
}

/** Of all readings. */
async function deleteText(client: Client, versionId: string): Promise<void> {
  for (const table of ['passages', 'pages', 'version_readings'])
    await client.query(`DELETE FROM ${table} WHERE version_id = $1`, [versionId])
}

async function insertReading(
  client: Client,
  versionId: string,
  readingId: number,
  pages: readonly PageOutput[],
  { language, ...counts }: ParseResult,
): Promise<void> {
  await client.query(
    'INSERT INTO version_readings (version_id, reading_id, pages, passages, tokens) VALUES ($1, $2, $3, $4, $5)',
    [versionId, readingId, counts.pages, counts.passages, counts.tokens],
  )
  let ordinal = 0
  for (const batch of batches(pages)) {
    await client.query(
      `INSERT INTO pages (version_id, reading_id, number, text, items)
       SELECT $1, $2, * FROM unnest($3::int[], $4::text[], $5::bytea[])`,
      [
        ...[versionId, readingId],
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
      `INSERT INTO passages (version_id, reading_id, ordinal, page, char_start, char_end, heading, text, tokens, language)
       SELECT $1, $2, t.*, $3
       FROM unnest($4::int[], $5::int[], $6::int[], $7::int[], $8::text[], $9::text[], $10::int[]) t`,
      [
        ...[versionId, readingId, language],
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
    const active = await holdActive(client)
    if (active?.id !== generationId) return 'switched'
    const coverage = await versionCoverage(client, versionId, generationId)
    if (coverage === null) throw new Error(`${versionId} was not read for generation ${generationId}`)
    const { passages, missing } = coverage
    if (missing !== 0) throw new Error(`${missing} passages of ${versionId} have no vector`)
    const { readingId } = active
    await client.query(
      `UPDATE document_versions v SET stage = 'searchable', reading_id = $3, pages = r.pages, pages_parsed = r.pages,
         passages = r.passages, passages_embedded = $2, tokens = r.tokens, searchable_at = now(),
         error_code = NULL, error_detail = NULL, updated_at = now()
       FROM version_readings r WHERE v.id = $1 AND r.version_id = v.id AND r.reading_id = $3`,
      [versionId, passages, readingId],
    )
    await notifyDocument(client, locked.documentId)
    const { collectionKey, documentKey } = locked
    const place = { collectionKey, documentKey, versionId }
    // It waited for its vectors while another reading was switched to: these are vectors of other passages.
    if (locked.readingId !== readingId) await append(client, { op: 'publish-words', ...place, readingId })
    await append(client, { op: 'publish-vectors', ...place, generationId })
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
    await deleteText(client, versionId)
    await notifyDocument(client, documentId)
    if (!locked.current) return
    if (before === null) return void (await append(client, { op: 'retract', collectionKey, documentKey }))
    const active = await holdActive(client)
    // While it was not the current one, another generation may have become active, which has no vectors of it.
    const complete =
      active !== null &&
      before.stage === 'searchable' &&
      (await versionCoverage(client, before.id, active.id))?.missing === 0
    const readingId = complete ? active.readingId : await readingToFind(client, before, active)
    if (!complete) {
      await client.query(
        "UPDATE document_versions SET stage = 'words', reading_id = $2, updated_at = now() WHERE id = $1",
        [before.id, readingId],
      )
      await sendEmbed(deps.jobs, client, before)
    }
    const place = { collectionKey, documentKey, versionId: before.id }
    await append(client, { op: 'publish-words', ...place, readingId })
    if (complete) await append(client, { op: 'publish-vectors', ...place, generationId: active.id })
  })
}

interface VersionBefore {
  readonly id: string
  readonly stage: DocumentStage
  readonly passages: number
  readonly readingId: number
}

/** Of the readings that it has: what is wanted, what it was found by, or whatever there is. */
async function readingToFind(
  client: Client,
  before: VersionBefore,
  active: HeldGeneration | null,
): Promise<number> {
  const { rows } = await client.query<{ id: number }>(
    `SELECT reading_id AS id FROM version_readings WHERE version_id = $1
     ORDER BY reading_id <> $2, reading_id <> $3, reading_id DESC LIMIT 1`,
    [before.id, readingFor(active), before.readingId],
  )
  return rows[0]?.id ?? before.readingId
}

async function versionBefore(
  client: Client,
  documentId: string,
  number: number,
): Promise<VersionBefore | null> {
  const { rows } = await client.query<VersionBefore>(
    `SELECT v.id, v.stage, v.reading_id AS "readingId", coalesce(v.passages, 0) AS passages FROM document_versions v
     WHERE v.document_id = $1 AND v.number < $2 AND v.stage IN ('words', 'searchable', 'attention')
       AND EXISTS (SELECT 1 FROM passages p WHERE p.version_id = v.id)
     ORDER BY v.number DESC LIMIT 1`,
    [documentId, number],
  )
  return rows[0] ?? null
}

/** The text of versions that this one has replaced for good. In no search since then; nothing hands it out. */
export async function removeReplaced(pool: Pool, versionId: string): Promise<void> {
  for (const table of ['passages', 'pages', 'version_readings'])
    await pool.query(
      `DELETE FROM ${table} t USING document_versions old, document_versions v JOIN documents d ON d.id = v.document_id
       WHERE v.id = $1 AND d.current_version_id = v.id AND v.stage = 'searchable'
         AND old.document_id = v.document_id AND old.number < v.number AND t.version_id = old.id`,
      [versionId],
    )
}
