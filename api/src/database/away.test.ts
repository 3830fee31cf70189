import pg from 'pg'
import { expect, test } from 'vitest'
import { AppError } from '../errors.ts'
import { databaseIsAway } from './away.ts'

const system = (code: string) => Object.assign(new Error(code), { code })
const database = (code: string) => Object.assign(new pg.DatabaseError('x', 1, 'error'), { code })

test.each([
  ['refuses connections', system('ECONNREFUSED')],
  ['cut the connection', system('ECONNRESET')],
  ['has no address at the moment', system('ENOTFOUND')],
  ['broke the connection off', new Error('Connection terminated unexpectedly')],
  ['takes too long to connect', new Error('timeout exceeded when trying to connect')],
  ['says nothing', new Error('Query read timeout')],
  ['shuts down', database('57P01')],
  ['is in recovery', database('57P03')],
  ['has no connection left', database('53300')],
])('a database that %s is away', (_, error) => {
  expect(databaseIsAway(error)).toBe(true)
})

test.each([
  ['a wrong statement', database('42601')],
  ['a statement that took too long', database('57014')],
  ['a deadlock', database('40P01')],
  ['a bug', new TypeError('x is not a function')],
  ['what is said on purpose', new AppError('MODEL_UNAVAILABLE', {}, { cause: system('ECONNREFUSED') })],
  ['no error', 'ECONNREFUSED'],
])('%s is not', (_, error) => {
  expect(databaseIsAway(error)).toBe(false)
})
