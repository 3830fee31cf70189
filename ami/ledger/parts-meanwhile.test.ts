// What happens while what lies beside records is removed: bakes that use it, others that remove it, and its own end.
import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { allows } from '../../infra/bootstrap/evaluate.ts'
import { statementsOf } from '../../infra/bootstrap/promise.ts'
import { SAMPLE_SETTINGS } from '../../infra/bootstrap/sample-settings.ts'
import { bootstrap } from '../../infra/bootstrap/template.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { keepParts, writeParts } from '../image-set/parts.ts'
import { account, BUCKET, Bucket, HOME, hash, partsOf, region } from './test/beside.ts'

let bucket: Bucket
beforeEach(() => {
  bucket = new Bucket()
})
/** Of a bake that has no record yet. */
const PARTS = partsOf('d')
const TEXTS = PARTS.map((key) => ({ key, text: '{}' }))
const use = (parts = TEXTS) => writeParts(bucket.world.aws, HOME, parts)

describe('a bake between its parts and its record', () => {
  beforeEach(async () => {
    await use()
    await bucket.pass(60)
  })

  test('that uses what is there already: its age counts from then', async () => {
    await use()
    await bucket.pass(3)
    expect((await bucket.retain()).parts).toEqual([])
    expect(bucket.left(PARTS)).toEqual(PARTS)
  })

  test('that uses one once all were listed', async () => {
    let isUsed = false
    const aws = bucket.when(
      (operation) => operation === 'DeleteObject' && !isUsed,
      async () => {
        isUsed = true
        await use(TEXTS.slice(1))
      },
    )
    expect((await bucket.retain({}, aws)).parts).toEqual(PARTS.slice(0, 1))
    expect(bucket.left(PARTS)).toEqual(PARTS.slice(1))
    expect(bucket.world.calls.filter(({ operation }) => operation === 'DeleteObject')).toHaveLength(1)
  })

  test.each([
    ['after they were shown', 'agrees'],
    ['after they were listed once more', 'GetObject'],
    ['as the first one goes', 'DeleteObject'],
  ])('whose record comes %s: they stay, or are put back', async (_when, at) => {
    let isAgreed = false
    const agrees = async () => {
      if (at === 'agrees') bucket.record('d')
      isAgreed = true
      return true
    }
    const aws = bucket.when(
      (operation) => isAgreed && operation === at,
      () => bucket.record('d'),
    )
    expect((await bucket.retain({ agrees }, aws)).parts).toEqual([])
    expect(bucket.left(PARTS)).toEqual(PARTS)
    // It names the others too: they are not touched any more.
    const touched = bucket.world.calls.filter(({ operation }) => operation === 'DeleteObject')
    expect(touched).toHaveLength(at === 'agrees' ? 0 : 1)
  })

  test.each([
    ['are listed', 1],
    ['are listed once more', 2],
  ])('whose record comes as they %s: none is shown any more, or touched', async (_when, time) => {
    let listed = 0
    const aws = bucket.when(
      (operation, key) =>
        operation === 'ListObjectsV2' && key.startsWith('image-packages/') && ++listed === time,
      () => bucket.record('d'),
    )
    expect((await bucket.retain({}, aws)).parts).toEqual([])
    expect(bucket.said.join('\n').includes('not needed  image-')).toBe(time === 2)
    expect(bucket.world.calls.map(({ operation }) => operation)).not.toContain('DeleteObject')
  })

  test('whose set was recorded before, removed, and is recorded anew: what the record names now is there', async () => {
    bucket.record('a', {}, hash('9'))
    await bucket.pass(1)
    const aws = bucket.when(
      (operation) => operation === 'DeleteObject',
      () => bucket.record('d', {}, hash('9')),
    )
    expect((await bucket.retain({}, aws)).parts).toEqual([])
    expect(bucket.left(PARTS)).toEqual(PARTS)
  })

  test('whose record comes once they have gone: the bake puts them back', async () => {
    expect((await bucket.retain()).parts).toEqual(PARTS)
    bucket.record('d')
    await keepParts(bucket.world.aws, HOME, TEXTS)
    expect(bucket.left(PARTS)).toEqual(PARTS)
  })

  test('what is there is not written once more after the record', async () => {
    await keepParts(bucket.world.aws, HOME, TEXTS)
    expect((await bucket.retain()).parts).toEqual(PARTS)
  })
})

/** Each call of a removal, until one has had fewer. @param at the first is 1; returns whether it was reached */
async function atEveryCall(at: (call: number) => Promise<boolean>): Promise<void> {
  let call = 1
  while (await at(call)) call++
  // As many as it takes to list, to judge and to remove.
  expect(call).toBeGreaterThan(20)
}

test('all that a bake does, at any call of a removal and in any share: its parts are there', async () => {
  const steps: ((bucket: Bucket) => unknown)[] = [
    ({ world: { aws } }) => writeParts(aws, HOME, TEXTS),
    (of) => of.record('d'),
    ({ world: { aws } }) => keepParts(aws, HOME, TEXTS),
  ]
  // So many of the steps before that call, the others once it has been answered.
  for (let before = 0; before <= steps.length; before++)
    await atEveryCall(async (call) => {
      bucket = new Bucket()
      await bucket.four()
      let seen = 0
      const doing = async (some: typeof steps) => {
        for (const step of some) await step(bucket)
      }
      const first = bucket.when(
        () => ++seen === call,
        () => doing(steps.slice(0, before)),
      )
      let answered = 0
      const both = bucket.when(
        () => ++answered === call,
        () => doing(steps.slice(before)),
        'after',
        first,
      )
      await bucket.retain({}, both)
      if (seen >= call) expect(bucket.left(PARTS), `${before} steps before call ${call}`).toEqual(PARTS)
      return seen >= call
    })
})

