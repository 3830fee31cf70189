// The comparison of the stand-in with an emulator, without the emulator: what it finds, and that its half of the table
// is what the stand-in says today. The other half: calls.aws.test.ts.
import { describe, expect, test } from 'vitest'
import { standIn } from '../../../../aws/stand-in/stand-in.ts'
import { type Answer, askAll, type Difference, unexplained } from './call.ts'
import { CALLS } from './calls.ts'
import { DIFFERENCES } from './differences.ts'
import { BUCKET } from './s3.ts'

const answers = (says: Readonly<Record<string, string>>): Answer[] =>
  Object.entries(says).map(([what, text]) => ({ what, says: text }))
const row = (what: string, standIn: string, emulator: string): Difference => ({
  what,
  standIn,
  emulator,
  why: 'AWS says so.',
})

describe('what is not explained', () => {
  const ours = answers({ same: '{}', other: '{"a":1}' })
  const theirs = answers({ same: '{}', other: '{"a":2}' })

  test('is a difference without a row', () => {
    expect(unexplained(ours, theirs, [])).toEqual(['other: the stand-in says {"a":1}, the emulator {"a":2}'])
    expect(unexplained(ours, theirs, [row('other', '{"a":1}', '{"a":2}')])).toEqual([])
  })
  test('is a call that only one of them answers', () => {
    expect(unexplained(ours, answers({ same: '{}' }), [])).toHaveLength(1)
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
    expect(unexplained(ours, theirs, known)).toEqual([expect.stringMatching(line)])
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
  test('the stand-in knows all of them, and says what the table has', async () => {
    const world = standIn()
    world.buckets.make(BUCKET)
    const says = new Map((await askAll(world.aws, CALLS)).map((answer) => [answer.what, answer.says]))
    for (const { what, standIn: ours, why } of DIFFERENCES) {
      expect([what, says.get(what)]).toEqual([what, ours])
      expect(why).toMatch(/^.{15,}\.$/)
    }
    // Every service that anything of ours asks, but EC2, of which the stand-in has nothing yet.
    expect([...new Set(world.calls.map(({ service }) => service))].sort()).toEqual([
      'autoscaling',
      'cloudformation',
      'iam',
      'rds',
      's3',
      'ssm',
      'sts',
    ])
  })
})
