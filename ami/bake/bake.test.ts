// A bake by what it does: with a builder of a few bytes, and the stand-in for AWS.
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Aws } from '../../aws/port.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { allows } from '../../infra/bootstrap/evaluate.ts'
import { arnHere, BOOTSTRAP_STACK, stateBucket } from '../../infra/bootstrap/names.ts'
import { statementsOf } from '../../infra/bootstrap/promise.ts'
import { SAMPLE_SETTINGS } from '../../infra/bootstrap/sample-settings.ts'
import { bootstrap } from '../../infra/bootstrap/template.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { imagesTestThemselves } from '../ec2/fixture.ts'
import type { Tier } from '../recipe/debian.ts'
import type { BakeLine } from './arguments.ts'
import { type Baked, bake } from './bake.ts'
import type { Builder } from './local-builder.ts'
import {
  account,
  BUCKET,
  bootstrapped,
  builderOf,
  CHECKOUT,
  HOME,
  inspectionOf,
  KEY,
  kitchenOf,
  LINE,
  pagesOf,
  region,
  SBOM,
} from './test/kitchen.ts'
import type { Kitchen } from './work.ts'

let folder: string
let world: StandIn
let done: string[]
/** What the pages' build is called, and the name of a static file of it. */
let pages: string
let said: string[]
let ending: AbortController
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-bake-'))
  world = standIn(account, region)
  world.buckets.make(BUCKET)
  done = []
  pages = 'one'
  said = []
  ending = new AbortController()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const builder = builderOf((what) => done.push(what))
const inspection = inspectionOf((what) => done.push(what))
const run = (line: Partial<BakeLine> = {}, kitchen: Partial<Kitchen> = {}) =>
  bake(
    { ...LINE, ...line },
    {
      ...kitchenOf(folder, world.aws, (what) => done.push(what)),
      pages: pagesOf(folder, () => pages),
      say: (line) => said.push(line),
      signal: ending.signal,
      ...kitchen,
    },
  )
const setOf = (baked: Baked) => {
  if (baked.outcome !== 'set') throw new Error(baked.outcome)
  return baked.set
}
const changed = (digit: string) => async () => ({ ...CHECKOUT, files: { 'web/page.tsx': digit.repeat(64) } })
const puts = () => world.calls.filter(({ operation }) => operation === 'PutSnapshotBlock').length
const objects = () => world.buckets.keys(BUCKET).toSorted()

test('from a checkout to a record that says what was made, of what, and what it has passed', async () => {
  const baked = await run()
  const set = setOf(baked)
  expect(baked).toMatchObject({ made: true })
  expect(done).toEqual(['make api', 'make web', 'look api web', 'boot api web'])
  expect(set).toMatchObject({
    release: `0.1.0-${set.inputs.slice(0, 12)}`,
    madeAt: '2026-11-28T12:00:00.000Z',
    account,
    commit: CHECKOUT.commit,
    bootSeconds: { api: 40, web: 30 },
    bootTests: [
      { tier: 'api', where: 'local', at: '2026-11-28T12:00:00.000Z', seconds: 40 },
      { tier: 'web', where: 'local', at: '2026-11-28T12:00:00.000Z', seconds: 30 },
    ],
  })
  const snapshots = world.calls.filter(({ operation }) => operation === 'StartSnapshot')
  expect(snapshots.map(({ input }) => input.KmsKeyArn)).toEqual([KEY, KEY])
  expect(set).not.toHaveProperty('previous')
  expect(objects()).toEqual([
    LAYOUT.base(set.inputs),
    LAYOUT.packages(set.packages ?? ''),
    LAYOUT.sbom(set.sbom ?? ''),
    LAYOUT.record(set.inputs),
    LAYOUT.staticFiles(set.pages?.files ?? ''),
  ])
  expect(world.buckets.text(BUCKET, LAYOUT.sbom(set.sbom ?? ''))).toBe(SBOM)
  expect(set.scan).toEqual({ at: '2026-11-28T12:00:00.000Z', sources: ['npm'], waived: [] })
  expect([...world.compute.images.all.keys()].sort()).toEqual(Object.values(set.regions[region] ?? {}).sort())
  expect(said.join('\n')).toMatch(/Image set [0-9a-f]{12}: release 0\.1\.0-[\s\S]*about USD 0\.00 a month/)
})

