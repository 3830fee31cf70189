// What a stage runs by, for a plan: its template, and whether its stack is locked as it should be. Reading it takes no right
// to change anything, not even to plan it at AWS.
import { isDeepStrictEqual } from 'node:util'
import { GetStackPolicyCommand, type Stack } from '@aws-sdk/client-cloudformation'
import { type Aws, callerIn } from '../../aws/port.ts'
import { AwsProblem } from '../../aws/problems.ts'
import { stageStack } from '../bootstrap/names.ts'
import type { Template } from '../cfn.ts'
import { deployedTemplate } from '../release/change-set.ts'
import { describeStack, isBusy } from '../release/follow.ts'
import { CLOSED } from '../release/policy.ts'
import { readDeployed } from '../release/stack-change.ts'
import type { Stage } from '../stage-schema.ts'
import { isLocked } from '../stages.ts'

/** States in which a stack has nothing that could be changed. */
const GROUP = 'AWS::AutoScaling::AutoScalingGroup'
const NOT_MADE = ['REVIEW_IN_PROGRESS', 'ROLLBACK_COMPLETE', 'DELETE_COMPLETE']

export interface DeployedStage {
  readonly template: Template
  /** What is not locked though it should be, each a sentence. */
  readonly open: readonly string[]
}

/**
 * @returns undefined when the stage has no stack yet
 * @throws AwsProblem, also for another account than the stage's
 */
export async function readDeployedStage(
  aws: Aws,
  name: string,
  stage: Stage,
): Promise<DeployedStage | undefined> {
  await callerIn(aws, stage.account, `Stage ${name}`)
  const stack = await describeStack(aws, stageStack(name))
  if (stack?.StackId === undefined || NOT_MADE.includes(stack.StackStatus ?? '')) return undefined
  const template = readDeployed(await deployedTemplate(aws, stack.StackId))
  const policy = stage.isProtected ? await openPolicy(aws, stack) : undefined
  // Without servers there is nothing to lose yet.
  const fleet = Object.values(template.Resources).some(({ Type }) => Type === GROUP) ? 'serving' : 'none'
  const termination =
    isLocked({ ...stage, fleet }) && stack.EnableTerminationProtection !== true
      ? 'Its termination protection is off: the stack can be deleted.'
      : undefined
  return { template, open: [policy, termination].filter((one) => one !== undefined) }
}

/** @returns undefined when it is closed */
async function openPolicy(aws: Aws, { StackId, StackStatus: status }: Stack): Promise<string | undefined> {
  try {
    const { StackPolicyBody: body } = await aws.cloudformation.send(
      new GetStackPolicyCommand({ StackName: StackId }),
    )
    if (body === undefined) return 'It has no policy: whatever tool is used may change the stack.'
    if (isDeepStrictEqual(JSON.parse(body), CLOSED)) return undefined
  } catch (error) {
    if (!(error instanceof AwsProblem) || error.kind !== 'access-denied') throw error
    return `Whether its policy is closed can’t be read. ${error.message}`
  }
  return status !== undefined && isBusy(status)
    ? `Its policy is open for the change that is under way (${status}).`
    : 'Its policy is open: a run that changed the stack was ended before it closed it, or somebody has opened it by hand.'
}
