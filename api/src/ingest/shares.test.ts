import { setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { EmbedderShares } from './shares.ts'

/** An embedder that finishes what it is given when the test says so, oldest first. */
function scripted() {
  const given: { text: string; end: () => void }[] = []
  const order: string[] = []
  return {
    window: 4,
    given,
    order,
    embed: (text: string) =>
      new Promise<Float32Array>((resolve) => {
        order.push(text)
        given.push({ text, end: () => resolve(new Float32Array(1)) })
      }),
    async finish(count: number) {
      for (let i = 0; i < count; i++) {
        await turn()
        given.shift()?.end()
      }
      await turn()
    },
  }
}

test('a short version’s passages do not stand behind a long one’s', async () => {
  const embedder = scripted()
  const shares = new EmbedderShares(embedder, 2)
  const [long, other, short] = [shares.share(), shares.share(), shares.share()]
  const all = [
    ...Array.from({ length: 6 }, (_, i) => long.embed(`long ${i}`, 'passage')),
    ...Array.from({ length: 6 }, (_, i) => other.embed(`other ${i}`, 'passage')),
  ]
  await embedder.finish(2)
  all.push(...[0, 1].map((i) => short.embed(`short ${i}`, 'passage')))
  await embedder.finish(12)
  await Promise.all(all)
  // Two in hand, then one of each in turn.
  expect(embedder.order.slice(0, 10)).toEqual([
    'long 0',
    'long 1',
    'long 2',
    'other 0',
    'long 3',
    'other 1',
    'short 0',
    'long 4',
    'other 2',
    'short 1',
  ])
  expect(embedder.order.length).toBe(14)
})

test('the embedder has no more in hand than it was said to take, and never less while something waits', async () => {
  const embedder = scripted()
  const shares = new EmbedderShares(embedder, 3)
  const all = [shares.share(), shares.share()].flatMap((share) =>
    Array.from({ length: 10 }, (_, i) => share.embed(String(i), 'passage')),
  )
  for (let left = 20; left > 0; left--) {
    await turn()
    expect(embedder.given.length).toBe(Math.min(3, left))
    await embedder.finish(1)
  }
  await Promise.all(all)
})

test('what is called off while it waits or runs lets the others go on', async () => {
  const embedder = scripted()
  const shares = new EmbedderShares(embedder, 1)
  const stop = new AbortController()
  const failing = new EmbedderShares(
    { window: 3, embed: () => Promise.reject(new Error('a thread died')) },
    1,
  ).share()
  await expect(failing.embed('x', 'passage')).rejects.toThrow('a thread died')
  await expect(failing.embed('y', 'passage')).rejects.toThrow('a thread died')
  const [cancelled, other] = [shares.share(), shares.share()]
  const first = cancelled.embed('running', 'passage', stop.signal)
  const second = cancelled.embed('waiting', 'passage', stop.signal)
  const third = other.embed('other', 'passage')
  stop.abort(new Error('cancelled'))
  await expect(second).rejects.toThrow('cancelled')
  await expect(cancelled.embed('late', 'passage', stop.signal)).rejects.toThrow('cancelled')
  await embedder.finish(2)
  await Promise.all([first, third])
  expect(embedder.order).toEqual(['running', 'other'])
})
