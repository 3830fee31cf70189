// What a client has seen, as it travels with requests and replies: EPOCH:SEQ or EPOCH:SEQ:WAL. A reply says how far its
// server had come; sent back with the next request, it keeps searches (SEQ) from going back in time on another server,
// and lists (WAL) on a replica of the database.

export const POSITION_HEADER = 'terrace-position'

/** A place in the log of the index. Positions of different epochs can't be compared. */
export interface LogPlace {
  readonly epoch: string
  readonly seq: number
}

export interface Seen extends LogPlace {
  /** A place in the database's write-ahead log, in bytes; only where there is a replica to compare it with. */
  readonly wal?: number
}

const SHAPE = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,15})(?::(\d{1,15}))?$/

export function formatPosition({ epoch, seq, wal }: Seen): string {
  return wal === undefined ? `${epoch}:${seq}` : `${epoch}:${seq}:${wal}`
}

/** Null for what is no position: a header may hold anything. */
export function parsePosition(text: unknown): Seen | null {
  const [, epoch, seq, wal] = (typeof text === 'string' ? SHAPE.exec(text) : null) ?? []
  if (epoch === undefined) return null
  return { epoch, seq: Number(seq), ...(wal === undefined ? {} : { wal: Number(wal) }) }
}

/** Whichever is later, of SEQ and of WAL; of different epochs the one that was heard last, `heard`. */
export function laterPosition(known: Seen | null, heard: Seen): Seen {
  if (known === null || known.epoch !== heard.epoch) return heard
  const wal = Math.max(known.wal ?? -1, heard.wal ?? -1)
  return {
    epoch: heard.epoch,
    seq: Math.max(known.seq, heard.seq),
    ...(wal < 0 ? {} : { wal }),
  }
}
