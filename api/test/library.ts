// A test server whose library is real: storage in a folder, jobs, events; no ingest, no index.
//
//   await using library = await testLibrary()
//   const person = await library.server.person()
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import type { PgBoss } from 'pg-boss'
import type { Pool } from '../src/database/pool.ts'
import { startJobs } from '../src/jobs/jobs.ts'
import { createEvents, type Events } from '../src/library/events.ts'
import { createLog } from '../src/log.ts'
import { openBlobStore } from '../src/storage/open.ts'
import type { BlobStore } from '../src/storage/port.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { type Person, type TestServer, testServer } from './server.ts'

export interface TestLibrary extends AsyncDisposable {
  readonly server: TestServer
  readonly db: TestDatabase
  readonly pool: Pool
  readonly blobs: BlobStore
  readonly jobs: PgBoss
  readonly events: Events
  /** Names of all files below the storage's folder, unfinished ones included. */
  stored(): Promise<string[]>
  /** A new collection of `person`. */
  collection(person: Person, name?: string): Promise<string>
  /** Data of the jobs that wait in a queue. */
  waitingJobs(queue: string): Promise<unknown[]>
}

export async function testLibrary(): Promise<TestLibrary> {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const home = await import('node:fs/promises').then((fs) => fs.mkdtemp('/tmp/terrace-library-'))
  stack.defer(() => import('node:fs/promises').then((fs) => fs.rm(home, { recursive: true, force: true })))
  const config = db.config(home)
  const folder = path.join(home, 'storage')
  const log = createLog(config, 'test')
  const blobs = await openBlobStore(config)
  const jobs = await startJobs(config, db.pool, log, { supervise: false })
  stack.defer(() => jobs.stop({ graceful: false }))
  const events = await createEvents(config, db.pool, log)
  stack.defer(() => events.stop())
  const server = stack.use(await testServer(db, { services: { blobs, jobs, events } }))
  const started = stack.move()
  return {
    server,
    db,
    pool: db.pool,
    blobs,
    jobs,
    events,
    async stored() {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => !entry.isDirectory())
        .map((entry) => path.join(path.relative(folder, entry.parentPath), entry.name))
    },
    collection: async (person, name = 'Things') => (await person.api.collections.create.mutate({ name })).id,
    async waitingJobs(queue) {
      const { rows } = await db.pool.query<{ data: unknown }>(
        `SELECT data FROM pgboss.job WHERE name = $1 AND state = 'created' ORDER BY created_on`,
        [queue],
      )
      return rows.map((row) => row.data)
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

export interface UploadAnswer {
  readonly status: number
  readonly documentId: string
  readonly versionId: string
  readonly stage: string
  readonly duplicateOf?: { readonly documentId: string; readonly name: string }
  /** Set when it was refused. */
  readonly code?: string
  readonly message?: string
}

/** Uploads as a browser does. */
export async function upload(
  person: Pick<Person, 'fetch'>,
  collection: string,
  name: string,
  body: RequestInit['body'],
  more: Record<string, string> = {},
): Promise<UploadAnswer> {
  const query = new URLSearchParams({ collection, name, ...more })
  const response = await person.fetch(`/files?${query}`, {
    method: 'PUT',
    body: body ?? null,
    ...(body instanceof ReadableStream ? { duplex: 'half' } : {}),
  } as RequestInit)
  return { status: response.status, ...((await response.json()) as Omit<UploadAnswer, 'status'>) }
}
