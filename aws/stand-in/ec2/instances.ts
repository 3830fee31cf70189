// Instances: what runs on them a test says itself (`powerOff`, `says`).
import type {
  DescribeInstanceStatusCommandInput,
  DescribeInstancesCommandInput,
  GetConsoleOutputCommandInput,
  RunInstancesCommandInput,
  StopInstancesCommandInput,
  TerminateInstancesCommandInput,
} from '@aws-sdk/client-ec2'
import type { VirtualClock } from '../clock.ts'
import { awsError, type Operations } from '../service.ts'
import { INSTANCE_CHECKED, INSTANCE_GONE, INSTANCE_RUNNING, INSTANCE_STOPPED } from '../timings.ts'
import type { Images } from './images.ts'
import { type Ids, listed, pageOf, passes, type Tags, tagsFor } from './listing.ts'

type State = 'pending' | 'running' | 'stopping' | 'stopped' | 'shutting-down' | 'terminated'
const CODES: Readonly<Record<State, number>> = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
}

/** Bytes, before they are written in base64 (the guide's "Run commands when you launch an EC2 instance with user data"). */
const MOST_USER_DATA = 16_384

export interface Instance {
  readonly id: string
  readonly image: string
  readonly type: string
  readonly volumeSize: number
  readonly encrypted: boolean
  readonly onShutdown: string
  readonly userData: string
  readonly token: string | undefined
  /** As it was asked for. */
  readonly input: RunInstancesCommandInput
  readonly tags: Tags
  readonly startedAt: Date
  state: State
  checked: 'initializing' | 'ok'
  console: string
  /** Why it has ended; undefined while it runs. */
  reason: { readonly code: string; readonly message: string } | undefined
}

export class Instances {
  readonly all = new Map<string, Instance>()
  /** AWS says that they run, their checks never pass, and nothing on them ever begins. */
  neverReady = false
  /** Types that the region does not have. */
  readonly unsupported = new Set<string>()
  /** Subnets in whose zone there is no room at the moment. */
  readonly full = new Set<string>()
  /** What runs on every one: called when it is running. */
  program: ((id: string) => void) | undefined
  readonly #tokens = new Map<string, { readonly asked: string; readonly ids: readonly string[] }>()
  readonly #clock: VirtualClock
  readonly #ids: Ids
  readonly #images: Images
  readonly #lag: () => number

