// The template that a stage runs by, for a plan: reading it takes no right to change anything, not even to plan it at AWS.
import { type Aws, callerIn } from '../../aws/port.ts'
import type { Template } from '../cfn.ts'
import { deployedTemplate } from '../release/change-set.ts'
import { describeStack } from '../release/follow.ts'
import { readDeployed } from '../release/stack-change.ts'
import type { Stage } from '../stage-schema.ts'

/** States in which a stack has nothing that could be changed. */
const NOT_MADE = ['REVIEW_IN_PROGRESS', 'ROLLBACK_COMPLETE', 'DELETE_COMPLETE']

/**
 * @returns undefined when the stage has no stack yet
 * @throws AwsProblem, also for another account than the stage's
 */
export async function readDeployedStage(aws: Aws, name: string, stage: Stage): Promise<Template | undefined> {
  await callerIn(aws, stage.account, `Stage ${name}`)
  const stack = await describeStack(aws, `terrace-${name}`)
  if (stack?.StackId === undefined || NOT_MADE.includes(stack.StackStatus ?? '')) return undefined
  return readDeployed(await deployedTemplate(aws, stack.StackId))
}
