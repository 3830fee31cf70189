import { beforeEach, expect, test } from 'vitest'
import { POSITION_HEADER } from '../../contract/position.ts'
import { notePosition, noteSeen, seenHeader } from './position.ts'

const epoch = '3f0e2c1a-0b1c-4d2e-8f3a-5b6c7d8e9f00'
const reply = (text: string) => new Headers({ [POSITION_HEADER]: text })

beforeEach(() => {
  const kept = new Map<string, string>()
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    value: {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => kept.set(key, value),
    },
  })
})

test('the latest position that a reply told goes with the next request', () => {
  expect(seenHeader()).toEqual({})
  for (const seq of [5, 9, 7]) noteSeen(reply(`${epoch}:${seq}`))
  noteSeen(reply('nonsense'))
  noteSeen(new Headers())
  expect(seenHeader()).toEqual({ [POSITION_HEADER]: `${epoch}:9` })
  // An event tells one too, and what an upload's reply has not.
  notePosition(`${epoch}:8:4000`)
  notePosition(undefined)
  expect(seenHeader()).toEqual({ [POSITION_HEADER]: `${epoch}:9:4000` })
})

test('without storage there is no position, and no error', () => {
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get: () => {
      throw new Error('denied')
    },
  })
  noteSeen(reply(`${epoch}:5`))
  expect(seenHeader()).toEqual({})
})
