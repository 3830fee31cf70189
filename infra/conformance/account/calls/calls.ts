// All of them, in the order in which they are asked.
import { BLOCK_CALLS } from './blocks.ts'
import { BUCKET_CALLS } from './buckets.ts'
import { DATA_CALLS } from './data.ts'
import { IMAGE_CALLS, LAST_IMAGE_CALLS } from './images.ts'
import { INSTANCE_CALLS } from './instances.ts'
import { S3_CALLS } from './s3.ts'
import { SERVER_CALLS } from './servers.ts'
import { SETTINGS_CALLS } from './settings.ts'
import { STACK_CALLS } from './stacks.ts'

export const CALLS = [
  ...SERVER_CALLS,
  ...SETTINGS_CALLS,
  ...S3_CALLS,
  ...BUCKET_CALLS,
  ...STACK_CALLS,
  ...DATA_CALLS,
  ...BLOCK_CALLS,
  ...IMAGE_CALLS,
  ...INSTANCE_CALLS,
  ...LAST_IMAGE_CALLS,
] as const
