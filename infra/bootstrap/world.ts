// For tests: an account as the bootstrap may find it, one run of it, and what must be there in the end.
import { expect } from 'vitest'
import type { BucketSettings } from '../../aws/stand-in/bucket-settings.ts'
import { type StandIn, standIn } from '../../aws/stand-in/stand-in.ts'
import { bringBootstrap } from './bootstrap.ts'
import { BOOTSTRAP_STACK, githubProviderArn, LINKED_ROLES, stateBucket } from './names.ts'
import { SAMPLE_SETTINGS } from './sample-settings.ts'
import type { Settings } from './settings.ts'

/** The stand-in's account. */
export const SETTINGS: Settings = { ...SAMPLE_SETTINGS, account: '222233334444' }
export const BUCKET = stateBucket(SETTINGS)

/** Runs it once, and tells what was said. */
export async function run(there: StandIn, settings: Settings = SETTINGS, agrees = true) {
  const lines: string[] = []
  const outcome = await bringBootstrap(there.aws, settings, {
    say: (line) => lines.push(line),
    agrees: async () => agrees,
  })
  return { outcome, said: lines.join('\n') }
}
export const operations = (there: StandIn) => there.calls.map(({ operation }) => operation)

/** An account with a bucket of that name, which somebody has set otherwise in everything. */
export function withOldBucket(): StandIn {
  const there = standIn(SETTINGS.account)
  there.buckets.make(BUCKET)
  Object.assign(there.buckets.settings(BUCKET), {
    access: undefined,
    encryption: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'aws:kms' } }] },
    lifecycle: [{ ID: 'all', Status: 'Enabled', Prefix: '', Expiration: { Days: 30 } }],
    ownership: { Rules: [{ ObjectOwnership: 'ObjectWriter' }] },
    versioning: 'Suspended',
  } satisfies Partial<BucketSettings>)
  return there
}

export function expectSetRight(there: StandIn): void {
  const { access, encryption, lifecycle, ownership, versioning } = there.buckets.settings(BUCKET)
  expect(Object.values(access ?? {})).toEqual([true, true, true, true])
  expect(encryption?.Rules).toEqual([{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }])
  expect(ownership?.Rules).toEqual([{ ObjectOwnership: 'BucketOwnerEnforced' }])
  expect(versioning).toBe('Enabled')
  expect(lifecycle).toEqual([
    {
      ID: 'OldVersions',
      Status: 'Enabled',
      Filter: { Prefix: '' },
      NoncurrentVersionExpiration: { NoncurrentDays: 90 },
      Expiration: { ExpiredObjectDeleteMarker: true },
    },
    {
      ID: 'Uploads',
      Status: 'Enabled',
      Filter: { Prefix: '' },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 7 },
    },
    {
      ID: 'Bakes',
      Status: 'Enabled',
      Filter: { Prefix: 'bakes/' },
      Expiration: { Days: 14 },
      NoncurrentVersionExpiration: { NoncurrentDays: 1 },
    },
  ])
}
export const puts = (there: StandIn) => operations(there).filter((one) => one.startsWith('Put'))

/** What must be there in the end, however often it was begun. */
export function expectBootstrapped(there: StandIn): void {
  const stack = there.stacks.find(BOOTSTRAP_STACK)
  expect(stack?.status).toMatch(/^(CREATE|UPDATE)_COMPLETE$/)
  expect(stack?.isProtected).toBe(true)
  expect(stack?.changeSets.size).toBeLessThanOrEqual(1)
  expect([...there.roles.roles].sort()).toEqual(LINKED_ROLES.map(({ name }) => name).sort())
  expect(there.buckets.has(BUCKET)).toBe(true)
  expect(there.roles.providers).toContain(githubProviderArn(SETTINGS))
}
