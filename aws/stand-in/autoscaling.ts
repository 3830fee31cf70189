// Auto Scaling groups: instances come and go over time, and wait for their hooks while they do.
import type {
  DescribeAutoScalingGroupsCommandInput,
  UpdateAutoScalingGroupCommandInput,
} from '@aws-sdk/client-auto-scaling'
import type { VirtualClock } from './clock.ts'
import { awsError, type Operations } from './service.ts'
import { DRAIN, LAUNCH } from './timings.ts'

interface Group {
  min: number
  max: number
  desired: number
  readonly instances: Map<string, 'Pending:Wait' | 'InService' | 'Terminating:Wait'>
}

export class Groups {
  readonly groups = new Map<string, Group>()
  readonly #clock: VirtualClock
  #launched = 0

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  make(name: string, min: number, max: number): void {
    const group: Group = { min, max, desired: min, instances: new Map() }
    this.groups.set(name, group)
    this.#settle(group)
  }

  resize(name: string, sizes: { min?: number; max?: number; desired?: number }): void {
    const group = this.groups.get(name)
    if (group === undefined)
      throw awsError(
        'ValidationError',
        `AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`,
      )
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

  /** Launches what is missing, and drains what is too much, the oldest first. */
  #settle(group: Group): void {
    const living = [...group.instances].filter(([, state]) => state !== 'Terminating:Wait')
    for (let missing = group.desired - living.length; missing > 0; missing--) {
      const id = `i-${String(++this.#launched).padStart(17, '0')}`
      group.instances.set(id, 'Pending:Wait')
      this.#clock.after(LAUNCH * 1000, () => {
        if (group.instances.get(id) === 'Pending:Wait') group.instances.set(id, 'InService')
      })
    }
    for (const [id] of living.slice(0, Math.max(living.length - group.desired, 0))) {
      group.instances.set(id, 'Terminating:Wait')
      this.#clock.after(DRAIN * 1000, () => group.instances.delete(id))
    }
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
