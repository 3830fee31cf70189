// The background work on generations besides the active one, in every ingest process: whatever document was not read for
// one that is built, or for the one before (so that going back is one click), is read for it, and whatever passage has no
// vector of it gets one; vectors and texts that are not wanted any more are removed. Each generation goes its own way: a
// build takes hours, and back has to be one click all the while. Nothing is remembered but passages and vectors
// themselves: a process that is killed leaves nothing to mend, and several share the work by claiming documents and blocks
// of passages.
import { setTimeout as sleep } from 'node:timers/promises'
import type { PoolClient } from 'pg'
import type { Logger } from 'pino'
import { NIL_ID } from '../database/nil-id.ts'
import type { Pool } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { judge } from '../ingest/failures.ts'
import type { ReadAgain } from '../ingest/read-again.ts'
import { embedPassages } from '../models/embed-passages.ts'
import type { Embedders } from '../models/embedders.ts'
import type { Embedder } from '../models/port.ts'
import { claimBlock, claimDocument, releaseBlock, releaseDocument } from './claims.ts'
import {
  BLOCK,
  checkWanted,
  type FilledGeneration,
  keepVectors,
  missingAfter,
  missingSince,
  NotWanted,
  noteComplete,
  noteIncomplete,
  notePause,
  readBackground,
  readMissing,
  recount,
  type UnreadVersion,
  unreadAfter,
} from './fill-state.ts'
import { removeOldReadings } from './old-readings.ts'
import { removeVectors } from './remove.ts'

export interface FillDeps {
  readonly pool: Pool
  readonly embedders: Embedders
  readonly log: Logger
  readonly readAgain: ReadAgain
}

export interface Fill {
  /** What is under way is given up; the vectors so far are kept. */
  stop(): Promise<void>
}

const POLL_MS = 1_000
/** Documents are followed by the time at which they changed; this finds what that may have missed. */
const LOOK_AT_ALL_MS = 60 * 60_000
const REFUSED_SECONDS = 600
const MOST_SECONDS = 60
const MOST_DELAYS = 3
/** Before what others were at is looked at again: the next time twice as long, up to a minute. */
const SHARED_SECONDS = 5
const OLD_READINGS_MS = 60_000

export function startFill(deps: FillDeps): Fill {
  const stop = new AbortController()
  const running = run(deps, stop.signal)
  return {
    async stop() {
      stop.abort()
      await running
    },
  }
}

async function run(deps: FillDeps, signal: AbortSignal): Promise<void> {
  const { pool, embedders, log } = deps
  const old = removeOldReadingsNowAndThen(deps, signal)
  const courses = new Map<number, Course>()
  const running = new Map<number, Promise<void>>()
  const failed = (err: unknown, generation?: number) => {
    if (!signal.aborted) log.warn({ err, generation }, 'work on a search model failed and is tried again')
  }
  const workOn = async (generation: FilledGeneration): Promise<void> => {
    if (generation.state === 'removing') return await removeVectors(pool, generation.id, log, signal)
    const embedder = embedders.ofDigest(generation.embedderDigest)
    if (embedder === undefined) return
    const course = courses.get(generation.id) ?? new Course({ ...deps, generation, embedder })
    courses.set(generation.id, course)
    await course.run(signal)
  }
  while (!signal.aborted) {
    try {
      const work = await readBackground(pool)
      for (const id of courses.keys()) if (!work.some((each) => each.id === id)) courses.delete(id)
      for (const generation of work) {
        const { id } = generation
        if (running.has(id)) continue
        const done = workOn(generation)
          .catch((err: unknown) => failed(err, id))
          .finally(() => running.delete(id))
        running.set(id, done)
      }
    } catch (err) {
      failed(err)
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => {})
  }
  await Promise.all([...running.values(), old])
}

async function removeOldReadingsNowAndThen({ pool, log }: FillDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await removeOldReadings(pool, log, signal).catch((err: unknown) => {
      if (!signal.aborted) log.warn({ err }, 'texts of an old reading were not removed, and are tried again')
    })
    await sleep(OLD_READINGS_MS, undefined, { signal }).catch(() => {})
  }
}

interface CourseDeps {
  readonly pool: Pool
  readonly log: Logger
  readonly readAgain: ReadAgain
  readonly generation: FilledGeneration
  readonly embedder: Embedder
}

