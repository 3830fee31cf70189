import fc from 'fast-check'
import { expect, test } from 'vitest'
import { floats, numbers } from './vectors.ts'

const vector = fc.float32Array({ noNaN: true, noDefaultInfinity: true, minLength: 1, maxLength: 50 })

test('as numbers of a JSON text they are the same float32', () => {
  fc.assert(
    fc.property(vector, (one) => {
      const read = Float32Array.from(JSON.parse(JSON.stringify(numbers(one))))
      // JSON has no -0.
      expect(read).toEqual(one.map((value) => value + 0))
    }),
  )
})

test('and are written in little more than half of it', () => {
  const one = Float32Array.from({ length: 384 }, (_, i) => Math.sin(i + 1) / 20)
  expect(JSON.stringify(numbers(one)).length).toBeLessThan(0.65 * JSON.stringify([...one]).length)
})

test('bytes are read wherever they begin', () => {
  const one = Float32Array.of(0.25, -3)
  const bytes = Buffer.concat([Buffer.of(7), Buffer.from(one.buffer)])
  expect(floats(bytes.subarray(1))).toEqual(one)
})
