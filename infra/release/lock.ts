// The two locks of a protected stage's stack.
import { SetStackPolicyCommand, UpdateTerminationProtectionCommand } from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../aws/port.ts'
import type { StackPolicy } from './policy.ts'

export async function setPolicy(aws: Aws, stack: string, policy: StackPolicy): Promise<void> {
  await aws.cloudformation.send(
    new SetStackPolicyCommand({ StackName: stack, StackPolicyBody: JSON.stringify(policy) }),
  )
}

/** The stack itself can't be deleted then. Never the other way: taking it off is what taking a stage down begins with. */
export async function forbidDeletion(aws: Aws, stack: string): Promise<void> {
  await aws.cloudformation.send(
    new UpdateTerminationProtectionCommand({ StackName: stack, EnableTerminationProtection: true }),
  )
}