test('the same inputs once more: nothing is made, booted or sent', async () => {
  const first = await run()
  rmSync(path.join(folder, 'disks'), { recursive: true })
  const before = { puts: puts(), images: world.compute.images.all.size }
  expect(await run()).toMatchObject({ ...first, made: false })
  expect(done).toHaveLength(4)
  expect({ puts: puts(), images: world.compute.images.all.size }).toEqual(before)
})

test('a dry run shows what would be done, and does nothing', async () => {
  expect(await run({ dryRun: true })).toMatchObject({ outcome: 'planned' })
  expect(done).toEqual([])
  expect(objects()).toEqual([])
  expect(said.join('\n')).toContain(`to account ${account}, ${region}, encrypted with ${KEY}`)
})

test('a region whose databases the image would not know is said before anything is made', async () => {
  const home = { account, region: 'il-central-1' }
  world.buckets.make(stateBucket(home))
  await run({ home, dryRun: true })
  expect(said.join('\n')).toContain(
    'no authorities of RDS in il-central-1: put them into ami/recipe/rds-authorities',
  )
  await run({ dryRun: true })
  expect(said.join('\n')).not.toContain(`no authorities of RDS in ${region}`)
})

test('one disk stays here, and is not made twice', async () => {
  const here = { tiers: ['web'] as const, home: undefined }
  expect(await run(here, { aws: undefined })).toMatchObject({ outcome: 'kept-here' })
  await run(here, { aws: undefined })
  expect(done).toEqual(['make web', 'look web, tell only', 'boot web'])
  expect(world.calls).toEqual([])
})

describe('the static files of other pages', () => {
  test('those of the set before are in the web image and in the record, and only those', async () => {
    const first = setOf(await run())
    pages = 'two'
    const second = setOf(await run({}, { checkout: changed('e') }))
    pages = 'three'
    const third = setOf(await run({}, { checkout: changed('f') }))
    expect(done.filter((line) => line.startsWith('make web'))).toEqual([
      'make web',
      'make web with one.js',
      'make web with two.js',
    ])
    expect([second.previous, third.previous]).toEqual([first.inputs, second.inputs])
    expect(said.join('\n')).toContain(
      `beside its own the static files of image set ${first.inputs.slice(0, 12)}`,
    )
  })

  test('the same inputs are the same set also when somebody has baked other pages since', async () => {
    await run()
    pages = 'two'
    const second = await run({}, { checkout: changed('e') })
    pages = 'three'
    await run({}, { checkout: changed('f') })
    const made = done.length
    pages = 'two'
    expect(await run({}, { checkout: changed('e') })).toMatchObject({ ...second, made: false })
    expect(done).toHaveLength(made)
    // Unless the newest is asked for.
    const again = setOf(await run({ previous: 'latest' }, { checkout: changed('e') }))
    expect(done.slice(made)).toContain('make web with three.js')
    expect(setOf(await run({}, { checkout: changed('e') }))).toEqual(again)
  })

  test('that are gone, or others than the record says, are said before anything is made', async () => {
    const { pages: its } = setOf(await run())
    world.buckets.write(BUCKET, LAYOUT.staticFiles(its?.files ?? ''), '{}')
    pages = 'two'
    await expect(run({}, { checkout: changed('e') })).rejects.toThrow('are not those that it was made with')
    expect(done).toHaveLength(4)
    expect(setOf(await run({ previous: 'none' }, { checkout: changed('e') }))).not.toHaveProperty('previous')
  })
})

