// A request's filter, made ready for asking place by place. `share` decides how a search goes about it; whatever way
// it goes, the answer is the same.
import type { Passages } from './passages.ts'
import type { IndexFilter } from './port.ts'

export interface Allowed {
  /** Every live passage is allowed. */
  readonly all: boolean
  readonly passages: number
  readonly vectors: number
  /** Live and allowed. */
  has(place: number): boolean
  /** Ranges of places [first, end) of the allowed documents, ascending. */
  ranges(): (readonly [number, number])[]
}

export function allowed(passages: Passages, filter: IndexFilter): Allowed {
  return filter.kind === 'collections'
    ? byCollection(passages, new Set(filter.keys))
    : byDocument(passages, new Set(filter.keys))
}

function byCollection(passages: Passages, keys: ReadonlySet<number>): Allowed {
  const slots: number[] = []
  let count = 0
  let vectors = 0
  for (const key of keys) {
    const collection = passages.collections.get(key)
    if (collection === undefined) continue
    for (const slot of collection.documents) slots.push(slot)
    count += collection.passages
    vectors += collection.vectors
  }
  const alive = passages.alive.values
  const all = count === passages.live
  if (all)
    return {
      all,
      passages: count,
      vectors,
      has: (p) => alive[p] === 1,
      ranges: () => ranges(passages, slots),
    }
  const slotOf = passages.slot.values
  const collectionOf = passages.slotCollection.values
  return {
    all,
    passages: count,
    vectors,
    has: (place) => alive[place] === 1 && keys.has(collectionOf[slotOf[place] ?? 0] ?? -1),
    ranges: () => ranges(passages, slots),
  }
}

function byDocument(passages: Passages, keys: ReadonlySet<number>): Allowed {
  const slots = new Set<number>()
  let count = 0
  let vectors = 0
  for (const key of keys) {
    const slot = passages.documents.get(key)
    const document = slot === undefined ? undefined : passages.documentAt[slot]
    if (slot === undefined || document === undefined) continue
    slots.add(slot)
    count += document.count
    vectors += document.vectors
  }
  const alive = passages.alive.values
  const slotOf = passages.slot.values
  return {
    all: count === passages.live,
    passages: count,
    vectors,
    has: (place) => alive[place] === 1 && slots.has(slotOf[place] ?? 0),
    ranges: () => ranges(passages, slots),
  }
}

function ranges(passages: Passages, slots: Iterable<number>): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = []
  for (const slot of slots) {
    const document = passages.documentAt[slot]
    if (document !== undefined && document.count > 0)
      found.push([document.first, document.first + document.count])
  }
  return found.sort((a, b) => a[0] - b[0])
}
