// An image set for tests: no bake has made it, and no account has these images.
import type { ImageSet } from './images.ts'
import { EXAMPLE_ACCOUNT } from './stage-schema.ts'

export const SAMPLE_IMAGES: ImageSet = {
  inputs: '0123456789abcdef'.repeat(4),
  release: 'sample',
  madeAt: '2026-11-28T00:00:00Z',
  account: EXAMPLE_ACCOUNT,
  architecture: 'x86_64',
  regions: { 'eu-west-1': { api: 'ami-0aaaaaaaaaaaaaaaa', web: 'ami-0bbbbbbbbbbbbbbbb' } },
  bootSeconds: { api: 40, web: 30 },
  bootTests: [
    { tier: 'api', where: 'local', at: '2026-11-28T00:00:00Z', seconds: 35 },
    { tier: 'web', where: 'local', at: '2026-11-28T00:00:00Z', seconds: 25 },
    { tier: 'api', where: 'ec2', at: '2026-11-28T00:00:00Z', seconds: 40 },
    { tier: 'web', where: 'ec2', at: '2026-11-28T00:00:00Z', seconds: 30 },
  ],
}
