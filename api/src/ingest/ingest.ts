// From accepted files to searchable passages: works on the queues `ingest` (read, split, publish words) and `embed`
// (vectors, publish them). Small files, large ones and those that keep failing have workers of their own. What is under
// way when the process stops is handed back; what a killed process had in hand is taken up; what lost its job gets another.
import type { Job, PgBoss } from 'pg-boss'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { Pool } from '../database/pool.ts'
import { startFill } from '../generations/fill.ts'
import { countFailedTry } from '../jobs/failing.ts'
import { othersWait, passTurn } from '../jobs/pass-turn.ts'
import { LANES, type Lane, type TurnQueue, type VersionJob } from '../jobs/queues.ts'
import type { Embedders } from '../models/embedders.ts'
import { activeGeneration } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import type { BlobStore } from '../storage/port.ts'
import { ActiveVersions, Stopped } from './active.ts'
import { handBack, startClaims } from './claims.ts'
import { embedVersion } from './embed.ts'
import { judge } from './failures.ts'
import type { ParserPool } from './parse/pool.ts'
import { cancelVersion } from './publish.ts'
import { type ReadDeps, readFile } from './read.ts'
import { readAgain } from './read-again.ts'
import { reconcile } from './reconcile.ts'
import { EmbedderShares } from './shares.ts'
import { needsAttention, readVersion, waitsFor } from './versions.ts'

export interface IngestDeps {
  readonly config: Config
  readonly log: Logger
  readonly pool: Pool
  readonly jobs: PgBoss
  readonly blobs: BlobStore
  readonly parsers: ParserPool
  readonly embedders: Embedders
}

export interface Ingest {
  /** Hands back what is under way. The jobs are stopped with it; pool, parsers and embedders stay the caller's. */
  stop(): Promise<void>
}

/**
 * Workers of one queue for each lane. More of them than cores only where they wait for others. Only what embeds has a
 * lane for what keeps failing: it may wait long for an endpoint, each time.
 */
const WORKERS = { ingest: { small: 2, large: 1 }, embed: { small: 4, large: 2, failing: 2 } } as const

/** Parsers that can be busy at once: what is read again, for a build or for vectors, takes no upload's place. */
export const PARSERS = WORKERS.ingest.small + WORKERS.ingest.large + 2

const RECONCILE_MS = 30_000
/** Time that jobs have to be settled when the process stops; a database that is away must not use up all of it. */
const SETTLE_MS = 8_000
/** Times that an error nobody expected is tried again before a person is asked to look. */
const UNKNOWN_TRIES = 5

type Work = (job: Job<VersionJob>, signal: AbortSignal, lane: Lane) => Promise<void>

