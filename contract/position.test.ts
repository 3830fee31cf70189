import { expect, test } from 'vitest'
import { formatPosition, laterPosition, parsePosition } from './position.ts'

const epoch = '3f0e2c1a-0b1c-4d2e-8f3a-5b6c7d8e9f00'
const at = (seq: number, of = epoch) => ({ epoch: of, seq })

test('a position travels as text; anything else is none', () => {
  expect(parsePosition(formatPosition(at(17)))).toEqual(at(17))
  expect(parsePosition(formatPosition({ ...at(17), wal: 2 ** 40 }))).toEqual({ ...at(17), wal: 2 ** 40 })
  for (const text of [
    '',
    epoch,
    `${epoch}:`,
    `${epoch}:-1`,
    `${epoch}:1e3`,
    `${epoch}:1:`,
    `${epoch}:1:2:3`,
    `x${epoch}:1`,
    `${epoch}:1 `,
    ['x'],
    5,
  ])
    expect(parsePosition(text)).toBeNull()
  expect(parsePosition(`${epoch}:${'9'.repeat(16)}`)).toBeNull()
})

test('of one epoch the later counts, of two the one heard last', () => {
  const other = epoch.replace('3f', '4f')
  expect(laterPosition(null, at(3))).toEqual(at(3))
  expect(laterPosition(at(5), at(3))).toEqual(at(5))
  expect(laterPosition(at(3), at(5))).toEqual(at(5))
  expect(laterPosition(at(9), at(1, other))).toEqual(at(1, other))
})

test('the place in the write-ahead log counts for itself, and is kept where a reply does not tell it', () => {
  expect(laterPosition({ ...at(5), wal: 9 }, at(7))).toEqual({ ...at(7), wal: 9 })
  expect(laterPosition({ ...at(7), wal: 3 }, { ...at(5), wal: 9 })).toEqual({ ...at(7), wal: 9 })
  const other = epoch.replace('3f', '4f')
  expect(laterPosition({ ...at(5), wal: 9 }, at(1, other))).toEqual(at(1, other))
})
