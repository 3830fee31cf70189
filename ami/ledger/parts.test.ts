// What bakes have left beside records goes when no set needs it any more, and nothing else.
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import { FAULTS } from '../../aws/stand-in/service.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { carrying, choosePrevious } from '../image-set/previous.ts'
import type { Retaining } from './retain.ts'
import { BUCKET, Bucket, HOME, hash, partsOf } from './test/beside.ts'

let bucket: Bucket
beforeEach(() => {
  bucket = new Bucket()
})
const told = () => bucket.said.join('\n')

describe('goes', () => {
  test('what no set names and nobody has used for days: of every folder, and nothing else', async () => {
    bucket.set('a')
    const old = [...partsOf('d'), LAYOUT.base(hash('d'))]
    for (const key of old) bucket.write(key, '{"previous":null}')
    await bucket.pass(20)
    const young = partsOf('e')
    for (const key of young) bucket.write(key)
    const { parts, removed } = await bucket.retain()
    expect([...parts].sort()).toEqual(old.sort())
    expect(removed).toEqual([])
    expect(bucket.left(old)).toEqual([])
    expect(bucket.left([...young, ...partsOf('a')])).toHaveLength(6)
    expect(bucket.isThere(LAYOUT.record(hash('a')))).toBe(true)
    expect(told()).toMatch(
      /stays +image-static\/e+\.json {2}used .*: its bake may still be running, or be continued/,
    )
  })

  test('what a set named that goes, in the same run; not what one that stays names too', async () => {
    bucket.set('c', { pages: { build: 'b', files: hash('a') } })
    await bucket.pass(30)
    bucket.set('b')
    bucket.set('a')
    const outcome = 'removed'
    expect(await bucket.retain()).toEqual({ removed: [hash('c')], parts: partsOf('c'), outcome })
    expect(bucket.left([...partsOf('a'), ...partsOf('b')])).toHaveLength(6)
  })

  test('not for good: the version that was there is kept', async () => {
    const [key = ''] = partsOf('d')
    bucket.write(key)
    await bucket.pass(20)
    await bucket.retain()
    const removals = bucket.world.calls.filter(({ operation }) => operation === 'DeleteObject')
    expect(removals.map(({ input }) => [input.Key, input.VersionId])).toEqual([[key, undefined]])
  })

  test('what is on a page that is not the first', async () => {
    const old = LAYOUT.staticFiles(hash('f'))
    bucket.write(old)
    await bucket.pass(20)
    for (let index = 0; index < 1_000; index++)
      bucket.write(LAYOUT.staticFiles(String(index).padStart(64, '0')), '{}')
    expect((await bucket.retain()).parts).toEqual([old])
  })
})

describe('by itself it only shows', () => {
  test.each<[string, Partial<Retaining>]>([
    ['without --remove', { removes: false }],
    ['when nobody agrees', { agrees: async () => false }],
  ])('%s', async (_when, more) => {
    bucket.set('c')
    await bucket.pass(30)
    bucket.set('b')
    bucket.set('a')
    const before = bucket.world.buckets.keys(BUCKET)
    expect((await bucket.retain(more)).parts).toEqual([])
    expect(bucket.world.buckets.keys(BUCKET)).toEqual(before)
    // Those of the set that would go, too.
    for (const key of partsOf('c')) expect(told()).toContain(`not needed  ${key}`)
    expect(bucket.said.at(-1)).toMatch(/1 of them not needed; beside them 9 objects, 3 of them not needed\./)
  })

  test('what somebody is asked about is all that goes', async () => {
    for (const key of partsOf('d')) bucket.write(key)
    await bucket.pass(20)
    const asked: string[] = []
    await bucket.retain({
      agrees: async ({ sets, parts }) => {
        asked.push(...parts)
        expect(sets).toEqual([])
        return true
      },
    })
    expect(asked).toEqual(partsOf('d'))
  })

  test('what a set named as it was shown is not taken along when that set goes meanwhile', async () => {
    for (const key of partsOf('d')) bucket.write(key)
    bucket.set('a')
    await bucket.pass(20)
    const agrees = async () => {
      const Key = LAYOUT.record(hash('a'))
      await bucket.world.aws.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key }))
      return true
    }
    expect((await bucket.retain({ agrees })).parts).toEqual(partsOf('d'))
    expect(bucket.left(partsOf('a'))).toEqual(partsOf('a'))
  })

  test('what is old only after it was shown is not taken along', async () => {
    const [first = '', second = ''] = partsOf('d')
    bucket.write(first)
    await bucket.pass(10)
    bucket.write(second)
    await bucket.pass(10)
    // As many days as it takes.
    const agrees = async () => {
      await bucket.pass(20)
      return true
    }
    expect((await bucket.retain({ agrees })).parts).toEqual([first])
    expect(bucket.isThere(second)).toBe(true)
  })
})

describe('what is none of a bake’s is shown, and left', () => {
  test.each([
    ['image-static/notes.txt', 'its name is none that a bake gives'],
    [`image-packages/${'A'.repeat(64)}.json`, 'its name is none that a bake gives'],
    [`image-sboms/old/${hash('a')}.json`, 'its name is none that a bake gives'],
    [`image-bases/${hash('a')}.json.bak`, 'its name is none that a bake gives'],
    [LAYOUT.base(hash('f')), 'it does not say which set’s static files images carry'],
  ])('%s', async (key, why) => {
    bucket.write(key, 'what somebody has put there')
    await bucket.pass(60)
    expect((await bucket.retain()).parts).toEqual([])
    expect(bucket.isThere(key)).toBe(true)
    expect(told()).toContain(`stays       ${key}  used `)
    expect(told()).toContain(why)
  })

  test('nor are other folders looked at', async () => {
    const others = [`image-others/${hash('a')}.json`, `bakes/${hash('a')}.json`, `stages/${hash('a')}.json`]
    for (const key of others) bucket.write(key)
    await bucket.pass(60)
    await bucket.retain()
    expect(bucket.left(others)).toEqual(others)
    expect(told()).not.toContain('image-others')
  })
})

