// The ingest process. Stops on SIGTERM and SIGINT, and under a supervisor when its stdin ends.
// Its embedder's threads run at low priority, so that searches and parsers of the same machine go first.
import { setTimeout as sleep } from 'node:timers/promises'
import { SECONDS } from '../../../contract/ports.ts'
import { loadConfig } from '../config.ts'
import { missingMigrations } from '../database/migrate.ts'
import { createPool, type Pool } from '../database/pool.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createLog } from '../log.ts'
import { createEmbedders } from '../models/embedders.ts'
import { activeGeneration } from '../models/generation.ts'
import { findWeights } from '../models/weights.ts'
import { openBlobStore } from '../storage/open.ts'
import { PARSERS, startIngest } from './ingest.ts'
import { startParserPool } from './parse/pool.ts'

const EMBEDDING_NICENESS = 10
/** The longest statement removes all passages and vectors of a large document. */
const STATEMENT_MS = 5 * 60_000

const config = loadConfig()
const log = createLog(config, 'ingest')
const stop = new AbortController()

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort())
if (config.supervised)
  process.stdin
    .on('end', () => stop.abort())
    .on('error', () => stop.abort())
    .resume()
process.on('unhandledRejection', (err) => log.error({ err }, 'unhandled rejection'))
process.on('uncaughtException', (err) => {
  log.fatal({ err }, 'uncaught exception')
  process.exit(1)
})
stop.signal.addEventListener(
  'abort',
  () => {
    setTimeout(
      () => {
        log.error('not everything stopped in time')
        process.exit(1)
      },
      (SECONDS.stop - 5) * 1000,
    ).unref()
  },
  { once: true },
)

async function run(): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const pool = createPool(config, {
    name: 'terrace-ingest',
    max: 20,
    statementMs: STATEMENT_MS,
    onError: (err) => log.warn({ err }, 'an idle connection to the database was lost'),
  })
  stack.defer(() => pool.end())
  await databaseIsReady(pool)
  const blobs = await openBlobStore(config)
  const found = await findWeights(config.modelDir)
  const tokenizer = found.state === 'found' ? found.weights.tokenizer : null
  const [embedders, parsers, jobs] = await Promise.all([
    createEmbedders(config, { threads: config.ingestThreads, nice: EMBEDDING_NICENESS, log }),
    startParserPool({ log, tokenizer, size: PARSERS }),
    startJobs(config, pool, log, { supervise: true }),
  ])
  stack.defer(() => parsers.close())
  stack.defer(() => embedders.close())
  const active = await activeGeneration(pool, embedders)
  if (active === null)
    log.warn('no embedder of the active generation: documents stay searchable by words only')
  await active?.embedder.ready()
  const ingest = await startIngest({ config, log, pool, jobs, blobs, parsers, embedders })
  stack.defer(() => ingest.stop())
  log.info({ model: active?.embedder.identity.model ?? null, sandbox: parsers.sandbox.name }, 'ready')
  await new Promise<void>((resolve) => {
    if (stop.signal.aborted) resolve()
    stop.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  log.info('stopping')
}

/** The database may still be starting, and another process may be about to migrate it. */
async function databaseIsReady(pool: Pool): Promise<void> {
  for (let wait = 100; ; wait = Math.min(wait * 2, 5_000)) {
    stop.signal.throwIfAborted()
    try {
      const missing = await missingMigrations(pool)
      if (missing.length === 0) return
      log.warn({ missing: missing.length }, 'waiting for migrations')
    } catch (err) {
      log.warn({ err }, 'waiting for the database')
    }
    await sleep(wait, undefined, { signal: stop.signal })
  }
}

try {
  await run()
} catch (err) {
  if (!stop.signal.aborted) {
    log.fatal({ err }, 'could not start')
    process.exitCode = 1
  }
}
log.info('stopped')
process.exit()
