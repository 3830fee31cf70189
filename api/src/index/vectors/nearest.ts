// The k nearest allowed passages of each query, exactly: the k highest exact scores, ties by passage id, whatever
// engine, batch size, filter or number of segments (promise P6; recall 1.0).
// Engines know scores only within bounds. What they offer is believed to be complete only when everything that they
// left out must lie below the k-th best score; else they are asked for more. Where few vectors are allowed, they are
// scored one by one instead.
import type { Passages } from '../passages.ts'
import { Top } from '../top.ts'
import { Candidates, type NearestQuery, type Neighbour, READ_ROWS } from './candidates.ts'
import { dot, MOST_EXPECTED } from './port.ts'
import type { VectorStore } from './store.ts'

export type { NearestQuery, Neighbour } from './candidates.ts'

export function nearest(
  store: VectorStore,
  passages: Passages,
  queries: readonly NearestQuery[],
): Neighbour[][] {
  const { scanCost } = store
  const scanned: Candidates[] = []
  const found = queries.map((query) => {
    const { vectors } = query.allowed
    if (vectors === 0 || query.k === 0) return []
    if (vectors < scanCost) return scoreEach(store, passages, query)
    const candidates = new Candidates(store, passages, query)
    scanned.push(candidates)
    return candidates
  })
  if (scanned.length > 0) scan(store, scanned)
  return found.map((one) => (Array.isArray(one) ? one : one.best()))
}

/** Until nothing that is missing can be among the best. */
function scan(store: VectorStore, all: readonly Candidates[]): void {
  for (const candidates of all) candidates.addEach(store.tail.first, store.tail.count)
  let left = store.segments.map((sealed) => ({ sealed, seekers: all }))
  while (left.length > 0) {
    const scans = left.map(({ sealed, seekers }) => {
      for (const seeker of seekers) seeker.from(sealed.first)
      return { sealed, seekers, rest: sealed.segment.scan(seekers) }
    })
    // Only now, since each segment may have raised the floors.
    const unsure = scans.map(({ sealed, seekers, rest }) => ({
      sealed,
      seekers: seekers.filter((seeker, i) => (rest[i] ?? Number.POSITIVE_INFINITY) >= seeker.floor),
    }))
    for (const seeker of new Set(unsure.flatMap(({ seekers }) => seekers))) seeker.widen()
    left = unsure.flatMap(({ sealed, seekers }) => {
      const again = seekers.filter(({ expected }) => expected <= MOST_EXPECTED)
      for (const seeker of seekers)
        if (!again.includes(seeker)) seeker.addEach(sealed.first, sealed.segment.count)
      return again.length === 0 ? [] : [{ sealed, seekers: again }]
    })
  }
}

/** Scores every allowed vector. */
function scoreEach(
  store: VectorStore,
  passages: Passages,
  { vector, allowed, k }: NearestQuery,
): Neighbour[] {
  const top = new Top(k)
  const buffer = new Float32Array(READ_ROWS * store.dimensions)
  const { dimensions } = store
  const numbers = passages.vector.values
  const ids = passages.ids.values
  const alive = passages.alive.values
  let [first, count, place] = [0, 0, 0]
  const flush = () => {
    if (count === 0) return
    store.read(first, count, buffer)
    for (let i = 0; i < count; i++) {
      const score = dot(vector, buffer, i * dimensions)
      if (score >= top.floor) top.offer(score, ids[place + i] ?? 0, place + i)
    }
    count = 0
  }
  for (const [from, end] of allowed.ranges())
    for (let at = from; at < end; at++) {
      const number = numbers[at] ?? -1
      if (number < 0 || alive[at] !== 1) continue
      // Passages that are neighbours usually have neighbouring vectors: one read for many.
      if (count > 0 && count < READ_ROWS && number === first + count && at === place + count) count++
      else {
        flush()
        first = number
        place = at
        count = 1
      }
    }
  flush()
  return top.sorted()
}
