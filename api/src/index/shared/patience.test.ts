import { EventEmitter } from 'node:events'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { parseConfig } from '../../config.ts'
import { createPool } from '../../database/pool.ts'
import { createCourier } from './courier.ts'
import { Patience } from './patience.ts'

const child = Object.assign(new EventEmitter(), { send: vi.fn(), kill: vi.fn() })
vi.mock('node:child_process', () => ({ fork: () => child }))

const MB = 1_000_000

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('ends after a minute in which nothing came', () => {
  const over = vi.fn()
  new Patience(over)
  vi.advanceTimersByTime(59_000)
  expect(over).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1_000)
  expect(over.mock.calls).toEqual([[0]])
})

test('lasts for what comes at a good rate, and ends all the same where it only trickles', () => {
  const over = vi.fn()
  const good = new Patience(over)
  for (let second = 1; second <= 300; second++) {
    vi.advanceTimersByTime(1_000)
    good.received(second * 5 * MB)
  }
  expect(over).not.toHaveBeenCalled()
  good.ends()
  const trickling = new Patience(over)
  for (let second = 1; second <= 130 && over.mock.calls.length === 0; second++) {
    vi.advanceTimersByTime(1_000)
    if (over.mock.calls.length === 0) trickling.received(second * 2 * MB)
  }
  expect(over).toHaveBeenCalledOnce()
  trickling.ends()
})

test('is over with the errand', () => {
  const over = vi.fn()
  const patience = new Patience(over)
  patience.received(MB)
  patience.ends()
  vi.advanceTimersByTime(3_600_000)
  expect(over).not.toHaveBeenCalled()
})

test('a courier that says what it has fetched is given the time for more', async () => {
  const config = parseConfig({
    ...{
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
      STORAGE: 'file:/nowhere',
      TERRACE_HOME: '/nowhere',
    },
    ...{ AUTH_SECRET: 'test-secret-test-secret-test-secret-test', INDEX_CHECKPOINTS: 'shared' },
  })
  const courier = createCourier(
    config,
    createPool(config, { name: 'terrace-test' }),
    pino({ enabled: false }),
  )
  const fetched = courier.fetch()
  child.emit('message', { kind: 'progress', bytes: 40 * MB })
  vi.advanceTimersByTime(69_000)
  expect(child.kill).not.toHaveBeenCalled()
  vi.advanceTimersByTime(1_000)
  expect(child.kill).toHaveBeenCalledExactlyOnceWith('SIGKILL')
  child.emit('exit', null, 'SIGKILL')
  expect(await fetched).toEqual([])
})
