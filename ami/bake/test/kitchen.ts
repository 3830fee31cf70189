// What a bake needs, for tests: a builder of disks of a few bytes, pages of one file, and an account with a bootstrap.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Aws } from '../../../aws/port.ts'
import { stateBucket } from '../../../infra/bootstrap/names.ts'
import { SAMPLE_SETTINGS } from '../../../infra/bootstrap/sample-settings.ts'
import type { Step } from '../../../local/steps.ts'
import { packStatic, unpackStatic } from '../../image-set/static-files.ts'
import { BLOCK_BYTES } from '../../upload/disk.ts'
import type { BakeLine } from '../arguments.ts'
import type { Checkout } from '../checkout.ts'
import type { Inspection } from '../inspection.ts'
import type { Builder } from '../local-builder.ts'
import type { Pages } from '../pages.ts'
import type { Kitchen } from '../work.ts'

export const { account, region } = SAMPLE_SETTINGS
export const HOME = { account, region }
export const BUCKET = stateBucket(HOME)
export const KEY = `arn:aws:kms:${region}:${account}:key/11111111-2222-3333-4444-555555555555`
export const LINE: BakeLine = {
  builder: 'local',
  tiers: ['api', 'web'],
  home: HOME,
  profile: undefined,
  dryRun: false,
  allowDirty: false,
  previous: 'usual',
  allowUnscanned: undefined,
  bootTest: 'none',
}
export const CHECKOUT: Checkout = {
  commit: 'c'.repeat(40),
  version: '0.1.0',
  uncommitted: [],
  files: { 'api/src/main.ts': 'd'.repeat(64) },
}

/** @param tell what is begun; whatever it throws ends it there */
export const builderOf = (tell: (what: string) => unknown): Builder => ({
  where: 'on this machine',
  lists: async () => ({ images: { api: [], web: [] }, tools: [] }),
  make: async (tier, { release, madeAt, previous }, _lists, file) => {
    await tell(`make ${tier}${tier === 'web' && previous ? ` with ${readdirSync(previous.dir)}` : ''}`)
    writeFileSync(file, Buffer.alloc(3 * BLOCK_BYTES, `${tier} ${release} ${madeAt}`))
    return { bytes: 3 * BLOCK_BYTES, allocatedBytes: 3 * BLOCK_BYTES }
  },
  boot: async (disks) => {
    await tell(`boot ${Object.keys(disks).join(' ')}`)
    return { api: 40, web: 30 }
  },
})

export const SBOM = '{"bomFormat":"CycloneDX"}\n'

/** Finds nothing. @param tell as `builderOf` */
export const inspectionOf = (tell: (what: string) => unknown): Inspection => ({
  requireShippable: () => undefined,
  look: async ({ disks, now, stops, allowUnscanned }) => {
    await tell(`look ${Object.keys(disks).join(' ')}${stops ? '' : ', tell only'}`)
    const sbom = { text: SBOM, sha256: createHash('sha256').update(SBOM).digest('hex') }
    const unscanned = allowUnscanned && { unscanned: allowUnscanned }
    return { sbom, scan: { at: now.toISOString(), sources: ['npm'], waived: [], ...unscanned } }
  },
})

/** @param name what the pages' build is called, and the name of a static file of it */
export const pagesOf = (folder: string, name: () => string): Pages => ({
  build: name,
  files: async () => {
    const place = path.join(folder, name())
    mkdirSync(place, { recursive: true })
    writeFileSync(path.join(place, `${name()}.js`), name())
    return packStatic(place)
  },
  keep: async (files) => {
    const place = path.join(folder, 'kept', files.sha256)
    unpackStatic(files, place)
    return place
  },
})

const OUTPUTS = {
  ImageKey: KEY,
  BuilderSecurityGroup: 'sg-1',
  BuilderSubnet1: 'subnet-1',
  BuilderSubnet2: 'subnet-2',
}
const outputsOf = (given: Readonly<Record<string, string>>) =>
  Object.entries(given).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue }))

/** The bootstrap's stack is there. */
export const bootstrapped = (aws: Aws, outputs = outputsOf(OUTPUTS)): Aws => ({
  ...aws,
  cloudformation: {
    send: async () => ({ Stacks: [{ Outputs: outputs }] }),
  } as unknown as Aws['cloudformation'],
})

export async function perform(steps: readonly Step[]): Promise<void> {
  for (const step of steps)
    if ('work' in step) await step.work({ title: step.title, output: '' })
    else await perform(step.together)
}

/** All of it, below a folder. */
export const kitchenOf = (folder: string, aws: Aws, tell: (what: string) => unknown): Kitchen => ({
  checkout: async () => CHECKOUT,
  builder: builderOf(tell),
  pages: pagesOf(folder, () => 'one'),
  inspection: inspectionOf(tell),
  aws: bootstrapped(aws),
  disks: path.join(folder, 'disks'),
  journals: path.join(folder, 'journals'),
  now: () => new Date('2026-11-28T12:00:00Z'),
  say: () => {},
  perform,
  signal: new AbortController().signal,
})
