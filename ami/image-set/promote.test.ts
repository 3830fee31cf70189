// Records are written once, pointers move only from where they were seen.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { hashOf, LAYOUT } from '../../infra/image-sets.ts'
import type { ImageSet } from '../../infra/images.ts'
import { pullImages } from '../../infra/images-pull.ts'
import { SAMPLE_IMAGES } from '../../infra/sample-images.ts'
import { STAGES } from '../../infra/stages.ts'
import { promote } from './promote.ts'
import { readSet, writeSet } from './record.ts'

const account = '222233334444'
const STAGING = {
  name: 'staging',
  stage: { ...STAGES.staging, account, region: STAGES.prod.region },
} as const
const PROD = { name: 'prod', stage: { ...STAGES.prod, account } } as const
const SET: ImageSet = { ...SAMPLE_IMAGES, account }
const BUCKET = stateBucket(PROD.stage)
const CANDIDATE = LAYOUT.pointer('prod', 'candidate')
const pointerTo = (set: ImageSet) => JSON.stringify({ inputs: set.inputs, sha256: hashOf(set) })

let world: StandIn
beforeEach(() => {
  world = standIn(account, PROD.stage.region)
  world.buckets.make(BUCKET)
})
const put = (Key: string, Body: string) =>
  world.aws.s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }))
async function stagingRuns(set: ImageSet = SET) {
  await put(LAYOUT.record(set.inputs), JSON.stringify(set))
  await put(LAYOUT.pointer('staging', 'live'), pointerTo(set))
}
const run = (aws: Aws = world.aws) => promote(aws, STAGING, PROD)
/** Does something before the first write. */
function meanwhile(work: () => Promise<unknown>): Aws {
  const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
  let done = false
  const send = async (...args: unknown[]) => {
    if ((args[0] as object).constructor.name === 'PutObjectCommand' && !done) {
      done = true
      await work()
    }
    return client.send(...args)
  }
  return { ...world.aws, s3: { send } as Aws['s3'] }
}

describe('a record', () => {
  test('is written once; who comes second gets the first one', async () => {
    expect(await readSet(world.aws, PROD.stage, SET.inputs)).toBeUndefined()
    expect(await writeSet(world.aws, PROD.stage, SET)).toEqual(SET)
    expect(await writeSet(world.aws, PROD.stage, { ...SET, release: 'other' })).toEqual(SET)
    expect(await readSet(world.aws, PROD.stage, SET.inputs)).toEqual(SET)
  })

  test('that is not what its name says is refused', async () => {
    await put(LAYOUT.record(SET.inputs), JSON.stringify({ ...SET, inputs: 'c'.repeat(64) }))
    await expect(readSet(world.aws, PROD.stage, SET.inputs)).rejects.toThrow(
      'is not the record of this image set',
    )
  })

  test('of something that is no image set is not written', async () => {
    await expect(writeSet(world.aws, PROD.stage, { ...SET, account: 'x' })).rejects.toThrow()
    expect(world.buckets.keys(BUCKET)).toEqual([])
  })
})

test('what staging runs is what prod is to run next, and a release finds it there', async () => {
  await stagingRuns()
  expect(await run()).toEqual({ set: SET, moved: true })
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-promote-'))
  expect((await pullImages(world.aws, 'prod', PROD.stage, 'candidate', folder)).set).toEqual(SET)
  rmSync(folder, { recursive: true })
  expect(world.buckets.text(BUCKET, LAYOUT.pointer('prod', 'live'))).toBeUndefined()
  const from = world.calls.length
  expect(await run()).toEqual({ set: SET, moved: false })
  expect(world.calls.slice(from).map(({ operation }) => operation)).not.toContain('PutObject')
})

test('what a bake has recorded is what a stage is to run next, by the begin of its name', async () => {
  await put(LAYOUT.record(SET.inputs), JSON.stringify(SET))
  const from = { set: SET.inputs.slice(0, 12) }
  expect(await promote(world.aws, from, PROD)).toEqual({ set: SET, moved: true })
  expect(await promote(world.aws, from, PROD)).toEqual({ set: SET, moved: false })
  expect(world.buckets.text(BUCKET, CANDIDATE)).toBe(`${pointerTo(SET)}\n`)
  await expect(promote(world.aws, { set: 'f'.repeat(12) }, STAGING)).rejects.toThrow(/no such image set/)
})

