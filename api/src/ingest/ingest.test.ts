import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { PgBoss } from 'pg-boss'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { insertCollection, MODEL_DIR, type Uploads, untilStage, upload } from '../../test/ingest.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createLog } from '../log.ts'
import { startEmbedder } from '../models/embedder.ts'
import type { Embedder } from '../models/port.ts'
import { createFileBlobStore } from '../storage/files.ts'
import { type Ingest, startIngest } from './ingest.ts'
import { type ParserPool, startParserPool } from './parse/pool.ts'

const weights = existsSync(path.join(MODEL_DIR, 'bge-small-en-v1.5/model.onnx'))

let home: string
let db: TestDatabase
let uploads: Uploads
let jobs: PgBoss
let parsers: ParserPool
let embedder: Embedder | null
let ingest: Ingest
let collection: string

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'terrace-ingest-'))
  db = await testDatabase()
  const config = db.config(home, { MODEL_DIR, INGEST_THREADS: '1' })
  const log = createLog(config, 'ingest-test')
  jobs = await startJobs(config, db.pool, log, { supervise: true })
  const blobs = await createFileBlobStore(config.storageDir)
  parsers = await startParserPool({ log, tokenizer: null, size: 3 })
  embedder = await startEmbedder(config, { threads: 1, log })
  ingest = await startIngest({ config, log, pool: db.pool, jobs, blobs, parsers, embedder })
  uploads = { pool: db.pool, jobs, blobs }
  collection = await insertCollection(db.pool)
})
afterAll(async () => {
  await ingest?.stop()
  await parsers?.close()
  await embedder?.close()
  await db?.[Symbol.asyncDispose]()
  rmSync(home, { recursive: true, force: true })
})

describe('from an accepted file to passages', () => {
  test('a text is searchable by words, then by meaning', async () => {
    const { versionId, documentId } = await upload(
      uploads,
      collection,
      'notes.txt',
      'The kettle is in the kitchen.\n\nIt is red.',
    )
    const state = await untilStage(db.pool, versionId, weights ? ['searchable'] : ['words'])
    expect(state).toMatchObject({
      pages: 1,
      passages: 1,
      language: 'en',
      media_type: 'text/plain',
      error_code: null,
    })
    const { rows: log } = await db.pool.query('SELECT op FROM index_log WHERE version_id = $1 ORDER BY seq', [
      versionId,
    ])
    expect(log.map((row) => row.op)).toEqual(
      weights ? ['publish-words', 'publish-vectors'] : ['publish-words'],
    )
    const { rows } = await db.pool.query('SELECT current_version_id FROM documents WHERE id = $1', [
      documentId,
    ])
    expect(rows).toEqual([{ current_version_id: versionId }])
  })
})
