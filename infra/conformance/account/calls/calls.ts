// All of them, in the order in which they are asked.
import { DATA_CALLS } from './data.ts'
import { S3_CALLS } from './s3.ts'
import { SETTINGS_CALLS } from './settings.ts'
import { STACK_CALLS } from './stacks.ts'

export const CALLS = [...SETTINGS_CALLS, ...S3_CALLS, ...STACK_CALLS, ...DATA_CALLS] as const
