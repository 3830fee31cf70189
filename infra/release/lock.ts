// The two locks of a protected stage's stack.
import { SetStackPolicyCommand, UpdateTerminationProtectionCommand } from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../aws/port.ts'
import { AwsProblem } from '../../aws/problems.ts'
import { describeStack } from './follow.ts'
import type { StackPolicy } from './policy.ts'

export async function setPolicy(aws: Aws, stack: string, policy: StackPolicy): Promise<void> {
  await aws.cloudformation.send(
    new SetStackPolicyCommand({ StackName: stack, StackPolicyBody: JSON.stringify(policy) }),
  )
}

/**
 * The stack itself can't be deleted then. Never the other way: taking it off is what taking a stage down begins with.
 * Where it is on already nothing is asked: the right to switch it on is the right to switch it off, which pipelines lack.
 * @throws AwsProblem
 */
export async function forbidDeletion(aws: Aws, stack: string): Promise<void> {
  if ((await describeStack(aws, stack))?.EnableTerminationProtection === true) return
  try {
    await aws.cloudformation.send(
      new UpdateTerminationProtectionCommand({ StackName: stack, EnableTerminationProtection: true }),
    )
  } catch (error) {
    if (!(error instanceof AwsProblem) || error.kind !== 'access-denied') throw error
    throw new AwsProblem(
      error.kind,
      `${error.message}\nTermination protection of this stack is off, and a pipeline may not switch it on: let a person ` +
        'with the deploy role run the same command once.',
      error,
    )
  }
}
