import { pino } from 'pino'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Queryable } from '../database/pool.ts'
import type { LogRow } from './apply.ts'
import type { LogReading } from './database-source.ts'
import { lagOf } from './lag.ts'
import type { PassageRow, Source } from './source.ts'
import { IndexState } from './state.ts'
import { checkHistory, HistoryChanged, Tail } from './tail.ts'
import { exactEngine } from './vectors/exact.ts'

const entry = (seq: number): LogRow => ({
  ...{ seq, id: `e${seq}`, epoch: 'a', op: 'session', userId: 'x' },
  ...{ collectionKey: null, documentKey: null, versionId: null, generationId: null, readingId: null },
})
const at = (seq: number) => ({ epoch: 'a', seq, entryId: seq === 0 ? null : `e${seq}` })
const reading = (head: number, entryId: string | null, ...seqs: number[]): LogReading => ({
  ...{ head: { epoch: 'a', seq: head }, entryId, seenId: null, entries: seqs.map(entry) },
})

test.each<[string, number, LogReading]>([
  ['nothing new', 5, reading(5, 'e5')],
  ['what follows', 5, reading(8, 'e5', 6, 7, 8)],
  ['a first portion of it', 5, reading(900, 'e5', 6, 7)],
  ['a new epoch over the same past', 5, { ...reading(6, 'e5', 6), head: { epoch: 'b', seq: 6 } }],
  ['an empty log', 0, reading(0, null)],
  ['a log from its first entry', 0, reading(2, null, 1, 2)],
])('goes on with %s', (_, seq, read) => {
  expect(() => checkHistory(at(seq), read)).not.toThrow()
})

test.each<[string, number, LogReading]>([
  ['a log that ends before', 5, reading(4, null)],
  ['another entry under the same number', 5, reading(5, 'other')],
  ['its own entry cut away, though what follows is there', 5, reading(7, null, 6, 7)],
  ['its own entry gone and nothing after it', 5, reading(5, null)],
  ['a log whose beginning was cut away', 5, reading(9, null, 8, 9)],
  ['the same, for one that has read nothing', 0, reading(9, null, 8, 9)],
  ['a hole in what follows', 5, reading(9, 'e5', 6, 8, 9)],
  ['nothing of what should follow', 5, reading(9, 'e5')],
])('gives up for %s', (_, seq, read) => {
  expect(() => checkHistory(at(seq), read)).toThrow(HistoryChanged)
})

test.each<[string, boolean, LogReading]>([
  ['leads there', true, { ...reading(8, 'e5', 6, 7, 8), seenId: 'e8' }],
  ['is further by now', true, { ...reading(900, 'e5', 6), seenId: 'e8' }],
  ['ends before', false, reading(6, 'e5', 6)],
  ['ends where this state is', false, reading(5, 'e5')],
  ['has another entry there', false, { ...reading(900, 'e5', 6), seenId: 'x' }],
])('rows were read when the log ended at 8, and it %s: goes on: %s', (_, goesOn, read) => {
  const check = () => checkHistory({ ...at(5), seen: { seq: 8, id: 'e8' } }, read)
  if (goesOn) expect(check).not.toThrow()
  else expect(check).toThrow(HistoryChanged)
})

/** A log of one large document. Each portion of it takes ten seconds of a clock that only stands for time. */
function largeDocument(portions: number, failsOnceAfter = Number.POSITIVE_INFINITY) {
  let now = 1_000
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now)
  onTestFinished(() => clock.mockRestore())
  let failures = 0
  const head = { head_epoch: 'a', head_seq: '1' }
  const place = { collection_key: 1, document_key: 1, version_id: 'v', reading_id: null }
  const entry = { own_id: null, seq: '1', id: 'e1', epoch: 'a', op: 'publish-words', ...place }
  const nothingNew = { own_id: 'e1', seen_id: null, seq: null }
  const query = async () => ({ rows: [{ ...head, ...(state.position.seq === 0 ? entry : nothingNew) }] })
  const db = { query } as unknown as Queryable
  const source: Source = {
    seen: () => null,
    async *passages() {
      for (let i = 0; i < portions; i++) {
        if (i === failsOnceAfter && failures++ === 0) throw new Error('the connection was lost')
        now += 10_000
        const passage: PassageRow = { id: i, language: 'en', heading: '', text: `quince ${i}` }
        yield [passage]
      }
    },
    async *vectors() {
      yield []
    },
    activeGeneration: async () => null,
  }
  const state = IndexState.empty(exactEngine(), { epoch: 'a', seq: 0, entryId: null }, null)
  return { db, source, state }
}

async function busyOf({ db, source, state }: ReturnType<typeof largeDocument>) {
  const stop = new AbortController()
  const progress: number[] = []
  const caughtUp: number[] = []
  const nothing = () => {}
  const events = {
    ...{ applied: nothing, session: nothing, switched: nothing },
    progress: (busyMs: number) => void progress.push(busyMs),
    caughtUp(_: number, busyMs: number) {
      caughtUp.push(busyMs)
      tail.wake()
      if (caughtUp.length === 2) stop.abort()
    },
  }
  const tail = new Tail(db, source, state, events, pino({ enabled: false }))
  await tail.run(stop.signal)
  return { progress, caughtUp }
}

test('while a large document is applied each portion is progress, and none of that time was lost', async () => {
  // The last: what follows its portions. The next time that everything is there, nothing of it counts any more.
  expect(await busyOf(largeDocument(3))).toEqual({
    progress: [10_000, 20_000, 30_000, 30_000],
    caughtUp: [30_000, 0],
  })
})

test('what has to be begun anew was no progress: one that never gets to the end is stalled', async () => {
  expect(await busyOf(largeDocument(3, 2))).toEqual({
    progress: [10_000, 20_000, 0, 10_000, 20_000, 30_000, 30_000],
    caughtUp: [30_000, 0],
  })
})

test('time that went into applying is behind and not stalled', () => {
  expect(lagOf({ caughtUpAt: null, busyMs: 0 }, 60_000)).toEqual({ behindMs: null, stalledMs: null })
  expect(lagOf({ caughtUpAt: 20_000, busyMs: 30_000 }, 60_000)).toEqual({
    behindMs: 40_000,
    stalledMs: 10_000,
  })
  // Of clocks that do not agree.
  expect(lagOf({ caughtUpAt: 60_500, busyMs: 100 }, 60_000)).toEqual({ behindMs: 0, stalledMs: 0 })
})
