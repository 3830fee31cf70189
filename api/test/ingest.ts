// What a test of ingestion needs: accepted files as the library makes them (blob, then rows and job in one
// transaction), and the ingest process as a child that can be killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import { EMBEDDER_WEIGHTS } from '../../contract/weights.ts'
import { type Pool, transaction } from '../src/database/pool.ts'
import { sendIngest } from '../src/jobs/jobs.ts'
import { notifyCancel } from '../src/library/notices.ts'
import type { BlobStore } from '../src/storage/port.ts'

/** Where this machine's copy of the weights lies: set-up's, or a running product's. Tests that need them are skipped without. */
export const MODEL_DIR =
  ['.native/models', '.terrace/models']
    .map((folder) => path.resolve(import.meta.dirname, '../..', folder))
    .find((folder) =>
      existsSync(path.join(folder, EMBEDDER_WEIGHTS.folder, EMBEDDER_WEIGHTS.files.model.name)),
    ) ?? path.resolve(import.meta.dirname, '../../.native/models')
export const FIXTURES = path.join(import.meta.dirname, 'fixtures')

export interface Uploads {
  readonly pool: Pool
  readonly jobs: PgBoss
  readonly blobs: BlobStore
}

export async function insertCollection(pool: Pool): Promise<string> {
  const { rows } = await pool.query<{ id: string }>(
    "INSERT INTO collections (name) VALUES ('test') RETURNING id",
  )
  return rows[0]?.id ?? ''
}

export interface Uploaded {
  readonly documentId: string
  readonly versionId: string
}

/**
 * Accepts a file. `documentId`: as a new version of that document. `job: false`: its job got lost. `person`: who
 * uploads it.
 */
export async function upload(
  { pool, jobs, blobs }: Uploads,
  collectionId: string,
  filename: string,
  bytes: Buffer | string,
  options: {
    readonly documentId?: string
    readonly job?: boolean
    readonly person?: string
    readonly drop?: string
  } = {},
): Promise<Uploaded> {
  const key = `originals/${randomUUID()}`
  const stored = await blobs.put(key, Readable.from([Buffer.from(bytes)], { objectMode: false }))
  return transaction(pool, async (client) => {
    const documentId =
      options.documentId ??
      (
        await client.query<{ id: string }>(
          'INSERT INTO documents (collection_id, name) VALUES ($1, $2) RETURNING id',
          [collectionId, filename],
        )
      ).rows[0]?.id ??
      ''
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO document_versions
         (document_id, number, filename, media_type, bytes, sha256, storage_key, created_by)
       SELECT $1, coalesce(max(number), 0) + 1, $2, 'application/octet-stream', $3, $4, $5, $6
       FROM document_versions WHERE document_id = $1 RETURNING id`,
      [documentId, filename, stored.bytes, stored.sha256, key, options.person ?? null],
    )
    const versionId = rows[0]?.id ?? ''
    if (options.job !== false)
      await sendIngest(jobs, client, { id: versionId, bytes: stored.bytes }, options.drop)
    return { documentId, versionId }
  })
}

export async function requestCancel(pool: Pool, versionId: string): Promise<void> {
  await transaction(pool, async (client) => {
    await client.query('UPDATE document_versions SET cancel_requested_at = now() WHERE id = $1', [versionId])
    await notifyCancel(client, versionId)
  })
}

export interface VersionState {
  readonly id: string
  readonly stage: string
  readonly error_code: string | null
  readonly error_detail: Readonly<Record<string, unknown>> | null
  readonly pages: number | null
  readonly pages_parsed: number
  readonly passages: number | null
  readonly passages_embedded: number
  readonly language: string | null
  readonly media_type: string
  readonly crashes: number
  readonly tokens: number | null
}

export async function versionState(pool: Pool, versionId: string): Promise<VersionState> {
  const { rows } = await pool.query<VersionState>('SELECT * FROM document_versions WHERE id = $1', [
    versionId,
  ])
  const row = rows[0]
  if (row === undefined) throw new Error(`no version ${versionId}`)
  return row
}

/** Waits until the version's stage is one of these. */
export async function untilStage(
  pool: Pool,
  versionId: string,
  stages: readonly string[],
  timeoutMs = 60_000,
): Promise<VersionState> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const state = await versionState(pool, versionId)
    if (stages.includes(state.stage)) return state
    if (Date.now() > end)
      throw new Error(`still ${state.stage} (${state.error_code}), waited for ${stages.join(', ')}`)
    await sleep(20)
  }
}

export interface IngestProcess {
  readonly child: ChildProcess
  /** JSON lines of its log. */
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  ready(): Promise<void>
  kill(signal: NodeJS.Signals): Promise<void>
}

/** `env` as of config.ts; the process stops when this one's end of its stdin closes. */
export function spawnIngest(env: Readonly<Record<string, string>>): IngestProcess {
  const child = spawn(process.execPath, [path.resolve(import.meta.dirname, '../src/ingest/process.ts')], {
    env: { PATH: process.env.PATH ?? '', TERRACE_SUPERVISED: '1', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: Record<string, unknown>[] = []
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) lines.push(JSON.parse(part) as Record<string, unknown>)
  })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    child,
    lines,
    async ready() {
      while (!lines.some((line) => line.msg === 'ready')) {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`the ingest process ended: ${JSON.stringify(lines.at(-1))}`)
        await sleep(20)
      }
    },
    async kill(signal) {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      await exited
    },
  }
}
