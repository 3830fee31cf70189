import { describe, expect, test } from 'vitest'
import { streamSlots } from './stream-slots.ts'

// Node's own Web Locks: several `streamSlots` in one process stand for several tabs.
const locks = navigator.locks

describe('answer streams of one browser', () => {
  test('eight tabs get two streams, and a released one goes to the next', async () => {
    const tabs = Array.from({ length: 8 }, () => streamSlots(locks, 2))
    const slots = await Promise.all(tabs.map((tab) => tab.take({ steal: false })))
    const held = slots.filter((slot) => slot !== null)
    expect(held).toHaveLength(2)
    held[0]?.release()
    await held[0]?.gone
    const next = await streamSlots(locks, 2).take({ steal: false })
    expect(next).not.toBeNull()
    for (const slot of [...held, next]) slot?.release()
    await Promise.all([held[1]?.gone, next?.gone])
  })

  test('the tab in front takes a slot, and the one that had it is told', async () => {
    const behind = await streamSlots(locks, 1).take({ steal: false })
    const front = await streamSlots(locks, 1).take({ steal: true })
    expect(front).not.toBeNull()
    await behind?.gone
    // Releasing what was taken away frees nothing of the new holder's.
    behind?.release()
    expect(await streamSlots(locks, 1).take({ steal: false })).toBeNull()
    front?.release()
    await front?.gone
  })

  test('without Web Locks a visible tab streams', async () => {
    const slot = await streamSlots(undefined).take({ steal: false })
    slot?.release()
    await slot?.gone
    expect(slot).not.toBeNull()
  })
})
