import { expect, it } from 'vitest'
import { createGate } from './gate.ts'

it('lets a few through at a time, in order, also after failures', async () => {
  const gate = createGate(3)
  let inside = 0
  let most = 0
  const order: number[] = []
  const results = await Promise.allSettled(
    Array.from({ length: 20 }, (_, i) =>
      gate.pass(async () => {
        order.push(i)
        most = Math.max(most, ++inside)
        await new Promise((resolve) => setTimeout(resolve, 1))
        inside--
        if (i % 3 === 0) throw new Error(`no ${i}`)
        return i
      }),
    ),
  )
  expect(most).toBe(3)
  expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(7)
})
