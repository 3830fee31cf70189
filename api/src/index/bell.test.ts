import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Bell } from './bell.ts'

const LONG_MS = 600_000
const never = new AbortController().signal

test('rung while somebody waits, or before: the wait is over', async () => {
  const bell = new Bell()
  const waiting = bell.wait(LONG_MS, never)
  bell.ring()
  await waiting
  await bell.wait(LONG_MS, never)
})

test('what was rung before a look counts no more: the wait lasts until it is rung again', async () => {
  const bell = new Bell()
  bell.ring()
  bell.silence()
  let over = false
  const waiting = bell.wait(LONG_MS, never).then(() => {
    over = true
  })
  await sleep(20)
  expect(over).toBe(false)
  bell.ring()
  await waiting
})

test('it ends by itself, and when it is called off', async () => {
  const bell = new Bell()
  await bell.wait(1, never)
  const off = new AbortController()
  const waiting = bell.wait(LONG_MS, off.signal)
  off.abort()
  await waiting
})
