// Takes the locks off a stage: those of its databases and load balancers by an update of its stack that changes nothing
// else, then the stack's own. Nothing calls this before the final snapshot is there.
import { type Stack, UpdateTerminationProtectionCommand } from '@aws-sdk/client-cloudformation'
import type { Aws } from '../../aws/port.ts'
import type { Template } from '../cfn.ts'
import { at, list, property } from '../reading.ts'
import { discard, discardUnbegun, execute, plan, type StackTarget } from '../release/change-set.ts'
import type { Say } from '../release/follow.ts'
import { setPolicy } from '../release/lock.ts'
import { CLOSED, openFor } from '../release/policy.ts'
import { settle } from '../release/settle.ts'
import { lockAgain } from '../release/stack-change.ts'
import { DestroyFailure } from './failure.ts'

const BALANCER = 'AWS::ElasticLoadBalancingV2::LoadBalancer'
const PROTECTION = 'deletion_protection.enabled'

/** The same template without the locks, and the logical ids of what is no longer locked. */
export function unlocked(template: Template): { template: Template; ids: string[] } {
  const ids: string[] = []
  const resources = Object.entries(template.Resources).map(([id, resource]) => {
    if (resource.Type === 'AWS::RDS::DBInstance' && isTrue(property(resource, 'DeletionProtection'))) {
      ids.push(id)
      return [id, { ...resource, Properties: { ...resource.Properties, DeletionProtection: false } }]
    }
    const attributes = list(property(resource, 'LoadBalancerAttributes'))
    const isLock = (one: unknown) => at(one, 'Key') === PROTECTION && isTrue(at(one, 'Value'))
    if (resource.Type === BALANCER && attributes.some(isLock)) {
      ids.push(id)
      const LoadBalancerAttributes = attributes.map((one) =>
        isLock(one) ? { Key: PROTECTION, Value: 'false' } : one,
      )
      return [id, { ...resource, Properties: { ...resource.Properties, LoadBalancerAttributes } }]
    }
    return [id, resource]
  })
  return { template: { ...template, Resources: Object.fromEntries(resources) }, ids: ids.sort() }
}
const isTrue = (value: unknown) => String(value) === 'true'

/**
 * @param target `isProtected`: the stack's policy is to be closed, as it was, whatever becomes of its deletion
 * @param template as it is deployed
 * @throws DestroyFailure when the update would do more than that; StackFailure when it does not succeed
 */
export async function unlock(
  aws: Aws,
  target: StackTarget & { readonly isProtected: boolean },
  stack: Stack,
  template: Template,
  say: Say,
  deadline: Date,
): Promise<void> {
  const { template: open, ids } = unlocked(template)
  if (ids.length > 0) {
    const settled = await settle(aws, target.stackName, deadline, say)
    const planned = await plan(aws, target, settled, JSON.stringify(open))
    // Undefined: an earlier run has done it, and was ended before it deleted the stack.
    if (planned !== undefined) {
      const more = planned.changes.filter(
        // What only follows from them is listed as well, and comes out unchanged.
        ({ Action: action, Replacement: replaced }) => action !== 'Modify' || replaced === 'True',
      )
      if (more.length > 0) {
        await discard(aws, planned)
        throw new DestroyFailure(
          `Taking the locks off ${target.stackName} would also change ${more.map((one) => one.LogicalResourceId).join(', ')}. ` +
            'No lock was taken off. Its servers are gone already: --undo brings them back.',
          'somebody has changed the stack by hand; bring it back to its template first.',
        )
      }
      say(`No longer locked: ${ids.join(', ')}`)
      try {
        await setPolicy(aws, planned.stackId, openFor(planned.changes, new Set()))
        await execute(aws, planned, deadline, say)
      } catch (error) {
        await lockAgain(aws, planned, say)
        // What can't be reached is removed by the next run.
        await discardUnbegun(aws, planned).catch(() => undefined)
        throw error
      }
    }
  }
  // A run that was ended in between, or this one: a policy says nothing about deletion, and the deletion may fail.
  if (target.isProtected) await setPolicy(aws, target.stackName, CLOSED)
  if (stack.EnableTerminationProtection !== true) return
  await aws.cloudformation.send(
    new UpdateTerminationProtectionCommand({
      StackName: target.stackName,
      EnableTerminationProtection: false,
    }),
  )
}
