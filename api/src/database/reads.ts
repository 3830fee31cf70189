// What one request has seen of the database: which of its reads may go to the replica, and what its reply tells the
// client to bring along next time, so that nobody's lists go back in time or lack what they have just written.
import { laterPosition, type Seen } from '../../../contract/position.ts'
import type { Pool, Queryable } from './pool.ts'
import type { Replica } from './replica.ts'
import type { WalPlace } from './wal.ts'

/** How rooms read what may be a moment old. Never used for what somebody may do, nor for documents' text (promise P5). */
export interface Lists {
  /** On the replica if it has all that this client has seen, else on the primary. `work` may run twice. */
  read<T>(work: (db: Queryable) => Promise<T>): Promise<T>
  /** False where everything is read on the primary: then nothing that is read is older than the statement. */
  readonly mayLag: boolean
}

export interface Reads extends Lists {
  /** To be awaited after the primary was read from or written to, before the reply. Never rejects, and is soon over. */
  sawPrimary(): Promise<void>
  /** What the reply has to tell; null when nothing that a replica could lack was seen. */
  readonly place: WalPlace | null
}

/** Without a replica: everything is read on the primary, and there is nothing to tell. */
export function primaryReads(pool: Queryable): Reads {
  return { read: (work) => work(pool), sawPrimary: async () => {}, place: null, mayLag: false }
}

/** @param seen what the client says that it has seen */
export function createReads(pool: Pool, replica: Replica | null, seen: Seen | undefined): Reads {
  return replica === null ? primaryReads(pool) : new RequestReads(pool, replica, seen)
}

class RequestReads implements Reads {
  readonly #pool: Pool
  readonly #replica: Replica
  readonly #seen: WalPlace | undefined
  readonly mayLag = true
  #place: WalPlace | null = null

  constructor(pool: Pool, replica: Replica, seen: Seen | undefined) {
    this.#pool = pool
    this.#replica = replica
    this.#seen = seen?.wal === undefined ? undefined : { epoch: seen.epoch, wal: seen.wal }
  }

  get place(): WalPlace | null {
    return this.#place
  }

  async read<T>(work: (db: Queryable) => Promise<T>): Promise<T> {
    const read = await this.#replica.read(this.#seen, work)
    if (read !== null) {
      this.#note(read.upTo)
      return read.value
    }
    const value = await work(this.#pool)
    await this.sawPrimary()
    return value
  }

  async sawPrimary(): Promise<void> {
    const place = await this.#replica.primaryPlace().catch(() => this.#replica.beyond())
    if (place !== null) this.#note(place)
  }

  #note(heard: WalPlace): void {
    const known = this.#place === null ? null : { ...this.#place, seq: 0 }
    const { epoch, wal = 0 } = laterPosition(known, { ...heard, seq: 0 })
    this.#place = { epoch, wal }
  }
}
