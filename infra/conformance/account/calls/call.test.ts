// The comparison of the stand-in with emulators, without the emulators: what it finds, that its half of the table is what
// the stand-in says today, and that nothing of the stand-in is left out. The other half: calls.aws.test.ts.
import { describe, expect, test } from 'vitest'
import { standIn } from '../../../../aws/stand-in/stand-in.ts'
import { type Answer, askAll, type Difference, EMULATORS, NO_ANSWER, unexplained } from './call.ts'
import { CALLS } from './calls.ts'
import { ABSENT, callsOf, DIFFERENCES, IN_NO_EMULATOR } from './differences.ts'
import { inStandIn } from './prepared.ts'

const answers = (says: Readonly<Record<string, string>>): Answer[] =>
  Object.entries(says).map(([what, text]) => ({ what, says: text, asked: ['s3 Other', `s3 ${what}`] }))
const row = (what: string, ours: string, theirs: string): Difference => ({
  what,
  standIn: ours,
  moto: theirs,
  why: 'AWS says so.',
  source: 'https://docs.aws.amazon.com/a.html',
})

describe('what is not explained', () => {
  const ours = answers({ same: '{}', other: '{"a":1}' })
  const theirs = answers({ same: '{}', other: '{"a":2}' })
  const lines = (known: readonly Difference[], they = theirs, absent: string[] = []) =>
    unexplained('moto', ours, they, known, absent)

  test('is a difference without a row', () => {
    expect(lines([])).toEqual(['other: the stand-in says {"a":1}, moto {"a":2}'])
    expect(lines([row('other', '{"a":1}', '{"a":2}')])).toEqual([])
  })
  test('is a difference whose row is another emulator’s', () => {
    const { moto: ministack = '', ...rest } = row('other', '{"a":1}', '{"a":2}')
    expect(lines([{ ...rest, ministack }])).toEqual([expect.stringMatching(/^other: the stand-in says/)])
    expect(lines([{ ...rest, ministack }], ours)).toEqual([])
  })
  test('is a call that only one of them answers', () => {
    expect(lines([], answers({ same: '{}' }))).toHaveLength(1)
  })
  test('is an operation that the emulator has not, unless that is known', () => {
    const without = answers({ same: '{}', other: NO_ANSWER })
    expect(lines([], without)).toEqual(['other: moto has no s3 other'])
    expect(lines([], without, ['s3 other'])).toEqual([])
  })
  test('is an operation that is said not to be there, and is', () => {
    const known = [row('other', '{"a":1}', '{"a":2}')]
    expect(lines(known, theirs, ['s3 other'])).toEqual(['s3 other: moto has it now'])
    expect(lines([], answers({ same: '{}', other: NO_ANSWER }), ['s3 Other', 's3 other'])).toEqual([
      's3 Other: moto has it now',
    ])
  })
  test.each([
    ['that is none any more', row('same', '{}', '{"a":2}'), /^same: no difference any more/],
    [
      'that the stand-in no longer makes like that',
      row('other', '{"a":3}', '{"a":2}'),
      /^other: another difference/,
    ],
    [
      'that the emulator no longer makes like that',
      row('other', '{"a":1}', '{"a":3}'),
      /^other: another difference/,
    ],
    ['of what nobody asks', row('gone', '1', '2'), /^gone: nobody asks/],
  ])('is a row %s', (_, one, line) => {
    const known = one.what === 'other' ? [one] : [row('other', '{"a":1}', '{"a":2}'), one]
    expect(lines(known)).toEqual([expect.stringMatching(line)])
  })
})

test('what is no answer ends the comparison', async () => {
  const { aws } = standIn()
  const wrong = { what: 'wrong', ask: async () => Promise.reject(new TypeError('of this list')) }
  await expect(askAll(aws, [wrong])).rejects.toThrow('of this list')
})

describe('the calls', () => {
  test('are each asked once', () => {
    const names = CALLS.map(({ what }) => what)
    expect(new Set(names).size).toBe(names.length)
    expect(names.length).toBeGreaterThan(90)
  })

  test('say of the stand-in what the table has', async () => {
    const world = standIn()
    const said = await askAll(world.aws, CALLS, await inStandIn(world))
    const says = new Map(said.map((answer) => [answer.what, answer.says]))
    expect(said.filter((answer) => answer.says === NO_ANSWER)).toEqual([])
    for (const { what, standIn: ours, why, source, ...theirs } of DIFFERENCES) {
      expect([what, says.get(what)]).toEqual([what, ours])
      expect(why, what).toMatch(/^.{15,}\.$/)
      expect(source, what).toMatch(/^https:\/\/docs\.aws\.amazon\.com\/.+\.html$/)
      expect(Object.keys(theirs).length, what).toBeGreaterThan(0)
    }
  })

  test('are all that the stand-in answers, each of an emulator that has it, or there is none', async () => {
    const { operations } = standIn()
    const asked = new Map(EMULATORS.map((one) => [one, new Set<string>()]))
    for (const emulator of EMULATORS) {
      const world = standIn()
      const said = await askAll(world.aws, callsOf(emulator), await inStandIn(world))
      for (const operation of said.flatMap((answer) => answer.asked))
        if (!ABSENT[emulator].includes(operation)) asked.get(emulator)?.add(operation)
    }
    const compared = (operation: string) => EMULATORS.some((one) => asked.get(one)?.has(operation))
    // Whoever adds an operation to the stand-in adds its calls here, and lists it as absent where it is.
    expect(operations.filter((one) => !compared(one)).sort()).toEqual([...IN_NO_EMULATOR])
    for (const one of EMULATORS) expect(operations).toEqual(expect.arrayContaining([...ABSENT[one]]))
  })
})
