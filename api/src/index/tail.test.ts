import { expect, test } from 'vitest'
import type { LogRow } from './apply.ts'
import type { LogReading } from './database-source.ts'
import { checkHistory, HistoryChanged } from './tail.ts'

const entry = (seq: number): LogRow => ({
  ...{ seq, id: `e${seq}`, epoch: 'a', op: 'session', userId: 'x' },
  ...{ collectionKey: null, documentKey: null, versionId: null, generationId: null },
})
const at = (seq: number) => ({ epoch: 'a', seq, entryId: seq === 0 ? null : `e${seq}` })
const reading = (head: number, entryId: string | null, ...seqs: number[]): LogReading => ({
  ...{ head: { epoch: 'a', seq: head }, entryId, entries: seqs.map(entry) },
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