describe('which set’s static files images carry', () => {
  const choose = () =>
    choosePrevious(bucket.world.aws, HOME, {
      ...{ which: 'usual', base: hash('1'), build: 'x', allowDirty: false },
    })
  const base = LAYOUT.base(hash('1'))
  const keep = (previous: string | null) => bucket.write(base, JSON.stringify({ previous }))

  test('stays while the set that it leads to is there, however old, also when the other one is gone', async () => {
    bucket.set('a', { previous: hash('9') }, carrying(hash('1'), hash('9')))
    keep(hash('9'))
    await bucket.pass(90)
    expect((await bucket.retain()).parts).toEqual([])
    expect(await choose()).toBe(hash('9'))
  })

  test('goes with that set, however young, when it names one that is gone: the next bake can go on', async () => {
    const previous = bucket.set('c')
    bucket.set('d', { previous }, carrying(hash('1'), previous))
    await bucket.pass(30)
    const others = [bucket.set('b'), bucket.set('a')]
    // Whoever has baked the same has used it.
    keep(previous)
    await bucket.retain({ removes: false })
    expect(told()).toContain(`not needed  ${base}`)
    const { removed, parts } = await bucket.retain()
    expect(removed).toHaveLength(2)
    expect(parts).toContain(base)
    expect(others).toContain(await choose())
  })

  test('that names one that is there goes when it is old only', async () => {
    bucket.set('a')
    keep(hash('a'))
    expect((await bucket.retain()).parts).toEqual([])
    await bucket.pass(20)
    expect((await bucket.retain()).parts).toEqual([base])
  })

  test('that was chosen anew meanwhile stays', async () => {
    bucket.set('a')
    keep(null)
    await bucket.pass(20)
    const aws = bucket.when(
      (operation) => operation === 'DeleteObject',
      () => keep(hash('a')),
    )
    expect((await bucket.retain({}, aws)).parts).toEqual([])
    expect(await choose()).toBe(hash('a'))
    expect(bucket.said.at(-1)).toContain('was written or removed by somebody else')
  })
})

test('a choice that is made anew once it was listed is judged by what it says now', async () => {
  const base = LAYOUT.base(hash('1'))
  bucket.write(base, '{"previous":null}')
  await bucket.pass(20)
  let isShown = false
  const agrees = async () => {
    isShown = true
    return true
  }
  let read = 0
  // The first is to list it.
  const changed = bucket.when(
    (operation, key) => isShown && operation === 'GetObject' && key === base && ++read === 2,
    () => bucket.write(base, JSON.stringify({ previous: hash('9') })),
  )
  const aws = bucket.when(
    (operation) => operation === 'DeleteObject',
    () => bucket.record('a', { previous: hash('9') }, carrying(hash('1'), hash('9'))),
    'before',
    changed,
  )
  expect((await bucket.retain({ agrees }, aws)).parts).toEqual([])
  expect(bucket.isThere(base)).toBe(true)
})

describe('what can’t be read frees nothing, not even an old set', () => {
  beforeEach(async () => {
    await bucket.four()
    bucket.write(LAYOUT.base(hash('d')), '{"previous":null}')
    await bucket.pass(20)
  })
  const nothingGone = () => {
    const old = [...partsOf('c'), ...partsOf('d'), LAYOUT.base(hash('d')), LAYOUT.record(hash('c'))]
    expect(bucket.left(old)).toEqual(old)
    expect(bucket.world.calls.map(({ operation }) => operation)).not.toContain('DeleteObject')
  }

  test.each([1, 2, 3, 4])('folder %i of the four', async (call) => {
    bucket.world.faults.add({ operation: 'ListObjectsV2', call, error: FAULTS.denied('s3:ListBucket') })
    await expect(bucket.retain()).rejects.toMatchObject({ kind: 'access-denied' })
    nothingGone()
  })

  test('which set’s static files images carry', async () => {
    bucket.world.faults.add({ operation: 'GetObject', error: FAULTS.denied('s3:GetObject') })
    await expect(bucket.retain()).rejects.toMatchObject({ kind: 'access-denied' })
    nothingGone()
  })

  test('a record', async () => {
    bucket.write(LAYOUT.record(hash('e')), '{')
    await expect(bucket.retain()).rejects.toThrow('is not the record of this image set')
    nothingGone()
  })

  test('in another region', async () => {
    const aws = { ...bucket.world.aws, region: 'eu-central-1' }
    await expect(bucket.retain({}, aws)).rejects.toThrow(`asked in eu-central-1 for ${HOME.region}`)
    nothingGone()
  })

  test('with credentials of another account', async () => {
    const { sts } = new Bucket('555566667777').world.aws
    await expect(bucket.retain({}, { ...bucket.world.aws, sts })).rejects.toMatchObject({
      kind: 'wrong-account',
    })
    nothingGone()
  })
})

test('what may not be removed stops it, and says so', async () => {
  for (const key of partsOf('d')) bucket.write(key)
  await bucket.pass(20)
  bucket.world.faults.add({ operation: 'DeleteObject', call: 2, error: FAULTS.denied('s3:DeleteObject') })
  await expect(bucket.retain()).rejects.toMatchObject({ kind: 'access-denied' })
  expect(bucket.left(partsOf('d'))).toEqual(partsOf('d').slice(1))
})
