// The versions that this process works on right now, each with the signal that stops its work: because a person
// cancelled or deleted it (heard by NOTIFY, and looked up twice a second in case the notice was lost), or because the
// process stops and hands its jobs back.
import type { Logger } from 'pino'
import { BRIEF_MS, type Pool, within } from '../database/pool.ts'

/** Why a version's work was stopped. */
export class Stopped extends Error {
  readonly why: 'cancelled' | 'deleted' | 'shutdown'

  constructor(why: Stopped['why']) {
    super(why)
    this.name = 'Stopped'
    this.why = why
  }
}

interface Work {
  readonly stop: AbortController
  readonly done: Promise<void>
}

const LOOK_EVERY_MS = 500

export class ActiveVersions {
  readonly #pool: Pool
  readonly #log: Logger
  readonly #work = new Map<string, Work>()
  readonly #timer: NodeJS.Timeout
  #looking = false
  #closed = false

  constructor(pool: Pool, log: Logger) {
    this.#pool = pool
    this.#log = log
    this.#timer = setInterval(() => void this.look([...this.#work.keys()]), LOOK_EVERY_MS)
  }

  has(versionId: string): boolean {
    return this.#work.has(versionId)
  }

  get size(): number {
    return this.#work.size
  }

  /**
   * Runs `work` for a version, alone: a second job of the same version waits until the first is over.
   * `jobSignal` stops it too (the claim on the job was lost).
   */
  async run<T>(
    versionId: string,
    jobSignal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    for (let other = this.#work.get(versionId); other !== undefined; other = this.#work.get(versionId))
      await other.done
    if (this.#closed) throw new Stopped('shutdown')
    const stop = new AbortController()
    const { promise: done, resolve } = Promise.withResolvers<void>()
    this.#work.set(versionId, { stop, done })
    try {
      return await work(AbortSignal.any([stop.signal, jobSignal]))
    } catch (error) {
      // Whatever the abort broke on its way, the cause is the stop.
      throw stop.signal.aborted ? stop.signal.reason : error
    } finally {
      this.#work.delete(versionId)
      resolve()
    }
  }

  /** Asks the database whether the work on these versions is still wanted, and stops what is not. */
  async look(versionIds: readonly string[]): Promise<void> {
    const known = versionIds.filter((id) => this.#work.has(id))
    if (known.length === 0 || this.#looking) return
    this.#looking = true
    try {
      const { rows } = await this.#pool.query<{ id: string; alive: boolean }>(
        within(BRIEF_MS, {
          name: 'ingest-unwanted',
          text: `SELECT v.id, d.deleted_at IS NULL AND c.deleted_at IS NULL AS alive
                 FROM document_versions v JOIN documents d ON d.id = v.document_id JOIN collections c ON c.id = d.collection_id
                 WHERE v.id = ANY($1)
                   AND (v.cancel_requested_at IS NOT NULL OR d.deleted_at IS NOT NULL OR c.deleted_at IS NOT NULL)`,
          values: [known],
        }),
      )
      for (const { id, alive } of rows)
        this.#work.get(id)?.stop.abort(new Stopped(alive ? 'cancelled' : 'deleted'))
    } catch (err) {
      this.#log.debug({ err }, 'could not ask whether work was cancelled')
    } finally {
      this.#looking = false
    }
  }

  /** Stops everything; resolves when all work is over. Nothing can be begun any more. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    const running = [...this.#work.values()]
    for (const { stop } of running) stop.abort(new Stopped('shutdown'))
    await Promise.all(running.map(({ done }) => done))
  }
}