describe('a bake that was ended goes on', () => {
  test('behind the disk that is there', async () => {
    const fails = async (tier: Tier, ...more: unknown[]) => {
      if (tier === 'web') throw new Error('killed')
      return builder.make(
        tier,
        ...(more as Parameters<Builder['make']> extends [Tier, ...infer R] ? R : never),
      )
    }
    await expect(run({}, { builder: { ...builder, make: fails } })).rejects.toThrow('killed')
    await run()
    expect(done).toEqual(['make api', 'make web', 'look api web', 'boot api web'])
  })

  test('with the same bytes when it was uploading: the boot tests hold', async () => {
    world.faults.add({
      operation: 'RegisterImage',
      times: 99,
      error: Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }),
    })
    await expect(run()).rejects.toThrow('The same command goes on from here')
    world.faults.clear()
    const sent = puts()
    expect(await run()).toMatchObject({ outcome: 'set', made: true })
    expect(done).toEqual(['make api', 'make web', 'look api web', 'boot api web', 'look api web'])
    // The other tier's only.
    expect(puts() - sent).toBe(3)
  })

  test('but a disk that has changed since is made and booted again', async () => {
    await run({ home: undefined }, { aws: undefined })
    const [set = ''] = readdirSync(path.join(folder, 'disks'))
    writeFileSync(path.join(folder, 'disks', set, 'web.raw'), 'something else')
    await run()
    expect(done).toEqual([
      ...['make api', 'make web', 'look api web, tell only', 'boot api web'],
      ...['make web', 'look api web', 'boot api web'],
    ])
  })
})

describe('nothing is made', () => {
  test.each<[string, Partial<BakeLine>, () => Partial<Kitchen>, string]>([
    [
      'of what is not committed',
      {},
      () => ({ checkout: async () => ({ ...CHECKOUT, uncommitted: ['api/src/main.ts'] }) }),
      'is not committed: api/src/main.ts',
    ],
    [
      'with credentials of another account',
      { home: { account: '999988887777', region } },
      () => ({}),
      'This bake belongs to account 999988887777',
    ],
    ['without a bootstrap', {}, () => ({ aws: world.aws }), 'has no terrace-bootstrap'],
    ['without a key', {}, () => ({ aws: bootstrapped(world.aws, []) }), 'npm run bootstrap makes it'],
  ])('%s', async (_what, line, kitchen, why) => {
    await expect(run(line, kitchen())).rejects.toThrow(why)
    expect(done).toEqual([])
    expect(objects()).toEqual([])
    expect(existsSync(path.join(folder, 'disks'))).toBe(false)
  })
})

test('two bakes of the same at a time: the second one leaves the first one’s disks alone', async () => {
  const begun = Promise.withResolvers<void>()
  const other = Promise.withResolvers<void>()
  const make: Builder['make'] = async (...all) => {
    begun.resolve()
    await other.promise
    return builder.make(...all)
  }
  const first = run({}, { builder: { ...builder, make } })
  await begun.promise
  await expect(run()).rejects.toThrow('Another bake of the same inputs is running here')
  expect(done).toEqual([])
  other.resolve()
  expect(await first).toMatchObject({ outcome: 'set', made: true })
})

test('uncommitted files that are meant are marked, in the release that servers say', async () => {
  const checkout = async () => ({ ...CHECKOUT, uncommitted: ['api/src/main.ts'] })
  const baked = await run({ allowDirty: true }, { checkout })
  expect(baked.outcome === 'set' && baked.set.release).toMatch(/-dirty$/)
})

describe('what is not to be sent', () => {
  test('without its agents is not even made; without an upload it is', async () => {
    const requireShippable = () => {
      throw new Error('an image without its agents is for tests')
    }
    const bare = { inspection: { ...inspection, requireShippable } }
    await expect(run({}, bare)).rejects.toThrow('is for tests')
    expect(done).toEqual([])
    expect(await run({ home: undefined }, { ...bare, aws: undefined })).toMatchObject({
      outcome: 'kept-here',
    })
  })

  test('because of what is in it is not booted, and nothing of it leaves', async () => {
    const look = async () => Promise.reject(new Error('CVE-2026-1'))
    await expect(run({}, { inspection: { ...inspection, look } })).rejects.toThrow('CVE-2026-1')
    expect(done).toEqual(['make api', 'make web'])
    expect(objects()).toEqual([])
  })

  test('unless somebody says why: that stands in the record', async () => {
    const baked = await run({ allowUnscanned: 'closed network' })
    expect(baked.outcome === 'set' && baked.set.scan?.unscanned).toBe('closed network')
  })
})

