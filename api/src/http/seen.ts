// What a reply or an event tells the client that it has seen now (contract/position.ts).
import type { Seen } from '../../../contract/position.ts'
import type { Reads } from '../database/reads.ts'
import type { Index } from '../index/port.ts'

/**
 * How far this server's index had come at the latest: what a search showed is no newer. And, where there is a replica,
 * what the request has seen of the database. Null while nothing is known of either.
 */
export function seenNow(index: Pick<Index, 'status'>, { place }: Pick<Reads, 'place'>): Seen | null {
  const { position } = index.status()
  if (place === null) return position === null ? null : { epoch: position.epoch, seq: position.seq }
  // An index that has not come to this epoch yet has nothing to say about it.
  const seq = position?.epoch === place.epoch ? position.seq : 0
  return { epoch: place.epoch, seq, wal: place.wal }
}
