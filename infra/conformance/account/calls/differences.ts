// Where the stand-in and the emulators answer something else, and why that stays. A row that is none any more fails the
// test, and so does a difference that has no row (calls.aws.test.ts). What AWS does is from the page that each row names.
import type { Call, Difference, Emulator } from './call.ts'
import { CALLS } from './calls.ts'
import { BLOCKS_DIFFERENCES } from './differences/blocks.ts'
import { BUCKETS_DIFFERENCES } from './differences/buckets.ts'
import { DATA_DIFFERENCES } from './differences/data.ts'
import { IMAGES_DIFFERENCES } from './differences/images.ts'
import { INSTANCES_DIFFERENCES } from './differences/instances.ts'
import { SETTINGS_DIFFERENCES } from './differences/settings.ts'
import { STACKS_DIFFERENCES } from './differences/stacks.ts'
import { STACK_CALLS } from './stacks.ts'

export const DIFFERENCES: readonly Difference[] = [
  ...SETTINGS_DIFFERENCES,
  ...BUCKETS_DIFFERENCES,
  ...STACKS_DIFFERENCES,
  ...DATA_DIFFERENCES,
  ...BLOCKS_DIFFERENCES,
  ...IMAGES_DIFFERENCES,
  ...INSTANCES_DIFFERENCES,
]

/** Operations that an emulator has not: a call that ends there is compared with the other one only, if that has it. */
export const ABSENT: Readonly<Record<Emulator, readonly string[]>> = {
  ministack: [
    'ebs CompleteSnapshot',
    'ebs PutSnapshotBlock',
    'ebs StartSnapshot',
    'ec2 CreateImage',
    'ec2 EnableImageDeprecation',
    'ec2 GetConsoleOutput',
  ],
  moto: [
    'autoscaling CompleteLifecycleAction',
    'autoscaling RecordLifecycleActionHeartbeat',
    'ec2 EnableImageDeprecation',
  ],
}
/** What no emulator has: there the stand-in is only as right as whoever read AWS's reference. */
export const IN_NO_EMULATOR = ['ec2 EnableImageDeprecation'] as const

/**
 * What is asked of it. Of moto no stacks: it takes the sets of the ones that ought to be refused, lists those together,
 * carries none of them out, and has no update, policy or protection, so that there is one difference, which is all of them.
 */
export const callsOf = (emulator: Emulator): readonly Call[] =>
  emulator === 'moto' ? CALLS.filter((call) => !STACK_CALLS.includes(call)) : CALLS
