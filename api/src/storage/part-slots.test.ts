import { expect, test } from 'vitest'
import { PartSlots } from './part-slots.ts'

const never = new AbortController().signal

test('no more are taken than there are; the others come in order, and who gives up is passed over', async () => {
  const slots = new PartSlots(2)
  const first = await slots.take(never)
  const second = await slots.take(never)
  const order: string[] = []
  const leaving = new AbortController()
  const wait = (name: string, signal = never) =>
    slots.take(signal).then((give) => {
      order.push(name)
      return give
    })
  const left = wait('left', leaving.signal)
  const third = wait('third')
  const fourth = wait('fourth')
  leaving.abort(new Error('given up'))
  await expect(left).rejects.toThrow('given up')
  expect(order).toEqual([])
  first()
  const giveThird = await third
  expect(order).toEqual(['third'])
  second()
  giveThird()
  const giveFourth = await fourth
  giveFourth()
  // All of them are back.
  await slots.take(never)
  await slots.take(never)
  const late = wait('late', leaving.signal)
  await expect(late).rejects.toThrow('given up')
  expect(order).toEqual(['third', 'fourth'])
})