describe('ended', () => {
  const old = [...partsOf('c'), ...PARTS]
  const needed = [...partsOf('a'), ...partsOf('b')]
  beforeEach(() => bucket.four())

  test('at any call: nothing that a set names is gone, and the next run does the rest', async () => {
    await atEveryCall(async (call) => {
      bucket = new Bucket()
      await bucket.four()
      bucket.world.faults.add({ operation: '*', call, times: 9_999, error: new Error('killed') })
      const first = await bucket.retain().catch(() => undefined)
      bucket.world.faults.clear()
      expect(bucket.left(needed), `call ${call}`).toEqual(needed)
      await bucket.retain()
      expect(bucket.left(needed), `call ${call}`).toEqual(needed)
      expect(bucket.left([...old, LAYOUT.record(hash('c'))]), `call ${call}`).toEqual([])
      return first === undefined
    })
  })

  test('by throttling half-way: that is said, and the next run goes on', async () => {
    // The first is the record of the old set.
    bucket.world.faults.add({ operation: 'DeleteObject', call: 4, times: 9, error: FAULTS.throttled() })
    await expect(bucket.retain()).rejects.toMatchObject({ kind: 'throttled' })
    expect(bucket.left(old)).toHaveLength(4)
    bucket.world.faults.clear()
    expect((await bucket.retain()).parts).toHaveLength(4)
    expect(bucket.left(old)).toEqual([])
    expect(bucket.left(needed)).toEqual(needed)
  })

  test('by records that can’t be read once one has gone: it is put back', async () => {
    const aws = bucket.when(
      (operation, key) => operation === 'DeleteObject' && key.startsWith('image-packages/'),
      () => bucket.world.faults.add({ operation: 'ListObjectsV2', error: FAULTS.denied('s3:ListBucket') }),
    )
    await expect(bucket.retain({}, aws)).rejects.toMatchObject({ kind: 'access-denied' })
    expect(bucket.left(old)).toEqual(old)
  })

  test('by an answer that was lost: it is put back', async () => {
    bucket.world.faults.add({ operation: 'DeleteObject', call: 2, answer: 'lost', error: FAULTS.noAnswer() })
    await expect(bucket.retain()).rejects.toMatchObject({ kind: 'unreachable' })
    expect(bucket.left(old)).toEqual(old)
  })

  test('when what is named by now can’t be put back, that is said, with its name', async () => {
    bucket.world.faults.add({ operation: 'PutObject', error: FAULTS.throttled() })
    const aws = bucket.when(
      (operation, key) => operation === 'DeleteObject' && key === PARTS[0],
      () => bucket.record('d'),
    )
    await expect(bucket.retain({}, aws)).rejects.toThrow(
      `has named s3://${BUCKET}/${PARTS[0]} as it was removed, and it could not be put back`,
    )
  })
})

test.each([
  ['before', 'one that it is about to remove'],
  ['after', 'one whose removal it has not heard of'],
] as const)('somebody else removes, %s the call, %s', async (order, _what) => {
  await bucket.four()
  let isMet = false
  const aws = bucket.when(
    (operation, key) => operation === 'DeleteObject' && key === PARTS[0] && !isMet,
    async () => {
      isMet = true
      await bucket.retain()
    },
    order,
  )
  await bucket.retain({}, aws)
  expect(bucket.left([...partsOf('c'), ...PARTS])).toEqual([])
  expect(bucket.left([...partsOf('a'), ...partsOf('b')])).toHaveLength(6)
})

test('somebody else was faster, and a record has come since: it is put back', async () => {
  await bucket.four()
  const aws = bucket.when(
    (operation, key) => operation === 'DeleteObject' && key === PARTS[0],
    async () => {
      await bucket.retain()
      bucket.record('d')
    },
  )
  await bucket.retain({}, aws)
  expect(bucket.isThere(PARTS[0] ?? '')).toBe(true)
})

test.each(['DeployRole', 'CiRole'])('the %s may make every call of it in the bucket', async (role) => {
  await bucket.four()
  bucket.write(LAYOUT.base(hash('e')), JSON.stringify({ previous: hash('f') }))
  // What somebody names at this moment is put back.
  const aws = bucket.when(
    (operation, key) => operation === 'DeleteObject' && key === LAYOUT.staticFiles(hash('d')),
    () => bucket.record('d'),
  )
  expect((await bucket.retain({}, aws)).parts).toHaveLength(6)
  const rights = statementsOf(bootstrap(SAMPLE_SETTINGS, true), role)
  const given = { 'aws:RequestedRegion': region, 'aws:ResourceAccount': account }
  const asked = bucket.world.calls
    .filter(({ service }) => service === 's3')
    .map(({ operation, input }) =>
      operation === 'ListObjectsV2'
        ? { action: 's3:ListBucket', on: `arn:aws:s3:::${BUCKET}`, given }
        : { action: `s3:${operation}`, on: `arn:aws:s3:::${BUCKET}/${input.Key}`, given },
    )
  expect(new Set(asked.map(({ action }) => action))).toEqual(
    new Set(['s3:ListBucket', 's3:GetObject', 's3:DeleteObject', 's3:PutObject']),
  )
  expect(asked.filter((call) => !allows(rights, call))).toEqual([])
})