export async function startIngest(deps: IngestDeps): Promise<Ingest> {
  const { pool, jobs, log } = deps
  const embeds = async () => (await activeGeneration(pool, deps.embedders)) !== null
  const active = new ActiveVersions(pool, log)
  const claims = await startClaims(deps, (versionId) => void heardCancel(versionId))
  const handedBack: string[] = []
  const unknown = new Map<string, number>()

  async function heardCancel(versionId: string): Promise<void> {
    if (active.has(versionId)) await active.look([versionId])
    else
      await cancelVersion(deps, versionId).catch((err: unknown) =>
        log.debug({ err, versionId }, 'a cancellation is left to reconciliation'),
      )
  }

  async function handle(queue: TurnQueue, lane: Lane, job: Job<VersionJob>, work: Work): Promise<void> {
    const { id, signal } = job
    const { versionId } = job.data
    try {
      await active.run(versionId, signal, (stop) => work(job, stop, lane))
      unknown.delete(versionId)
    } catch (error) {
      const stopped = error instanceof Stopped ? error.why : null
      if (stopped === 'cancelled') return await cancelVersion(deps, versionId)
      if (stopped === 'deleted') return
      // The claim on the job was lost (this process was away for longer than a heartbeat): another one has it.
      if (stopped === null && signal.aborted) return log.warn({ versionId }, 'lost the claim on a job')
      if (stopped === 'shutdown') {
        // pg-boss gives a job back only as a failed one; stop() below takes the delay away.
        handedBack.push(id)
        throw error
      }
      await fail(queue, job, error)
    }
  }

  async function fail(queue: TurnQueue, job: Job<VersionJob>, error: unknown): Promise<void> {
    const { versionId } = job.data
    const verdict = judge(error)
    const version = await readVersion(pool, versionId)
    if (version === null) return
    if (verdict.kind === 'attention') {
      log.info({ versionId, code: verdict.code }, 'a file needs attention')
      return await needsAttention(pool, version, verdict.code, verdict.detail)
    }
    log.error({ err: error, versionId }, 'work on a file failed')
    if (verdict.kind === 'later') {
      if (verdict.code !== null) await waitsFor(pool, version, verdict.code).catch(() => {})
      // Where the database does not take that either, it was no try of the file's.
      if ('failing' in WORKERS[queue]) await countFailedTry(pool, queue, job).catch(() => {})
      throw error
    }
    const tries = (unknown.get(versionId) ?? 0) + 1
    unknown.set(versionId, tries)
    if (tries < UNKNOWN_TRIES) throw error
    unknown.delete(versionId)
    await needsAttention(pool, version, 'INTERNAL', { requestId: versionId })
  }

  /** A worker fetches again as soon as it is done: pg-boss would wait for its next poll with jobs in the queue. */
  async function startWorkers(queue: TurnQueue, work: Work): Promise<void> {
    for (const [lane, count] of Object.entries(WORKERS[queue]) as [Lane, number][])
      for (let i = 0; i < count; i++) {
        const worker: string = await jobs.work<VersionJob>(
          queue,
          {
            pollingIntervalSeconds: 2,
            notifyPollingIntervalSeconds: 5,
            heartbeatRefreshSeconds: 3,
            minPriority: LANES[lane].last,
            maxPriority: LANES[lane].first,
          },
          async ([job]) => {
            try {
              if (job !== undefined) await handle(queue, lane, job, work)
            } finally {
              jobs.notifyWorker(worker)
            }
          },
        )
      }
  }

  const readForVectors = readAgain(deps)
  const readDeps: ReadDeps = { ...deps, embed: embeds }
  await startWorkers('ingest', ({ data }, signal) => readFile(readDeps, data, signal))
  let embedding = false
  const shares = new Map<Embedder, EmbedderShares>()
  const share = (embedder: Embedder) => {
    const whole = shares.get(embedder) ?? new EmbedderShares(embedder)
    shares.set(embedder, whole)
    return whole.share()
  }
  /** From the moment on that this process can: its embedder may be the one that is switched to. */
  async function startEmbedding(): Promise<boolean> {
    if (!(await embeds())) return false
    if (!embedding) {
      embedding = true
      await startWorkers('embed', async (job, signal, lane) => {
        const turns = { share, othersWait: () => othersWait(pool, 'embed', lane, job.id) }
        const done = await embedVersion(
          { ...deps, ...turns, readAgain: readForVectors },
          job.data.versionId,
          signal,
        )
        if (!done) await passTurn(pool, 'embed', lane, job)
      })
    }
    return true
  }
  await startEmbedding()
  const fill = startFill({ ...deps, readAgain: readAgain(deps) })

  let reconciling: Promise<void> = Promise.resolve()
  const runReconcile = () => {
    reconciling = reconciling.then(async () => {
      try {
        const embedsNow = await startEmbedding()
        const sent = await reconcile({ ...deps, embeds: embedsNow, isActive: (id) => active.has(id) })
        if (sent > 0) log.warn({ jobs: sent }, 'sent jobs that were missing')
      } catch (err) {
        log.warn({ err }, 'reconciliation failed and is tried again later')
      }
    })
  }
  const timer = setInterval(runReconcile, RECONCILE_MS)
  runReconcile()

  return {
    async stop() {
      clearInterval(timer)
      await Promise.all([reconciling, fill.stop()])
      // No worker fetches any more; what one is just being given comes to `active`, which refuses it. Graceful, so
      // that every job is settled before the hand-back: one that pg-boss fails later would wait out its delay.
      for (const queue of ['ingest', 'embed']) void jobs.offWork(queue, { wait: false })
      const settled = jobs.stop({ graceful: true, close: false, timeout: SETTLE_MS })
      await active.close()
      await settled
      await handBack(pool, handedBack)
      await claims.close()
      log.info({ jobs: handedBack.length }, 'handed back what was under way')
    },
  }
}
