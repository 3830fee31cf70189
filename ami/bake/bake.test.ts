// A bake by what it does: with a builder of a few bytes, and the stand-in for AWS.
import { createHash } from 'node:crypto'
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
import type { Step } from '../../local/steps.ts'
import type { Tier } from '../recipe/debian.ts'
import { BLOCK_BYTES } from '../upload/disk.ts'
import type { BakeLine } from './arguments.ts'
import { bake, type Kitchen } from './bake.ts'
import type { Checkout } from './checkout.ts'
import type { Inspection } from './inspection.ts'
import type { Builder } from './local-builder.ts'

const { account, region } = SAMPLE_SETTINGS
const HOME = { account, region }
const BUCKET = stateBucket(HOME)
const KEY = `arn:aws:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555`
const LINE: BakeLine = {
  tiers: ['api', 'web'],
  home: HOME,
  profile: undefined,
  dryRun: false,
  allowDirty: false,
  allowUnscanned: undefined,
}
const CHECKOUT: Checkout = {
  commit: 'c'.repeat(40),
  version: '0.1.0',
  uncommitted: [],
  files: { 'api/src/main.ts': 'd'.repeat(64) },
}

let folder: string
let world: StandIn
let done: string[]
let said: string[]
let ending: AbortController
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-bake-'))
  world = standIn(account, region)
  world.buckets.make(BUCKET)
  done = []
  said = []
  ending = new AbortController()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const builder: Builder = {
  lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
  make: async (tier, { release, madeAt }, _lists, file) => {
    done.push(`make ${tier}`)
    writeFileSync(file, Buffer.alloc(3 * BLOCK_BYTES, `${tier} ${release} ${madeAt}`))
    return { bytes: 3 * BLOCK_BYTES, allocatedBytes: 3 * BLOCK_BYTES }
  },
  boot: async (disks) => {
    done.push(`boot ${Object.keys(disks).join(' ')}`)
    return { api: 40, web: 30 }
  },
}
const SBOM = '{"bomFormat":"CycloneDX"}\n'
const inspection: Inspection = {
  requireShippable: () => undefined,
  look: async ({ disks, now, stops, allowUnscanned }) => {
    done.push(`look ${Object.keys(disks).join(' ')}${stops ? '' : ', tell only'}`)
    const sbom = { text: SBOM, sha256: createHash('sha256').update(SBOM).digest('hex') }
    const unscanned = allowUnscanned && { unscanned: allowUnscanned }
    return { sbom, scan: { at: now.toISOString(), sources: ['npm'], waived: [], ...unscanned } }
  },
}
/** The bootstrap's stack is there. */
const bootstrapped = (outputs = [{ OutputKey: 'ImageKey', OutputValue: KEY }]): Aws => ({
  ...world.aws,
  cloudformation: {
    send: async () => ({ Stacks: [{ Outputs: outputs }] }),
  } as unknown as Aws['cloudformation'],
})
async function perform(steps: readonly Step[]): Promise<void> {
  for (const step of steps)
    if ('work' in step) await step.work({ title: step.title, output: '' })
    else await perform(step.together)
}
const run = (line: Partial<BakeLine> = {}, kitchen: Partial<Kitchen> = {}) =>
  bake(
    { ...LINE, ...line },
    {
      checkout: async () => CHECKOUT,
      builder,
      inspection,
      aws: bootstrapped(),
      disks: path.join(folder, 'disks'),
      journals: path.join(folder, 'journals'),
      now: () => new Date('2026-11-28T12:00:00Z'),
      say: (line) => said.push(line),
      perform,
      signal: ending.signal,
      ...kitchen,
    },
  )
const puts = () => world.calls.filter(({ operation }) => operation === 'PutSnapshotBlock').length
const objects = () => world.buckets.keys(BUCKET).toSorted()

test('from a checkout to a record that says what was made, of what, and what it has passed', async () => {
  const baked = await run()
  if (baked.outcome !== 'set') throw new Error(baked.outcome)
  const { set, made } = baked
  expect(made).toBe(true)
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
  expect(objects()).toEqual([
    LAYOUT.packages(set.packages ?? ''),
    LAYOUT.sbom(set.sbom ?? ''),
    LAYOUT.record(set.inputs),
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

test('one disk stays here, and is not made twice', async () => {
  const here = { tiers: ['web'] as const, home: undefined }
  expect(await run(here, { aws: undefined })).toMatchObject({ outcome: 'kept-here' })
  await run(here, { aws: undefined })
  expect(done).toEqual(['make web', 'look web, tell only', 'boot web'])
  expect(world.calls).toEqual([])
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
    ['without a key', {}, () => ({ aws: bootstrapped([]) }), 'npm run bootstrap makes it'],
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
  const aws = bootstrapped()
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
  await run()
  const rights = statementsOf(bootstrap(SAMPLE_SETTINGS, true), 'DeployRole')
  const ours = { 'aws:RequestedRegion': region, 'aws:ResourceAccount': account }
  const tagOf = (input: unknown): string | undefined => {
    const text = JSON.stringify(input)
    return /\{"Key":"service","Value":"([^"]+)"\}/.exec(text)?.[1]
  }
  const arn = (kind: string) => `arn:aws:ec2:${region}::${kind}/${kind}-1`
  /** On what each call works, and what AWS would know of it: the tag that is there, or the one that is asked for. */
  const asked = world.calls.flatMap(({ service, operation, input }) => {
    const tag = tagOf(input)
    const making = { ...ours, ...(tag && { 'aws:RequestTag/service': tag }) }
    const there = { ...ours, 'aws:ResourceTag/service': 'terrace' }
    const action = `${service}:${operation}`
    if (service === 'sts') return []
    if (service === 's3')
      return [{ action, on: `arn:aws:s3:::${BUCKET}/${Reflect.get(Object(input), 'Key')}`, given: ours }]
    if (operation === 'StartSnapshot') return [{ action, on: arn('snapshot'), given: making }]
    if (operation === 'RegisterImage')
      return [
        { action, on: arn('image'), given: making },
        { action, on: arn('snapshot'), given: there },
        { action: 'ec2:CreateTags', on: arn('image'), given: { ...making, 'ec2:CreateAction': operation } },
      ]
    if (service === 'ebs') return [{ action, on: arn('snapshot'), given: there }]
    return [{ action, on: '*', given: ours }]
  })
  const stack = arnHere(HOME, 'cloudformation', `stack/${BOOTSTRAP_STACK}/1`)
  asked.push({ action: 'cloudformation:DescribeStacks', on: stack, given: ours })
  expect(new Set(asked.map(({ action }) => action))).toContain('ec2:RegisterImage')
  expect(asked.filter((one) => !allows(rights, one))).toEqual([])
})
