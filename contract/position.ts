// What a client has seen of the index, as it travels with requests and replies: EPOCH:SEQ. A reply says how far its
// server had come; sent back with the next request, it keeps searches from going back in time on another server.

export const POSITION_HEADER = 'terrace-position'

/** A place in the log of the index. Positions of different epochs can't be compared. */
export interface LogPlace {
  readonly epoch: string
  readonly seq: number
}

const SHAPE = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):(\d{1,15})$/

export function formatPosition({ epoch, seq }: LogPlace): string {
  return `${epoch}:${seq}`
}

/** Null for what is no position: a header may hold anything. */
export function parsePosition(text: unknown): LogPlace | null {
  const [, epoch, seq] = (typeof text === 'string' ? SHAPE.exec(text) : null) ?? []
  return epoch === undefined ? null : { epoch, seq: Number(seq) }
}

/** The later of the two; of different epochs the one that was heard last, `heard`. */
export function laterPosition(known: LogPlace | null, heard: LogPlace): LogPlace {
  return known !== null && known.epoch === heard.epoch && known.seq > heard.seq ? known : heard
}
