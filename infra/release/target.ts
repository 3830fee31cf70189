// Where a stage's stack, and what is written down about it, are found.
import {
  changeSetsOf,
  type DeployingRole,
  roleArn,
  stageStack,
  stateBucket,
  templatesOf,
} from '../bootstrap/names.ts'
import { TAG } from '../bootstrap/rights.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import type { StackTarget } from './change-set.ts'
import type { LockPlace } from './lock-record.ts'

/** A stage's stack, and with whose rights and from which bucket it is changed: all are the bootstrap's. */
export function stackOf(name: StageName, stage: Stage, role: DeployingRole = 'cloudformation'): StackTarget {
  return {
    stackName: stageStack(name),
    tags: { [TAG.key]: TAG.value, stage: name },
    serviceRole: roleArn(role, stage),
    changeSets: changeSetsOf(role),
    upload: {
      bucket: stateBucket(stage),
      folder: `stages/${name}/${templatesOf(role)}`,
      account: stage.account,
    },
  }
}

/** Where it is written that somebody is at work on a stage. */
export const lockOf = (name: StageName, stage: Stage): LockPlace => ({
  bucket: stateBucket(stage),
  account: stage.account,
  stage: name,
})
