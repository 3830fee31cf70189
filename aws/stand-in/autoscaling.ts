// Auto Scaling groups: instances come and go over time, and wait for their hooks while they do.
import type {
  CompleteLifecycleActionCommandInput,
  DescribeAutoScalingGroupsCommandInput,
  DescribeAutoScalingInstancesCommandInput,
  RecordLifecycleActionHeartbeatCommandInput,
  UpdateAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling'
import type { VirtualClock } from './clock.ts'
import { awsError, type Operations } from './service.ts'
import { DEREGISTRATION, DRAIN, LAUNCH, PROCEED } from './timings.ts'

type State = 'Pending:Wait' | 'InService' | 'Terminating' | 'Terminating:Wait' | 'Terminating:Proceed'

export interface Hook {
  readonly name: string
  /** HeartbeatTimeout. */
  readonly seconds: number
  /** DefaultResult. */
  readonly result: 'CONTINUE' | 'ABANDON'
}
/** Where a group has none, its instances come and go by themselves, as if their programs ended every wait in time. */
export interface Hooks {
  readonly launch?: Hook
  readonly terminate?: Hook
}

/** A lifecycle action that waits to be completed. */
interface Wait {
  readonly hook: Hook
  /** Milliseconds since 1970: when it ends by itself, and beyond which no heartbeat carries it. */
  until: number
  readonly last: number
}

interface Group {
  min: number
  max: number
  desired: number
  readonly hooks: Hooks
  readonly instances: Map<string, State>
  readonly waits: Map<string, Wait>
}

/** No heartbeat keeps an instance waiting longer than the smaller of these: "48 hours or 100 times the heartbeat timeout". */
const LONGEST = { seconds: 48 * 3600, timeouts: 100 }

export class Groups {
  readonly groups = new Map<string, Group>()
  readonly #clock: VirtualClock
  #launched = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  make(name: string, min: number, max: number, hooks: Hooks = {}): void {
    const group: Group = { min, max, desired: min, hooks, instances: new Map(), waits: new Map() }
    this.groups.set(name, group)
    this.#settle(group)
  }

  resize(name: string, sizes: { min?: number; max?: number; desired?: number }): void {
    const group = this.groups.get(name)
    if (group === undefined) throw notFound(name)
    const [min, max] = [sizes.min ?? group.min, sizes.max ?? group.max]
    const desired = sizes.desired ?? Math.min(Math.max(group.desired, min), max)
    if (min > max || desired < min || desired > max)
      throw awsError(
        'ValidationError',
        `Desired capacity:${desired} must be between the specified min size:${min} and max size:${max}`,
      )
    Object.assign(group, { min, max, desired })
    this.#settle(group)
  }

  /** What the instance's metadata say of where it is going; undefined when no group has it. */
  targetState(id: string): 'InService' | 'Terminated' | undefined {
    const state = this.#find(id)?.group.instances.get(id)
    if (state === undefined) return undefined
    return isLeaving(state) ? 'Terminated' : 'InService'
  }

  /** Launches what is missing, and drains what is too much, the oldest first. */
  #settle(group: Group): void {
    const living = [...group.instances].filter(([, state]) => !isLeaving(state))
    for (let missing = group.desired - living.length; missing > 0; missing--)
      this.#launch(group, `i-${String(++this.#launched).padStart(17, '0')}`)
    for (const [id] of living.slice(0, Math.max(living.length - group.desired, 0))) this.#drain(group, id)
  }

  #launch(group: Group, id: string): void {
    group.instances.set(id, 'Pending:Wait')
    const { launch } = group.hooks
    if (launch !== undefined) this.#wait(group, id, launch)
    else
      this.#clock.after(LAUNCH * 1000, () => {
        if (group.instances.get(id) === 'Pending:Wait') group.instances.set(id, 'InService')
      })
  }

  #drain(group: Group, id: string): void {
    const { terminate } = group.hooks
    group.waits.delete(id)
    group.instances.set(id, terminate === undefined ? 'Terminating:Wait' : 'Terminating')
    this.#clock.after((terminate === undefined ? DRAIN : DEREGISTRATION) * 1000, () => {
      if (terminate === undefined) return group.instances.delete(id)
      group.instances.set(id, 'Terminating:Wait')
      this.#wait(group, id, terminate)
    })
  }

  #wait(group: Group, id: string, hook: Hook): void {
    const now = this.#clock.now().getTime()
    const last = now + Math.min(LONGEST.seconds, LONGEST.timeouts * hook.seconds) * 1000
    const wait: Wait = { hook, until: now + hook.seconds * 1000, last }
    group.waits.set(id, wait)
    const look = () => {
      if (group.waits.get(id) !== wait) return
      const left = wait.until - this.#clock.now().getTime()
      if (left > 0) this.#clock.after(left, look)
      else this.#end(group, id, hook.result)
    }
    this.#clock.after(hook.seconds * 1000, look)
  }

  #end(group: Group, id: string, result: string): void {
    group.waits.delete(id)
    if (group.instances.get(id) === 'Terminating:Wait') {
      group.instances.set(id, 'Terminating:Proceed')
      this.#clock.after(PROCEED * 1000, () => group.instances.delete(id))
      return
    }
    if (result === 'CONTINUE') group.instances.set(id, 'InService')
    else group.instances.delete(id)
    this.#settle(group)
  }

  #find(id: string): { readonly name: string; readonly group: Group } | undefined {
    for (const [name, group] of this.groups) if (group.instances.has(id)) return { name, group }
    return undefined
  }

  #waiting(input: RecordLifecycleActionHeartbeatCommandInput): { group: Group; id: string; wait: Wait } {
    const { AutoScalingGroupName: name = '', InstanceId: id = '', LifecycleHookName: hook } = input
    const group = this.groups.get(name)
    if (group === undefined) throw notFound(name)
    const wait = group.waits.get(id)
    if (wait === undefined || wait.hook.name !== hook)
      throw awsError('ValidationError', `No active Lifecycle Action found with instance ID ${id}`)
    return { group, id, wait }
  }

  readonly operations: Operations = {
    DescribeAutoScalingGroups: ({ AutoScalingGroupNames: names }: DescribeAutoScalingGroupsCommandInput) => ({
      AutoScalingGroups: [...this.groups]
        .filter(([name]) => names === undefined || names.includes(name))
        .map(([AutoScalingGroupName, group]) => ({
          AutoScalingGroupName,
          MinSize: group.min,
          MaxSize: group.max,
          DesiredCapacity: group.desired,
          Instances: [...group.instances].map(([InstanceId, LifecycleState]) => ({
            InstanceId,
            LifecycleState,
            HealthStatus: 'Healthy',
          })),
        })),
    }),
    DescribeAutoScalingInstances: ({ InstanceIds: ids }: DescribeAutoScalingInstancesCommandInput) => ({
      AutoScalingInstances: [...this.groups].flatMap(([AutoScalingGroupName, { instances }]) =>
        [...instances]
          .filter(([id]) => ids === undefined || ids.includes(id))
          .map(([InstanceId, LifecycleState]) => ({ AutoScalingGroupName, InstanceId, LifecycleState })),
      ),
    }),
    CompleteLifecycleAction: (input: CompleteLifecycleActionCommandInput) => {
      const { group, id } = this.#waiting(input)
      this.#end(group, id, input.LifecycleActionResult ?? '')
      return {}
    },
    RecordLifecycleActionHeartbeat: (input: RecordLifecycleActionHeartbeatCommandInput) => {
      const { wait } = this.#waiting(input)
      wait.until = Math.min(this.#clock.now().getTime() + wait.hook.seconds * 1000, wait.last)
      return {}
    },
    UpdateAutoScalingGroup: (input: UpdateAutoScalingGroupCommandInput) => {
      const { AutoScalingGroupName: name = '', MinSize, MaxSize, DesiredCapacity, ...others } = input
      const unknown = Object.keys(others)
      if (unknown.length > 0)
        throw new Error(`The stand-in for Auto Scaling updates no ${unknown.join(', ')}`)
      this.resize(name, {
        ...(MinSize !== undefined && { min: MinSize }),
        ...(MaxSize !== undefined && { max: MaxSize }),
        ...(DesiredCapacity !== undefined && { desired: DesiredCapacity }),
      })
      return {}
    },
  }
}

const isLeaving = (state: State) => state.startsWith('Terminating')

const notFound = (name: string) =>
  awsError('ValidationError', `AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`)
