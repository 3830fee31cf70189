import pino from 'pino'
import { describe, expect, test } from 'vitest'
import { type ParserPool, startParserPool } from './pool.ts'
import type { Wrapper } from './sandbox.ts'

const OPEN: Wrapper = { name: 'open', command: [], network: true }
const start = (wrappers: readonly Wrapper[], startMs?: number): Promise<ParserPool> =>
  startParserPool({
    ...{ log: pino({ level: 'silent' }), tokenizer: null, size: 1, wrappers },
    ...(startMs !== undefined && { startMs }),
  })
const shell = (name: string, script: string, network = false): Wrapper => ({
  ...{ name, command: ['sh', '-c', script, 'sh'], network },
})
/** Permitted, as `true` shows, but a parser never gets to its first word in it. */
const STALLED = shell('stalled', 'case "$*" in *process.ts*) exec sleep 60 ;; *) exec "$@" ;; esac')
const CRASHING = shell('crashing', 'case "$*" in *process.ts*) exit 1 ;; *) exec "$@" ;; esac')

describe('where the network can be taken away from parsers', () => {
  test.each([STALLED, CRASHING])(
    'one that does not start without it does not get it: $name',
    async (cutOff) => {
      await expect(start([cutOff, OPEN], 1_000)).rejects.toThrow('no parser could be started without network')
    },
  )

  test('a weaker way without it is taken', async () => {
    await using stack = new AsyncDisposableStack()
    const pool = await start([CRASHING, shell('weaker', 'exec "$@"'), OPEN])
    stack.defer(() => pool.close())
    expect(pool.sandbox.name).toBe('weaker')
  })
})

test.each([
  { ...OPEN, name: 'refused', command: ['false'], network: false },
  { ...OPEN, name: 'no such program', command: ['/nowhere/unshare'], network: false },
])('where it can not, parsers start with it: $name', async (refused) => {
  await using stack = new AsyncDisposableStack()
  const pool = await start([refused, OPEN])
  stack.defer(() => pool.close())
  expect(pool.sandbox.name).toBe('open')
})