test('somebody else moves it at the same moment: theirs stays', async () => {
  await stagingRuns()
  const theirs = pointerTo({ ...SET, inputs: 'd'.repeat(64) })
  await expect(run(meanwhile(() => put(CANDIDATE, theirs)))).rejects.toThrow(/Somebody else has moved/)
  expect(world.buckets.text(BUCKET, CANDIDATE)).toBe(theirs)
  await put(CANDIDATE, theirs)
  const others = pointerTo({ ...SET, inputs: 'e'.repeat(64) })
  await expect(run(meanwhile(() => put(CANDIDATE, others)))).rejects.toThrow(/Somebody else has moved/)
  expect(world.buckets.text(BUCKET, CANDIDATE)).toBe(others)
})

test('an answer that is lost, and the client’s own second try is refused: it was moved', async () => {
  await stagingRuns()
  const same = () => put(CANDIDATE, pointerTo(SET))
  expect(await run(meanwhile(same))).toEqual({ set: SET, moved: true })
})

describe('retention removes the set at the same moment', () => {
  /** Behind the first write. */
  function behind(work: () => unknown): Aws {
    const client = world.aws.s3 as { send: (...args: unknown[]) => Promise<unknown> }
    let done = false
    const send = async (...args: unknown[]) => {
      const result = await client.send(...args)
      if ((args[0] as object).constructor.name === 'PutObjectCommand' && !done) {
        done = true
        await work()
      }
      return result
    }
    return { ...world.aws, s3: { send } as Aws['s3'] }
  }
  const forget = (aws: Aws = world.aws) =>
    aws.s3.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: LAYOUT.record(SET.inputs) }))

  test('nothing points at it: there is no pointer, or the one that was', async () => {
    for (const was of [undefined, pointerTo({ ...SET, inputs: 'd'.repeat(64) })]) {
      await stagingRuns()
      if (was !== undefined) await put(CANDIDATE, was)
      await expect(run(behind(forget))).rejects.toThrow(/was removed at this moment.*is as it was/s)
      expect(world.buckets.text(BUCKET, CANDIDATE)).toBe(was)
    }
  })

  test('and somebody else has moved the pointer by then: theirs stays', async () => {
    await stagingRuns()
    const theirs = pointerTo({ ...SET, inputs: 'e'.repeat(64) })
    const both = async () => {
      await forget()
      await put(CANDIDATE, theirs)
    }
    await expect(run(behind(both))).rejects.toThrow(/was removed at this moment/)
    expect(world.buckets.text(BUCKET, CANDIDATE)).toBe(theirs)
  })
})

describe('nothing moves', () => {
  const refused = async (words: RegExp, work = run()) => {
    await expect(work).rejects.toThrow(words)
    expect(world.buckets.text(BUCKET, CANDIDATE)).toBeUndefined()
  }
  test('when staging runs nothing', () => refused(/staging runs no images yet/))
  test('when the record is gone', async () => {
    await put(LAYOUT.pointer('staging', 'live'), pointerTo(SET))
    await refused(/should stand in s3:.*and does not/)
  })
  test('when the record was changed', async () => {
    await stagingRuns()
    await put(LAYOUT.record(SET.inputs), JSON.stringify({ ...SET, release: 'x' }))
    await refused(/has been changed since staging runs it/)
  })
  test('when the pointer is none', async () => {
    await put(LAYOUT.pointer('staging', 'live'), '{}')
    await refused(/is not a pointer to an image set/)
  })
  test('when prod can’t run it', async () => {
    await stagingRuns({ ...SET, architecture: 'arm64' })
    await refused(/can’t be used by stage prod: it is arm64/)
  })
  test('between accounts', () =>
    refused(
      /images are not copied between accounts/,
      promote(world.aws, { ...STAGING, stage: { ...STAGING.stage, account: '555566667777' } }, PROD),
    ))
  test('to itself', () => refused(/can’t be promoted to itself/, promote(world.aws, PROD, PROD)))
})

test.each([
  [
    'never booted on EC2',
    { bootTests: SET.bootTests?.filter(({ where }) => where === 'local') },
    'api and web',
  ],
  [
    'of which only one did',
    { bootTests: SET.bootTests?.filter(({ tier }) => tier === 'api') },
    'its web image',
  ],
  ['of uncommitted files', { release: '0.1.0-0123456789ab-dirty' }, 'nobody has committed'],
])('images %s are not for a protected stage', async (_what, change, why) => {
  await stagingRuns({ ...SET, ...change })
  await expect(run()).rejects.toThrow(why)
  expect(world.buckets.keys(BUCKET)).not.toContain(LAYOUT.pointer('prod', 'candidate'))
})
