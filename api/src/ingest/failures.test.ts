import pg from 'pg'
import { expect, test } from 'vitest'
import { AppError } from '../errors.ts'
import { judge } from './failures.ts'

const system = (code: string) => Object.assign(new Error(code), { code })
const database = (code: string) => Object.assign(new pg.DatabaseError('x', 1, 'error'), { code })

test.each([
  ['a database that refuses connections', system('ECONNREFUSED')],
  ['a connection that broke', new Error('Connection terminated unexpectedly')],
  ['a connection that took too long', new Error('timeout exceeded when trying to connect')],
  ['a database that says nothing any more', new Error('Query read timeout')],
  ['a statement that took too long', database('57014')],
  ['a database that shuts down', database('57P01')],
  ['a database in recovery', database('57P03')],
  ['too many connections', database('53300')],
  ['a deadlock', database('40P01')],
  ['a storage that has a bad day', system('EIO')],
  ['a service that is stopping', new AppError('UNAVAILABLE', { reason: 'stopping' })],
])('%s is never the file’s fault', (_, error) => {
  expect(judge(error)).toEqual({ kind: 'later', code: null })
})

test.each(['EMBEDDER_BUSY', 'EMBEDDER_REFUSED_KEY', 'EMBEDDER_BROKEN', 'EMBEDDER_MISSING'] as const)(
  'a search model that has a bad day (%s): later, and people are told what is waited for',
  (code) => {
    expect(judge(new AppError(code))).toEqual({ kind: 'later', code: 'EMBEDDER_UNAVAILABLE' })
  },
)

test('a text that the search model refuses is the file’s matter', () => {
  expect(judge(new AppError('EMBEDDER_REFUSED_TEXT', { status: 400 }))).toMatchObject({ kind: 'attention' })
})

test.each([
  ['the disk', system('ENOSPC')],
  ['the quota', system('EDQUOT')],
  ['the database’s disk', database('53100')],
  ['the disk, told by another', new Error('could not write', { cause: system('ENOSPC') })],
  ['the storage', new AppError('STORAGE_FULL')],
])('full is %s: later, and people are told why', (_, error) => {
  expect(judge(error)).toEqual({ kind: 'later', code: 'INGEST_STORAGE_FULL' })
})

test('what is wrong with a file is said with its code; what nobody foresaw is unknown', () => {
  expect(judge(new AppError('FILE_TYPE_MISMATCH', { type: 'text' }))).toEqual({
    kind: 'attention',
    code: 'FILE_TYPE_MISMATCH',
    detail: { type: 'text' },
  })
  expect(judge(new AppError('NOT_FOUND'))).toMatchObject({ kind: 'attention', code: 'FILE_ORIGINAL_MISSING' })
  expect(judge(new TypeError('x is not a function'))).toEqual({ kind: 'unknown' })
  expect(judge(database('22021'))).toEqual({ kind: 'unknown' })
})
