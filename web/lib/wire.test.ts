import fc from 'fast-check'
import superjson from 'superjson'
import { describe, expect, it } from 'vitest'
import { type Wire, wire } from './wire.ts'

/** What procedures take and give; keys with the characters that paths are made of. */
const key = fc.oneof(
  fc.constantFrom('a', 'b', 'a.b', '.', '..', 'x\\', '\\.', 'a\\\\b', '', '0', 'items'),
  fc.string(),
)
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.date({ noInvalidDate: true }),
    fc.array(tie('value'), { maxLength: 4 }),
    // superjson refuses these keys, for good reason
    fc.dictionary(
      key.filter((each) => !/^(__proto__|constructor|prototype)$/.test(each)),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
}))
const overTheWire = <T>(sent: T): T => JSON.parse(JSON.stringify(sent))
/** superjson writes objects with a null prototype; what is in them counts. */
const plain = (given: unknown) => superjson.stringify(given)

describe('the wire', () => {
  it('reads whatever superjson writes', () => {
    fc.assert(
      fc.property(value, (sent) => {
        expect(plain(wire.deserialize(overTheWire(superjson.serialize(sent) as Wire)))).toBe(plain(sent))
      }),
      { numRuns: 1_000 },
    )
  })

  it('writes what superjson reads as the same', () => {
    fc.assert(
      fc.property(value, (sent) => {
        expect(plain(superjson.deserialize(overTheWire(wire.serialize(sent)) as never))).toBe(plain(sent))
      }),
      { numRuns: 1_000 },
    )
  })

  it('revives dates that two places share', () => {
    const date = new Date(5)
    const read = wire.deserialize(overTheWire(superjson.serialize({ a: date, b: [{ c: date }] }) as Wire))
    expect(read).toEqual({ a: date, b: [{ c: date }] })
  })

  it('says so when the API sends what it does not know', () => {
    expect(() => wire.deserialize(superjson.serialize({ big: 1n }) as Wire)).toThrow('bigint')
  })
})