test('a disk that fails its boot test goes nowhere', async () => {
  const boot = async () => Promise.reject(new Error('terrace-api does not start'))
  await expect(run({}, { builder: { ...builder, boot } })).rejects.toThrow('does not start')
  expect(puts()).toBe(0)
  expect(objects()).toEqual([])
})

test('ended by a person: what AWS has made is taken back', async () => {
  const aws = bootstrapped(world.aws)
  const client = world.aws.ebs as { send: (...args: unknown[]) => Promise<unknown> }
  const send = async (...args: unknown[]) => {
    const answer = await client.send(...args)
    if ((args[0] as object).constructor.name === 'PutSnapshotBlockCommand') ending.abort()
    return answer
  }
  await expect(run({}, { aws: { ...aws, ebs: { send } as Aws['ebs'] } })).rejects.toThrow(
    /The bake was ended\. Removed: snap-/,
  )
  expect(world.compute.snapshots.all.size).toBe(0)
  expect(readdirSync(path.join(folder, 'journals'))).toEqual([])
})

test('whoever bakes may make every call of it', async () => {
  imagesTestThemselves(world)
  await run({ bootTest: 'ec2' })
  const rights = statementsOf(bootstrap(SAMPLE_SETTINGS, true), 'DeployRole')
  const ours = { 'aws:RequestedRegion': region, 'aws:ResourceAccount': account }
  const tagOf = (input: unknown): string | undefined => {
    const text = JSON.stringify(input)
    return /\{"Key":"service","Value":"([^"]+)"\}/.exec(text)?.[1]
  }
  const arn = (kind: string) => `arn:aws:ec2:${region}::${kind}/${kind}-1`
  const own = (kind: string) => arnHere(HOME, 'ec2', `${kind}/${kind}-1`)
  /** On what each call works, and what AWS would know of it: the tag that is there, or the one that is asked for. */
  const asked = world.calls.flatMap(({ service, operation, input }) => {
    const tag = tagOf(input)
    const making = { ...ours, ...(tag && { 'aws:RequestTag/service': tag }) }
    const there = { ...ours, 'aws:ResourceTag/service': 'terrace' }
    const action = `${service}:${operation}`
    if (service === 'sts') return []
    if (operation === 'ListObjectsV2')
      return [{ action: 's3:ListBucket', on: `arn:aws:s3:::${BUCKET}`, given: ours }]
    if (service === 's3')
      return [{ action, on: `arn:aws:s3:::${BUCKET}/${Reflect.get(Object(input), 'Key')}`, given: ours }]
    if (operation === 'StartSnapshot') return [{ action, on: arn('snapshot'), given: making }]
    if (operation === 'RegisterImage')
      return [
        { action, on: arn('image'), given: making },
        { action, on: arn('snapshot'), given: there },
        { action: 'ec2:CreateTags', on: arn('image'), given: { ...making, 'ec2:CreateAction': operation } },
      ]
    if (operation === 'RunInstances')
      return [
        ...['instance', 'volume'].flatMap((kind) => [
          { action, on: own(kind), given: making },
          { action: 'ec2:CreateTags', on: own(kind), given: { ...making, 'ec2:CreateAction': operation } },
        ]),
        ...['subnet', 'security-group'].map((kind) => ({ action, on: own(kind), given: there })),
        { action, on: own('network-interface'), given: ours },
        { action, on: arn('image'), given: there },
      ]
    if (['GetConsoleOutput', 'TerminateInstances'].includes(operation))
      return [{ action, on: own('instance'), given: there }]
    if (service === 'ebs') return [{ action, on: arn('snapshot'), given: there }]
    return [{ action, on: '*', given: ours }]
  })
  const stack = arnHere(HOME, 'cloudformation', `stack/${BOOTSTRAP_STACK}/1`)
  asked.push({ action: 'cloudformation:DescribeStacks', on: stack, given: ours })
  expect(new Set(asked.map(({ action }) => action))).toContain('ec2:RegisterImage')
  expect(new Set(asked.map(({ action }) => action))).toContain('s3:ListBucket')
  expect(new Set(asked.map(({ action }) => action))).toContain('ec2:GetConsoleOutput')
  expect(asked.filter((one) => !allows(rights, one))).toEqual([])
})
