import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import {
  FIXTURES,
  insertCollection,
  MODEL_DIR,
  requestCancel,
  type Uploads,
  untilStage,
  upload,
  versionState,
} from '../../test/ingest.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createLog } from '../log.ts'
import { createEmbedders, type Embedders } from '../models/embedders.ts'
import { openBlobStore } from '../storage/open.ts'
import type { BlobStore } from '../storage/port.ts'
import { type Ingest, startIngest } from './ingest.ts'
import { type ParserPool, startParserPool } from './parse/pool.ts'
import { decodeLayout } from './parse/port.ts'
import { publishVectors, publishWords } from './publish.ts'
import { FIRST_READING } from './reading.ts'
import { reconcile } from './reconcile.ts'

const weights = existsSync(path.join(MODEL_DIR, 'bge-small-en-v1.5/model.onnx'))

let home: string
let db: TestDatabase
let uploads: Uploads
let jobs: PgBoss
let parsers: ParserPool
let embedders: Embedders
let ingest: Ingest
let collection: string
/** Whether the disk is full for whoever reads a file. */
let full = false

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-ingest-'))
  db = await testDatabase()
  const config = db.config(home, { MODEL_DIR, INGEST_THREADS: '1' })
  const log = createLog(config, 'ingest-test')
  jobs = await startJobs(config, db.pool, log, { supervise: true })
  const stored = await openBlobStore(config)
  const blobs: BlobStore = {
    ...stored,
    async get(key, range) {
      if (full) throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
      return await stored.get(key, range)
    },
  }
  parsers = await startParserPool({ log, tokenizer: null, size: 3 })
  embedders = await createEmbedders(config, { threads: 1, log })
  ingest = await startIngest({ config, log, pool: db.pool, jobs, blobs, parsers, embedders })
  uploads = { pool: db.pool, jobs, blobs }
  collection = await insertCollection(db.pool)
})
afterAll(async () => {
  await ingest?.stop()
  await parsers?.close()
  await embedders?.close()
  await db?.[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

const ops = async (versionId: string) => {
  const { rows } = await db.pool.query<{ op: string }>(
    'SELECT op FROM index_log WHERE version_id = $1 ORDER BY seq',
    [versionId],
  )
  return rows.map((row) => row.op)
}
const current = async (documentId: string) => {
  const { rows } = await db.pool.query<{ id: string | null }>(
    'SELECT current_version_id AS id FROM documents WHERE id = $1',
    [documentId],
  )
  return rows[0]?.id
}
const count = async (table: 'pages' | 'passages', versionId: string) => {
  const { rows } = await db.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM ${table} WHERE version_id = $1`,
    [versionId],
  )
  return rows[0]?.n
}
const end = weights ? 'searchable' : 'words'
const published = weights ? ['publish-words', 'publish-vectors'] : ['publish-words']
const prose = (sentences: number, seed = '') =>
  Array.from(
    { length: sentences },
    (_, i) =>
      `Sentence ${i} of ${seed || 'a story'} tells something about kettle ${i % 31}.${i % 7 === 6 ? '\n\n' : ' '}`,
  ).join('')

describe('from an accepted file to passages', () => {
  test('a text is searchable by words, then by meaning', async () => {
    const { versionId, documentId } = await upload(
      uploads,
      collection,
      'notes.txt',
      'The kettle is in the kitchen.\n\nIt is red.',
    )
    const state = await untilStage(db.pool, versionId, [end])
    expect(state).toMatchObject({
      pages: 1,
      passages: 1,
      language: 'en',
      media_type: 'text/plain',
      error_code: null,
    })
    expect(await ops(versionId)).toEqual(published)
    expect(await current(documentId)).toBe(versionId)
    const { rows } = await db.pool.query(
      'SELECT page, ordinal, char_start, char_end, heading, text FROM passages WHERE version_id = $1',
      [versionId],
    )
    expect(rows).toEqual([
      {
        page: 1,
        ordinal: 0,
        char_start: 0,
        char_end: 41,
        heading: 'notes',
        text: 'The kettle is in the kitchen.\n\nIt is red.',
      },
    ])
  })

  test('a real PDF: pages with positions, passages that are ranges of them, a vector each', async () => {
    const { versionId } = await upload(
      uploads,
      collection,
      'article.pdf',
      readFileSync(path.join(FIXTURES, 'article.pdf')),
    )
    const state = await untilStage(db.pool, versionId, [end])
    expect(state).toMatchObject({ pages: 4, pages_parsed: 4, media_type: 'application/pdf' })
    const { rows } = await db.pool.query<{
      text: string
      page_text: string
      char_start: number
      char_end: number
      vectors: number
      items: Buffer
    }>(
      `SELECT p.text, g.text AS page_text, char_start, char_end, g.items,
         (SELECT count(*)::int FROM passage_vectors v WHERE v.passage_id = p.id) AS vectors
       FROM passages p JOIN pages g ON g.version_id = p.version_id AND g.number = p.page WHERE p.version_id = $1`,
      [versionId],
    )
    expect(rows.length).toBe(state.passages)
    for (const row of rows) {
      expect(row.page_text.slice(row.char_start, row.char_end)).toBe(row.text)
      expect(row.vectors).toBe(weights ? 1 : 0)
      expect(decodeLayout(row.items).items.length).toBeGreaterThan(3)
    }
  })

  test.each([
    ['locked.pdf', 'FILE_ENCRYPTED', readFileSync(path.join(FIXTURES, 'locked.pdf'))],
    ['empty.txt', 'FILE_EMPTY', Buffer.alloc(0)],
    ['picture.txt', 'FILE_TYPE_MISMATCH', Buffer.from('89504e470d0a1a0a00', 'hex')],
  ])('%s needs attention: %s', async (name, code, bytes) => {
    const { versionId } = await upload(uploads, collection, name, bytes)
    expect(await untilStage(db.pool, versionId, ['attention'])).toMatchObject({ error_code: code })
    expect(await ops(versionId)).toEqual([])
  })

  test('a stored file that is gone is said to be missing', async () => {
    const { versionId } = await upload(uploads, collection, 'a.txt', 'text', { job: false })
    const { rows } = await db.pool.query<{ storage_key: string }>(
      'SELECT storage_key FROM document_versions WHERE id = $1',
      [versionId],
    )
    await uploads.blobs.delete(rows[0]?.storage_key ?? '')
    await sendAgain(versionId)
    expect(await untilStage(db.pool, versionId, ['attention'])).toMatchObject({
      error_code: 'FILE_ORIGINAL_MISSING',
    })
  })

  test('a stored file that is not the one that was uploaded is not published', async () => {
    const { versionId } = await upload(uploads, collection, 'a.txt', 'text', { job: false })
    await db.pool.query("UPDATE document_versions SET sha256 = repeat('0', 64) WHERE id = $1", [versionId])
    await sendAgain(versionId)
    expect(await untilStage(db.pool, versionId, ['attention'])).toMatchObject({
      error_code: 'FILE_ORIGINAL_MISSING',
    })
    expect(await ops(versionId)).toEqual([])
  })

  test('a small file does not wait for a large one', async () => {
    const large = await upload(uploads, collection, 'large.txt', prose(40_000))
    await untilStage(db.pool, large.versionId, ['parsing', 'splitting', 'words', 'searchable'])
    const small = await upload(uploads, collection, 'small.txt', 'A short note.')
    await untilStage(db.pool, small.versionId, [end])
    expect((await versionState(db.pool, large.versionId)).stage).not.toBe('searchable')
    await requestCancel(db.pool, large.versionId)
    await untilStage(db.pool, large.versionId, ['cancelled'])
  })
})

describe('a version that replaces another', () => {
  test('takes its place in one step; the old text is gone when the new is complete', async () => {
    const first = await upload(uploads, collection, 'plan.txt', 'The old plan.')
    await untilStage(db.pool, first.versionId, [end])
    const second = await upload(uploads, collection, 'plan.txt', 'The new plan.', {
      documentId: first.documentId,
    })
    await untilStage(db.pool, second.versionId, [end])
    expect(await current(first.documentId)).toBe(second.versionId)
    if (weights) await expect.poll(() => count('passages', first.versionId)).toBe(0)
  })

  test('that comes late is not published over a newer one', async () => {
    const first = await upload(uploads, collection, 'race.txt', 'First.', { job: false })
    const second = await upload(uploads, collection, 'race.txt', 'Second.', { documentId: first.documentId })
    await untilStage(db.pool, second.versionId, [end])
    await sendAgain(first.versionId)
    await untilStage(db.pool, first.versionId, ['cancelled'])
    expect(await current(first.documentId)).toBe(second.versionId)
    expect(await ops(first.versionId)).toEqual([])
  })
})

describe('exactly once', () => {
  test('a job that runs twice, at once or later, publishes once', async () => {
    const { versionId } = await upload(uploads, collection, 'twice.txt', prose(300))
    await Promise.all([sendAgain(versionId), sendAgain(versionId)])
    await untilStage(db.pool, versionId, [end])
    const passages = await count('passages', versionId)
    await sendAgain(versionId)
    await idle()
    expect(await ops(versionId)).toEqual(published)
    expect(await count('passages', versionId)).toBe(passages)
  })

  test('a job that was lost is sent again', async () => {
    const { versionId } = await upload(uploads, collection, 'lost.txt', 'No job.', { job: false })
    const deps = { pool: db.pool, jobs, embeds: false, isActive: () => false }
    expect(await reconcile(deps)).toBe(1)
    expect(await reconcile(deps)).toBe(0)
    await untilStage(db.pool, versionId, [end])
  })

  test.runIf(weights)('words without vectors get them when their job was lost', async () => {
    const { versionId } = await upload(uploads, collection, 'words.txt', prose(50))
    await untilStage(db.pool, versionId, ['searchable'])
    await db.pool.query("UPDATE document_versions SET stage = 'words' WHERE id = $1", [versionId])
    await db.pool.query(
      'DELETE FROM passage_vectors USING passages p WHERE p.id = passage_id AND p.version_id = $1 AND p.ordinal > 1',
      [versionId],
    )
    expect(await reconcile({ pool: db.pool, jobs, embeds: true, isActive: () => false })).toBe(1)
    await untilStage(db.pool, versionId, ['searchable'])
  })
})

test('two processes with the same job: one publishes, the other finds it done', async () => {
  const { versionId } = await upload(uploads, collection, 'both.txt', 'x', { job: false })
  const deps = { pool: db.pool, jobs }
  const pages = [
    {
      number: 1,
      text: 'Some text.',
      layout: null,
      passages: [{ start: 0, end: 10, tokens: 3, heading: 'both' }],
    },
  ]
  const result = { kind: 'text', pages: 1, passages: 1, tokens: 3, language: 'en' } as const
  const publish = () => publishWords(deps, versionId, FIRST_READING, pages, result, { embed: false })
  expect((await Promise.all([publish(), publish()])).sort()).toEqual(['already', 'done'])
  expect(await ops(versionId)).toEqual(['publish-words'])
  const { rows } = await db.pool.query<{ id: number }>("SELECT id FROM generations WHERE state = 'active'")
  const generation = rows[0]?.id
  if (generation === undefined) return
  await expect(publishVectors(db.pool, versionId, generation)).rejects.toThrow('have no vector')
  await db.pool.query('INSERT INTO passage_vectors SELECT id, $2, $3 FROM passages WHERE version_id = $1', [
    versionId,
    generation,
    Buffer.alloc(384 * 4),
  ])
  const meaning = () => publishVectors(db.pool, versionId, generation)
  expect((await Promise.all([meaning(), meaning()])).sort()).toEqual(['already', 'done'])
  expect(await ops(versionId)).toEqual(['publish-words', 'publish-vectors'])
})

describe('cancelling', () => {
  test('while it waits, is read, is embedded: nothing of it stays', async () => {
    const files = await Promise.all(
      Array.from({ length: 8 }, (_, i) => upload(uploads, collection, `story ${i}.txt`, prose(20_000 + i))),
    )
    const stages = new Set<string>()
    for (const { versionId } of files) {
      stages.add((await versionState(db.pool, versionId)).stage)
      await requestCancel(db.pool, versionId)
      await sleep(150)
    }
    for (const { versionId, documentId } of files) {
      await untilStage(db.pool, versionId, ['cancelled'])
      expect(await current(documentId)).toBeNull()
      expect([await count('pages', versionId), await count('passages', versionId)]).toEqual([0, 0])
    }
    expect(stages.size).toBeGreaterThan(1)
  })

  test.runIf(weights)('by words already: the version before it is back, with its vectors', async () => {
    const first = await upload(uploads, collection, 'book.txt', 'The first edition.')
    await untilStage(db.pool, first.versionId, ['searchable'])
    const second = await upload(uploads, collection, 'book.txt', prose(20_000, 'the second edition'), {
      documentId: first.documentId,
    })
    await untilStage(db.pool, second.versionId, ['words'])
    expect(await current(first.documentId)).toBe(second.versionId)
    await requestCancel(db.pool, second.versionId)
    await untilStage(db.pool, second.versionId, ['cancelled'])
    expect(await current(first.documentId)).toBe(first.versionId)
    expect(await ops(first.versionId)).toEqual([
      'publish-words',
      'publish-vectors',
      'publish-words',
      'publish-vectors',
    ])
  })

  test.runIf(weights)('without a notice it is heard all the same, and again it can be tried', async () => {
    const { versionId } = await upload(uploads, collection, 'quiet.txt', prose(40_000))
    await untilStage(db.pool, versionId, ['words'])
    await db.pool.query('UPDATE document_versions SET cancel_requested_at = now() WHERE id = $1', [versionId])
    // Well before reconciliation would come by.
    await untilStage(db.pool, versionId, ['cancelled'], 15_000)
    await db.pool.query(
      "UPDATE document_versions SET stage = 'received', cancel_requested_at = NULL, storage_key = storage_key WHERE id = $1",
      [versionId],
    )
    await sendAgain(versionId)
    await untilStage(db.pool, versionId, ['words', 'searchable'])
    await requestCancel(db.pool, versionId)
    await untilStage(db.pool, versionId, ['cancelled'])
  })

  test('a deleted document is let go of', async () => {
    const { versionId, documentId } = await upload(uploads, collection, 'gone.txt', prose(40_000))
    await untilStage(db.pool, versionId, ['parsing', 'splitting', 'words'])
    await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [documentId])
    await idle()
    expect(await ops(versionId)).not.toContain('publish-vectors')
  })
})

describe('trouble that is not the file’s', () => {
  test('a full disk: it says so, and goes on by itself when there is room', async () => {
    full = true
    const { versionId } = await upload(uploads, collection, 'room.txt', 'There is room again.')
    try {
      await expect
        .poll(async () => (await versionState(db.pool, versionId)).error_code)
        .toBe('INGEST_STORAGE_FULL')
      expect((await versionState(db.pool, versionId)).stage).not.toBe('attention')
    } finally {
      full = false
    }
    expect(await untilStage(db.pool, versionId, [end])).toMatchObject({ error_code: null })
  })
})

describe('a file that takes its parser with it', () => {
  test('is set aside the third time; others go on', async () => {
    const { versionId } = await upload(uploads, collection, 'killer.txt', prose(200_000))
    while (['received', 'parsing', 'splitting'].includes((await versionState(db.pool, versionId)).stage)) {
      for (const pid of parsers.pids('busy')) process.kill(pid, 'SIGKILL')
      await sleep(50)
    }
    const state = await versionState(db.pool, versionId)
    expect(state).toMatchObject({
      stage: 'attention',
      error_code: 'FILE_PARSER_CRASHED',
      error_detail: { crashes: 3 },
    })
    const next = await upload(uploads, collection, 'after.txt', 'Others go on.')
    await untilStage(db.pool, next.versionId, [end])
  })
})

/** Another job for a version, as a queue that forgot or repeated itself would have it. */
async function sendAgain(versionId: string): Promise<void> {
  await jobs.send('ingest', { versionId }, { priority: 1 })
}

/** Until no job is waiting or running. */
async function idle(): Promise<void> {
  for (;;) {
    const { rows } = await db.pool.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pgboss.job WHERE state IN ('created', 'retry', 'active')",
    )
    if (rows[0]?.n === 0) return
    await sleep(20)
  }
}
