// This server's place in its Auto Scaling group: which one it is, and the waits that it ends (lifecycle hooks).
// Calls are made again as often as is needed: an action that was completed before is as good as one that is completed now.
import {
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling'
import { type BootAws, inWords } from './aws.ts'
import { type Imds, TARGET_STATE } from './imds.ts'
import { type Clock, pauses } from './retry.ts'

export interface Lifecycle {
  readonly imds: Imds
  readonly autoscaling: BootAws['autoscaling']
  readonly clock: Clock
  /** Told why a call is made again. */
  readonly onFailure: (reason: string) => void
}

export interface Membership {
  readonly instance: string
  readonly group: string
  /** `Pending:Wait`, `InService`, …: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-lifecycle.html */
  readonly state: string
}

/**
 * Which group this server is in; undefined when it is in none.
 * @throws Error, a sentence; ImdsSilent
 */
export async function findMembership(of: Lifecycle): Promise<Membership | undefined> {
  const target = await of.imds.get(TARGET_STATE)
  const instance = await of.imds.get('meta-data/instance-id')
  if (instance === undefined) throw new Error('The instance’s metadata do not say its id.')
  const { AutoScalingInstances: [found] = [] } = await of.autoscaling
    .send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instance] }))
    .catch((error: unknown) => {
      throw inWords(`Auto Scaling does not say which group ${instance} is in`, error)
    })
  if (found?.AutoScalingGroupName === undefined) {
    if (target === undefined) return undefined
    throw new Error(`Auto Scaling does not know ${instance} yet, whose target state is ${target}.`)
  }
  return { instance, group: found.AutoScalingGroupName, state: found.LifecycleState ?? '' }
}

export interface Action {
  readonly transition: 'launch' | 'terminate'
  /** Its name. */
  readonly hook: string
  readonly result: 'CONTINUE' | 'ABANDON'
  /** Milliseconds until it is given up. */
  readonly patienceMs: number
}

/** `past`: nobody waits for it any more, or did at all. */
export type Ending = 'completed' | 'past' | 'in no group'

/** Times that a group which waits may deny that it waits for this hook: then it waits for another one. */
const DENIALS = 4

/**
 * Ends the wait of a transition: also one that has yet to begin, since servers leave their load balancers first.
 * @throws Error, a sentence, when patience ends
 */
export async function complete(of: Lifecycle, action: Action): Promise<Ending> {
  const until = of.clock.now().getTime() + action.patienceMs
  let denials = 0
  for (const pause of pauses(1_000, 10_000)) {
    try {
      const ending = await step(of, action)
      if (ending === 'denied') denials++
      else if (ending !== 'to come') return ending
      if (denials >= DENIALS) return 'past'
    } catch (error) {
      if (of.clock.now().getTime() >= until) throw error
      of.onFailure(error instanceof Error ? error.message : String(error))
    }
    const left = until - of.clock.now().getTime()
    if (left <= 0) throw new Error(`Auto Scaling did not come to wait for the hook ${action.hook} in time.`)
    await of.clock.sleep(Math.min(pause, left))
  }
  throw new Error('there is always another pause')
}

async function step(
  of: Lifecycle,
  { transition, hook, result }: Action,
): Promise<Ending | 'to come' | 'denied'> {
  const member = await findMembership(of)
  if (member === undefined) return 'in no group'
  const place = placeOf(member.state, transition)
  if (place !== 'waits') return place
  try {
    await of.autoscaling.send(
      new CompleteLifecycleActionCommand({
        AutoScalingGroupName: member.group,
        InstanceId: member.instance,
        LifecycleHookName: hook,
        LifecycleActionResult: result,
      }),
    )
    return 'completed'
  } catch (error) {
    if (isNotActive(error)) return 'denied'
    throw inWords(`The hook ${hook} of ${member.group} can not be completed for ${member.instance}`, error)
  }
}

/** Where an instance is on its way through a transition. Warm pools go the same way, with a prefix. */
function placeOf(state: string, transition: Action['transition']): 'to come' | 'waits' | 'past' {
  const own = state.replace(/^Warmed:/, '')
  if (transition === 'launch') {
    if (own === 'Pending') return 'to come'
    return own === 'Pending:Wait' ? 'waits' : 'past'
  }
  if (own === 'Terminating:Wait') return 'waits'
  return own === 'Terminating:Proceed' || own === 'Terminated' ? 'past' : 'to come'
}

/** Whether the server is still being launched. */
export const isLaunching = ({ state }: Membership): boolean => placeOf(state, 'launch') !== 'past'

const isNotActive = (error: unknown) =>
  error instanceof Error &&
  error.name === 'ValidationError' &&
  /no active lifecycle action/i.test(error.message)

/**
 * Begins the time of the launch hook anew.
 * @throws Error, a sentence
 */
export async function heartbeat(of: Lifecycle, member: Membership, hook: string): Promise<void> {
  await of.autoscaling
    .send(
      new RecordLifecycleActionHeartbeatCommand({
        AutoScalingGroupName: member.group,
        InstanceId: member.instance,
        LifecycleHookName: hook,
      }),
    )
    .catch((error: unknown) => {
      throw inWords(`The time of the hook ${hook} of ${member.group} can not be begun anew`, error)
    })
}