/** One generation's way from its first document to its last passage, and along with the documents that come after. */
class Course {
  readonly #deps: CourseDeps
  /** Passages up to this id were looked at. */
  #from = 0
  /** Versions up to this id were looked at. */
  #readFrom = NIL_ID
  /** Versions that could not be read, in this look at all. */
  readonly #unreadable = new Set<string>()
  #counted = false
  /** Others had claimed some of it: it has to be looked at again. */
  #shared = false
  /** Looks at all in a row that found nothing but what others were at. */
  #sharedRests = 0
  #refused: AppError | null = null
  /** The same, for a reason that passes. */
  #delayed: AppError | null = null
  /** Documents in a row that were. */
  #delays = 0
  /** The block in which the embedder took too long last. */
  #stalled: number | null = null
  /** performance.now() */
  #notBefore = 0
  #failures = 0
  /** The database's time before the last look at all that found nothing missing; null until then. */
  #completeSince: string | null = null
  #lookedAt = 0
  /** The log's end when nothing was missing last: no document became searchable without moving it. */
  #head = ''

  constructor(deps: CourseDeps) {
    this.#deps = deps
  }

  /** Until there is nothing to do, or a reason to pause. @throws what the database says */
  async run(signal: AbortSignal): Promise<void> {
    if (performance.now() < this.#notBefore) return
    const { pool, generation, log } = this.#deps
    const client = await pool.connect()
    let broken = true
    try {
      await this.#go(client, signal)
      broken = false
    } catch (error) {
      if (error instanceof NotWanted || signal.aborted) return
      const cause = error instanceof WorkFailed ? error.cause : null
      if (cause === null) throw error
      const seconds = this.#pauseSeconds(cause)
      this.#notBefore = performance.now() + seconds * 1_000
      log.warn({ generation: generation.id, err: cause, seconds }, 'a search model is not built for a while')
      await notePause(pool, generation.id, cause, seconds)
    } finally {
      // With the connection go the claims.
      client.release(broken)
    }
  }

  async #go(client: PoolClient, signal: AbortSignal): Promise<void> {
    const { pool, generation, log } = this.#deps
    if (!this.#counted) await recount(pool, generation.id)
    this.#counted = true
    if (this.#completeSince !== null && performance.now() - this.#lookedAt < LOOK_AT_ALL_MS) {
      this.#refused = null
      return await this.#followOn(client, this.#completeSince, signal)
    }
    const { now: began } = await momentOf(pool)
    for (;;) {
      signal.throwIfAborted()
      const found = await missingAfter(pool, generation.id, this.#from)
      if (found !== null) {
        await this.#embed(client, found.ids, signal)
        this.#from = found.end
      } else if (!(await this.#readNext(client, null, signal))) break
    }
    this.#from = 0
    this.#readFrom = NIL_ID
    const { missing, unread } = await recount(pool, generation.id)
    if (missing === 0 && unread === 0) {
      if (this.#completeSince === null) log.info({ generation: generation.id }, 'a search model is complete')
      this.#completeSince = began
      this.#lookedAt = performance.now()
      this.#refused = null
      this.#shared = false
    } else await this.#restAfterRefusals(REFUSED_SECONDS)
  }

  /** A few documents more; their passages come after all that there are. False when there is none any more. */
  async #readNext(client: PoolClient, since: string | null, signal: AbortSignal): Promise<boolean> {
    const { pool, generation } = this.#deps
    const versions = await unreadAfter(pool, generation.id, this.#readFrom, since)
    for (const version of versions) {
      signal.throwIfAborted()
      await this.#read(client, version, signal)
      this.#readFrom = version.id
    }
    return versions.length > 0
  }

  async #read(client: PoolClient, { id, documentKey, documentId }: UnreadVersion, signal: AbortSignal) {
    const { generation, readAgain } = this.#deps
    const { reading } = generation
    if (!(await claimDocument(client, reading.id, documentKey))) {
      this.#shared = true
      return
    }
    try {
      if (!(await readAgain(id, reading, signal))) await checkWanted(this.#deps.pool, generation.id)
      this.#sharedRests = 0
      this.#failures = 0
      this.#delays = 0
    } catch (error) {
      if (signal.aborted || error instanceof NotWanted) throw error
      const verdict = judge(error)
      this.#deps.log.info({ err: error, versionId: id, reading: reading.id }, 'a file was not read anew')
      if (verdict.kind === 'later') {
        const reason = 'an original could not be read'
        this.#delayed =
          error instanceof AppError ? error : new AppError(verdict.code ?? 'UNAVAILABLE', { reason })
        // It may be this one's trouble: others are tried before it is waited for.
        if (++this.#delays >= MOST_DELAYS) {
          this.#delays = 0
          this.#readFrom = id
          throw new WorkFailed(this.#delayed)
        }
      } else {
        this.#unreadable.add(id)
        // Its name is for those who may see it (generations.ts).
        this.#refused = new AppError('READING_FAILED', { documentId, files: this.#unreadable.size })
      }
    }
    await releaseDocument(client, reading.id, documentKey)
  }

  /** What was passed over is not asked for again at once. */
  async #restAfterRefusals(seconds: number): Promise<void> {
    const [refused, delayed, shared] = [this.#refused, this.#delayed, this.#shared]
    this.#refused = null
    this.#delayed = null
    this.#unreadable.clear()
    this.#shared = false
    const reason = refused ?? delayed
    if (reason === null && !shared) return
    const rest =
      refused !== null
        ? seconds
        : reason !== null
          ? this.#pauseSeconds(reason)
          : SHARED_SECONDS * 2 ** Math.min(6, this.#sharedRests++)
    // Whom it was shared with may be killed meanwhile.
    this.#notBefore = performance.now() + (shared ? Math.min(rest, MOST_SECONDS) : rest) * 1_000
    if (reason === null) return
    await notePause(this.#deps.pool, this.#deps.generation.id, reason, rest)
  }

  async #followOn(client: PoolClient, since: string, signal: AbortSignal): Promise<void> {
    const { pool, generation } = this.#deps
    const { now: began, head } = await momentOf(pool)
    if (head === this.#head) return
    let unread = false
    while (await this.#readNext(client, since, signal)) unread = true
    this.#readFrom = NIL_ID
    const ids = await missingSince(pool, generation.id, since)
    if (unread || ids.length > 0) {
      await noteIncomplete(pool, generation.id)
      await this.#embed(client, ids, signal)
      // It stays missing: asked for again at once, it would be refused, and paid, every second.
      await this.#restAfterRefusals(this.#unreadable.size > 0 ? REFUSED_SECONDS : MOST_SECONDS)
      return
    }
    await noteComplete(pool, generation.id)
    this.#completeSince = began
    this.#head = head
  }

  /** @param ids ascending */
  async #embed(client: PoolClient, ids: readonly number[], signal: AbortSignal): Promise<void> {
    for (const [block, members] of Map.groupBy(ids, (id) => Math.floor(id / BLOCK))) {
      signal.throwIfAborted()
      if (await claimBlock(client, this.#deps.generation.id, block)) {
        await this.#embedBlock(block, members, signal)
        await releaseBlock(client, this.#deps.generation.id, block)
      } else this.#shared = true
    }
  }

  async #embedBlock(block: number, ids: readonly number[], signal: AbortSignal): Promise<void> {
    const { pool, generation, embedder } = this.#deps
    const again = block === this.#stalled
    const waiting = await readMissing(pool, generation.id, ids)
    let at = 0
    await embedPassages(
      {
        kind: 'background',
        embedder: {
          window: embedder.window,
          embed: (text, kind, stop) =>
            embedder.embed(text, kind, stop).catch((error: unknown) => {
              throw stop?.aborted === true ? error : new WorkFailed(error)
            }),
        },
        next: async () => waiting[at++],
        write: async (kept, vectors) => {
          await keepVectors(pool, generation.id, kept, vectors)
          this.#failures = 0
          this.#sharedRests = 0
        },
        passOver: (error) => {
          const cause = error instanceof WorkFailed ? error.cause : null
          if (!(cause instanceof AppError)) return false
          const stalled = cause.code === 'EMBEDDER_STALLED'
          if (stalled) this.#stalled = block
          // Whether it is this text that takes too long can't be told; but those behind it are not kept twice.
          if (cause.code !== 'EMBEDDER_REFUSED_TEXT' && !(again && stalled)) return false
          this.#refused = cause
          return true
        },
      },
      signal,
    )
  }

  #pauseSeconds(error: unknown): number {
    if (error instanceof AppError && typeof error.detail.seconds === 'number') return error.detail.seconds
    return Math.min(MOST_SECONDS, 2 ** this.#failures++)
  }
}

/** Of the embedder, or of reading a file; what else fails is the database. */
class WorkFailed extends Error {
  constructor(cause: unknown) {
    super('the work on a generation failed', { cause })
  }
}

/** The database's time, and what changes whenever a version is published or read. */
async function momentOf(pool: Pool): Promise<{ now: string; head: string }> {
  const { rows } = await pool.query<{ now: string; head: string }>(
    `SELECT now()::text AS now, h.seq || ' ' || p.last_value AS head
     FROM index_head h, passages_id_seq p WHERE h.id = 1`,
  )
  return rows[0] ?? { now: '', head: '' }
}