  constructor(clock: VirtualClock, ids: Ids, images: Images, lag: () => number) {
    this.#clock = clock
    this.#ids = ids
    this.#images = images
    this.#lag = lag
    images.diskOf = (id) => {
      const instance = this.#get(id)
      return { ...instance, image: this.#images.get(instance.image) }
    }
  }

  #seen(id: string): Instance | undefined {
    const found = this.all.get(id)
    const isNew = found !== undefined && found.startedAt.getTime() + this.#lag() > this.#clock.now().getTime()
    return isNew ? undefined : found
  }
  #get(id: string): Instance {
    const found = this.#seen(id)
    if (found === undefined)
      throw awsError('InvalidInstanceID.NotFound', `The instance ID '${id}' does not exist`)
    return found
  }

  /** The machine turns itself off. */
  powerOff(id: string): void {
    const instance = this.#get(id)
    if (instance.onShutdown === 'terminate')
      this.#end(instance, 'Client.InstanceInitiatedShutdown', 'Instance initiated shutdown')
    else this.#stop(instance)
  }
  /** EC2 ends it: no rights for its key, a host that fails. */
  fails(id: string, code: string, message: string): void {
    this.#end(this.#get(id), code, message)
  }
  /** The machine writes to its console. */
  says(id: string, text: string): void {
    this.#get(id).console += text
  }

  #stop(instance: Instance): void {
    instance.state = 'stopping'
    this.#clock.after(INSTANCE_STOPPED * 1000, () => {
      if (instance.state === 'stopping') instance.state = 'stopped'
    })
  }
  #end(instance: Instance, code: string, message: string): void {
    instance.state = 'shutting-down'
    instance.reason ??= { code, message: `${code}: ${message}` }
    this.#clock.after(INSTANCE_GONE * 1000, () => {
      instance.state = 'terminated'
    })
  }

  #run(input: RunInstancesCommandInput): object {
    const { ClientToken: token, ...rest } = input
    const asked = JSON.stringify(rest)
    const before = token === undefined ? undefined : this.#tokens.get(token)
    if (before !== undefined && before.asked !== asked)
      throw awsError(
        'IdempotentParameterMismatch',
        'Arguments on this idempotent request are inconsistent with arguments used in previous request(s).',
      )
    if (before?.ids.some((id) => this.all.get(id)?.state === 'terminated'))
      throw awsError(
        'IdempotentInstanceTerminated',
        `The request to launch an instance uses the same client token (${token}) as a previous request for which the instance has been terminated.`,
      )
    const ids = before?.ids ?? [this.#launch(input).id]
    if (token !== undefined) this.#tokens.set(token, { asked, ids })
    return { Instances: ids.map((id) => describe(this.all.get(id) as Instance)) }
  }

  #launch(input: RunInstancesCommandInput): Instance {
    const { InstanceType: type = 'm1.small', ImageId: imageId = '' } = input
    if (input.MinCount !== 1 || input.MaxCount !== 1)
      throw new Error('The stand-in for EC2 starts one instance at a time')
    const image = this.#images.get(imageId)
    if (image.state !== 'available')
      throw awsError('InvalidAMIID.Unavailable', `The image ID '${imageId}' is not available`)
    if (this.unsupported.has(type))
      throw awsError('Unsupported', `Your requested instance type (${type}) is not supported in this region.`)
    const subnet = input.SubnetId ?? input.NetworkInterfaces?.[0]?.SubnetId
    if (subnet !== undefined && this.full.has(subnet))
      throw awsError(
        'InsufficientInstanceCapacity',
        `We currently do not have sufficient ${type} capacity in the Availability Zone you requested.`,
        500,
      )
    const root = input.BlockDeviceMappings?.find(({ DeviceName }) => DeviceName === image.rootDevice)?.Ebs
    const volumeSize = root?.VolumeSize ?? image.volumeSize
    if (volumeSize < image.volumeSize)
      throw awsError(
        'InvalidBlockDeviceMapping',
        `Volume of size ${volumeSize}GB is smaller than snapshot '${image.snapshot}', expect size >= ${image.volumeSize}GB`,
      )
    const userData = Buffer.from(input.UserData ?? '', 'base64')
    if (userData.length > MOST_USER_DATA)
      throw awsError('InvalidParameterValue', `User data is limited to ${MOST_USER_DATA} bytes`)
    const instance: Instance = {
      id: this.#ids.next('i'),
      image: imageId,
      type,
      volumeSize,
      encrypted: root?.Encrypted === true,
      onShutdown: input.InstanceInitiatedShutdownBehavior ?? 'stop',
      userData: userData.toString(),
      token: input.ClientToken,
      input,
      tags: tagsFor('instance', input.TagSpecifications, ['instance', 'volume', 'network-interface']),
      startedAt: this.#clock.now(),
      state: 'pending',
      checked: 'initializing',
      console: '',
      reason: undefined,
    }
    this.all.set(instance.id, instance)
    this.#clock.after(INSTANCE_RUNNING * 1000, () => {
      if (instance.state !== 'pending') return
      instance.state = 'running'
      if (!this.neverReady) this.program?.(instance.id)
    })
    this.#clock.after(INSTANCE_CHECKED * 1000, () => {
      if (!this.neverReady) instance.checked = 'ok'
    })
    return instance
  }

  #found(input: DescribeInstancesCommandInput): Instance[] {
    const { InstanceIds: ids, Filters: filters } = input
    if (ids !== undefined && input.MaxResults !== undefined)
      throw awsError(
        'InvalidParameterCombination',
        'The parameter instancesSet cannot be used with maxResults',
      )
    for (const id of ids ?? []) this.#get(id)
    return [...this.all.values()].filter(
      ({ id, state, image, tags, token }) =>
        this.#seen(id) !== undefined &&
        (ids === undefined || ids.includes(id)) &&
        passes(filters, tags, {
          'client-token': token,
          'instance-id': id,
          'instance-state-name': state,
          'image-id': image,
        }),
    )
  }

  readonly operations: Operations = {
    RunInstances: (input: RunInstancesCommandInput) => this.#run(input),
    DescribeInstances: (input: DescribeInstancesCommandInput) => {
      const { page, next } = pageOf(this.#found(input), input)
      return { Reservations: page.map((instance) => ({ Instances: [describe(instance)] })), ...next }
    },
    DescribeInstanceStatus: ({
      InstanceIds: ids,
      IncludeAllInstances: all,
    }: DescribeInstanceStatusCommandInput) => ({
      InstanceStatuses: this.#found({ InstanceIds: ids })
        .filter(({ state }) => all === true || state === 'running')
        .map(({ id, state, checked }) => {
          // Nothing is checked of what does not run.
          const Status = state === 'running' ? checked : 'not-applicable'
          return {
            InstanceId: id,
            InstanceState: { Code: CODES[state], Name: state },
            InstanceStatus: { Status },
            SystemStatus: { Status },
          }
        }),
    }),
    StopInstances: ({ InstanceIds: ids = [] }: StopInstancesCommandInput) => {
      const instances = ids.map((id) => this.#get(id))
      for (const { id, state } of instances)
        if (!['running', 'stopping', 'stopped'].includes(state))
          throw awsError(
            'IncorrectInstanceState',
            `This instance '${id}' is not in a state from which it can be stopped.`,
          )
      for (const instance of instances) if (instance.state === 'running') this.#stop(instance)
      return {}
    },
    TerminateInstances: ({ InstanceIds: ids = [] }: TerminateInstancesCommandInput) => {
      for (const instance of ids.map((id) => this.#get(id)))
        if (instance.state !== 'terminated')
          this.#end(instance, 'Client.UserInitiatedShutdown', 'User initiated shutdown')
      return {}
    },
    GetConsoleOutput: ({ InstanceId: id = '' }: GetConsoleOutputCommandInput) => ({
      InstanceId: id,
      Output: Buffer.from(this.#get(id).console).toString('base64'),
    }),
  }
}

const describe = (instance: Instance) => ({
  InstanceId: instance.id,
  ImageId: instance.image,
  InstanceType: instance.type,
  State: { Code: CODES[instance.state], Name: instance.state },
  LaunchTime: instance.startedAt,
  ...(instance.reason && { StateReason: { Code: instance.reason.code, Message: instance.reason.message } }),
  Tags: listed(instance.tags),
})
