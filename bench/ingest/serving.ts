// The real API, index process and ingest process over a library of some size, for what is measured of uploads.
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { pino } from 'pino'
import { parseConfig } from '../../api/src/config.ts'
import { startEmbedder } from '../../api/src/models/embedder.ts'
import { generationDigest } from '../../api/src/models/generation.ts'
import { spawnIngest } from '../../api/test/ingest.ts'
import { sessionCookie } from '../../api/test/server.ts'
import { freePort } from '../../local/postgres.ts'
import { fillLibrary } from '../search/library.ts'
import { type SearchServer, searchServer } from '../search/server.ts'
import type { TextMaker } from '../search/text.ts'

/** The version that was accepted. `drop`: as of http/files.ts. @throws Error on any other status than 201 */
export type Upload = (name: string, body: string | Buffer, drop?: string) => Promise<string>

export interface Serving extends AsyncDisposable {
  readonly server: SearchServer
  readonly client: pg.Client
  readonly text: TextMaker
  /** The ingest process. */
  readonly ingestPid: number
  /** By one connection that stays open. */
  search(question: string): Promise<string>
  readonly upload: Upload
  /** As somebody else, who may upload into the same collection. */
  uploadAs(userId: string): Promise<Upload>
  /** Resolves when all that was accepted is searchable. */
  settled(): Promise<void>
}

/** @param options `env`: wins over what the processes are given by themselves */
export async function startServing(options: {
  passages: number
  modelDir: string
  env?: Readonly<Record<string, string>>
}): Promise<Serving> {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-bench-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const env = {
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    MODEL_DIR: options.modelDir,
    AUTH_SECRET: randomBytes(32).toString('hex'),
    PORT: String(await freePort()),
    LOG_LEVEL: 'info',
    ...options.env,
  }
  const server = stack.use(await searchServer({ ...env, LOG_LEVEL: 'warn' }))
  const config = parseConfig({ ...env, DATABASE_URL: server.databaseUrl })
  const { text, collectionIds } = await fillLibrary(server.databaseUrl, {
    passages: options.passages,
    generation: await generationOf(options.modelDir),
    userId: server.userId,
  })
  await server.start(text.question())
  const ingest = spawnIngest({ ...env, DATABASE_URL: server.databaseUrl })
  stack.defer(async () => {
    await ingest.kill('SIGKILL')
  })
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  stack.defer(() => agent.destroy())
  const client = new pg.Client(server.databaseUrl)
  await client.connect()
  stack.defer(() => client.end())
  await ingest.ready()
  const uploadBy = (token: string): Upload => {
    const headers = { cookie: sessionCookie(config, token), origin: config.publicUrl }
    return async (name, body, drop) => {
      const query = new URLSearchParams({ collection: collectionIds[0] ?? '', name })
      if (drop !== undefined) query.set('drop', drop)
      const init = { method: 'PUT', headers, body } as RequestInit
      const response = await fetch(`http://127.0.0.1:${env.PORT}/files?${query}`, init)
      if (response.status !== 201) throw new Error(`upload: ${response.status} ${await response.text()}`)
      return ((await response.json()) as { versionId: string }).versionId
    }
  }
  const started = stack.move()
  return {
    server,
    client,
    text,
    ingestPid: ingest.child.pid ?? 0,
    search: (question) => server.search(question, agent),
    upload: uploadBy(await sessionToken(client, server.userId)),
    async uploadAs(userId) {
      await insertPerson(client, userId, collectionIds[0] ?? '')
      return uploadBy(await sessionToken(client, userId))
    },
    settled: () => allSearchable(client),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

export async function generationOf(modelDir: string) {
  const config = parseConfig({
    DATABASE_URL: 'x://x',
    STORAGE: 'file:/x',
    AUTH_SECRET: 'x'.repeat(40),
    MODEL_DIR: modelDir,
  })
  const embedder = await startEmbedder(config, { threads: 1, log: pino({ enabled: false }) })
  if (embedder === null) throw new Error('no embedder weights: npm run models')
  const generation = { digest: generationDigest(embedder.identity), key: embedder.identity }
  await embedder.close()
  return generation
}

async function insertPerson(client: pg.Client, userId: string, collectionId: string): Promise<void> {
  await client.query('INSERT INTO users (id, name, email, email_verified) VALUES ($1::text, $1, $2, true)', [
    userId,
    `${userId}@example.org`,
  ])
  await client.query(
    `INSERT INTO sessions (id, expires_at, token, user_id, updated_at)
     VALUES ($1::text, now() + interval '1 day', $2, $1, now())`,
    [userId, randomBytes(24).toString('base64url')],
  )
  await client.query(
    "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'editor')",
    [collectionId, userId],
  )
}

async function sessionToken(client: pg.Client, userId: string): Promise<string> {
  const { rows } = await client.query<{ token: string }>('SELECT token FROM sessions WHERE user_id = $1', [
    userId,
  ])
  return rows[0]?.token ?? ''
}

/** Resolves when every version is searchable. @throws Error when one needs attention */
export async function allSearchable(db: Pick<pg.Pool, 'query'> | pg.Client): Promise<void> {
  for (;;) {
    const { rows } = await db.query<{ open: number; bad: number }>(
      `SELECT (count(*) FILTER (WHERE stage NOT IN ('searchable', 'attention')))::int AS open,
         (count(*) FILTER (WHERE stage = 'attention'))::int AS bad FROM document_versions`,
    )
    if (rows[0]?.bad) throw new Error(`${rows[0].bad} documents need attention`)
    if (rows[0]?.open === 0) return
    await sleep(20)
  }
}
