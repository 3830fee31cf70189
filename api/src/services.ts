// What the running server is made of, built once by main.ts and handed to procedures, which pass narrow parts
// of it inwards. Starting goes from the database outwards, stopping goes back in reverse.

import { setTimeout as sleep } from 'node:timers/promises'
import type { PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import { type Answers, createAnswers } from './chat/answers.ts'
import { Rewriter } from './chat/rewrite.ts'
import type { Config } from './config.ts'
import { migrate, missingMigrations } from './database/migrate.ts'
import { createListener, createPool, type Pool } from './database/pool.ts'
import { createPrisma, type Prisma } from './database/prisma.ts'
import { openReplica, type Replica } from './database/replica.ts'
import type { Index } from './index/port.ts'
import { startSwitchedIndex } from './index/switch/engines.ts'
import { startJobs } from './jobs/jobs.ts'
import { createEvents, type Events } from './library/events.ts'
import { startPurge } from './library/purge.ts'
import { BACKLOG_STATEMENT_MS, readBacklog } from './metrics/backlog.ts'
import { readMachine } from './metrics/machine.ts'
import { createMetrics, type Metrics } from './metrics/metrics.ts'
import { createEmbedders, type Embedders } from './models/embedders.ts'
import { readActive } from './models/generation.ts'
import { createModels, type Models } from './models/registry.ts'
import { type Auth, createAuth } from './people/auth.ts'
import { sessionEnded } from './people/revoke.ts'
import { createSessions, type Sessions } from './people/sessions.ts'
import { createReranking, type Reranking } from './retrieval/rerank.ts'
import { openBlobStore } from './storage/open.ts'
import type { BlobStore } from './storage/port.ts'
import { createUsage, type Usage } from './usage/usage.ts'

/** Below the 120 s after which a load balancer cuts the request: nobody would hear of what takes longer. */
const STATEMENT_MS = 100_000
/** Nobody waits for it. The longest statement removes a purged document's pages, tens of thousands of them. */
const PURGE_STATEMENT_MS = 5 * 60_000

export interface Services {
  readonly config: Config
  readonly log: Logger
  readonly pool: Pool
  readonly prisma: Prisma
  /** Null without DATABASE_REPLICA_URL. */
  readonly replica: Replica | null
  readonly blobs: BlobStore
  readonly index: Index
  /** Search goes by words only where none of them made the index's vectors. */
  readonly embedders: Embedders
  readonly jobs: PgBoss
  readonly models: Models
  /** Null without RERANKER. */
  readonly reranking: Reranking | null
  readonly rewriter: Rewriter
  readonly usage: Usage
  readonly metrics: Metrics
  readonly answers: Answers
  readonly events: Events
  readonly auth: Auth
  readonly sessions: Sessions
}

export interface Running extends AsyncDisposable {
  readonly services: Services
}

export interface StartOptions {
  readonly signal?: AbortSignal
  /** Told what is being waited for. */
  readonly onWait?: (reason: string) => void
}

/**
 * Starts everything behind the HTTP server. Waits for the database and for this build's migrations for as long as
 * it takes, unless the signal aborts. When a later part fails to start, what had started is stopped again.
 * @throws what the failing part threw
 */
export async function startServices(
  config: Config,
  log: Logger,
  options: StartOptions = {},
): Promise<Running> {
  await using stack = new AsyncDisposableStack()
  options.onWait?.('waiting for the database')
  await databaseAnswers(config, log, options.signal)
  const pool = createPool(config, {
    name: 'terrace-api',
    statementMs: STATEMENT_MS,
    onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
  })
  stack.defer(() => pool.end())
  if (config.migrateAtStart) await migrate(createListener(config, 'terrace-migrate'), { log })
  await migrationsAreThere(pool, log, options)
  options.onWait?.('starting')
  const backlog = createPool(config, {
    name: 'terrace-api-metrics',
    max: 1,
    statementMs: BACKLOG_STATEMENT_MS,
    onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
  })
  stack.defer(() => backlog.end())
  const metrics = createMetrics(config, log)
  // Nearly last: until then answers end.
  stack.defer(() => metrics.close())
  const prisma = createPrisma(pool)
  stack.defer(() => prisma.$disconnect())
  const replica = openReplica(config, pool, log)
  stack.defer(() => replica?.close())
  const sessions = createSessions(config, pool)
  const auth = createAuth({
    config,
    prisma,
    log,
    onSessionEnded: (userId) => sessionEnded(pool, sessions, userId),
  })
  const blobs = await openBlobStore(config)
  // Side by side: the index process loads and the embedder's thread warms up while the queues are looked at.
  const indexing = begin(
    stack,
    startSwitchedIndex(config, {
      ...{ pool, log, onSession: (userId) => sessions.drop(userId) },
      embedders: () => embedding,
    }),
    (index) => index.close(),
  )
  const embedding = begin(stack, startEmbedders(config, pool, log), (embedders) => embedders.close())
  const working = begin(stack, startJobs(config, pool, log, { supervise: false }), (jobs) =>
    jobs.stop({ graceful: true, timeout: 10_000 }),
  )
  const index = await indexing
  const embedders = await embedding
  const jobs = await working
  const purging = createPool(config, {
    name: 'terrace-api-purge',
    max: 2,
    statementMs: PURGE_STATEMENT_MS,
    onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
  })
  stack.defer(() => purging.end())
  const purge = await startPurge({ pool: purging, blobs, jobs, log })
  stack.defer(() => purge.stop())
  const events = await createEvents(config, pool, log)
  stack.defer(() => events.stop())
  const models = createModels(config, log)
  stack.defer(() => models.close())
  // Looked at now, so that the first who asks need not wait for it.
  models.list().catch((err: unknown) => log.warn({ err }, 'the models could not be listed'))
  const reranking = createReranking(config, log)
  stack.defer(() => reranking?.close())
  const rewriter = new Rewriter(log)
  const usage = createUsage({ pool, log, budget: config.budget })
  stack.defer(() => usage.close())
  const answers = createAnswers({
    ...{ config, log, pool, index, embedders, models, reranking, rewriter, usage, metrics },
  })
  stack.defer(() => answers.stop())
  metrics.gauge(() => readMachine(config))
  metrics.gauge(() => readBacklog(backlog, index))
  const started = stack.move()
  const services = {
    ...{ config, log, pool, prisma, replica, blobs, index, embedders, jobs, models, answers, events },
    ...{ auth, sessions, reranking, rewriter, usage, metrics },
  }
  return { services, [Symbol.asyncDispose]: () => started.disposeAsync() }
}

/** The one that questions need first is warm, the others start when they are needed. */
async function startEmbedders(config: Config, pool: Pool, log: Logger): Promise<Embedders> {
  const embedders = await createEmbedders(config, { threads: 1, log })
  try {
    const active = await readActive(pool)
    const needed = active === null ? embedders.first : embedders.ofDigest(active.embedderDigest)
    if (active !== null && needed === undefined)
      log.warn({ generation: active.id }, 'no embedder of the active generation: searching by words only')
    await needed?.ready()
    return embedders
  } catch (error) {
    await embedders.close()
    throw error
  }
}

/** What is begun here is stopped with the stack, also when nobody came to wait for it. */
function begin<T>(
  stack: AsyncDisposableStack,
  starting: Promise<T>,
  stop: (part: T) => Promise<unknown> | undefined,
): Promise<T> {
  starting.catch(() => {})
  stack.defer(async () => {
    const part = await starting.then(
      (value) => ({ value }),
      () => null,
    )
    if (part !== null) await stop(part.value)
  })
  return starting
}

async function databaseAnswers(config: Config, log: Logger, signal: AbortSignal | undefined): Promise<void> {
  for (let wait = 250; ; wait = Math.min(wait * 2, 5_000)) {
    signal?.throwIfAborted()
    const client = createListener(config, 'terrace-api-start')
    try {
      await client.connect()
      return
    } catch (err) {
      log.warn({ err }, 'waiting for the database')
      await sleep(wait, undefined, signal === undefined ? {} : { signal })
    } finally {
      await client.end().catch(() => {})
    }
  }
}

async function migrationsAreThere(pool: Pool, log: Logger, { signal, onWait }: StartOptions): Promise<void> {
  for (;;) {
    signal?.throwIfAborted()
    const missing = await missingMigrations(pool)
    if (missing.length === 0) return
    log.warn({ missing }, 'waiting for migrations')
    onWait?.(`migrations missing: ${missing.join(', ')}`)
    await sleep(2_000, undefined, signal === undefined ? {} : { signal })
  }
}
