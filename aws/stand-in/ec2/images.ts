// Machine images: registered from a snapshot, or taken of an instance.
import type {
  BlockDeviceMapping,
  CreateImageCommandInput,
  DeregisterImageCommandInput,
  Image as Described,
  DescribeImagesCommandInput,
  EnableImageDeprecationCommandInput,
  RegisterImageCommandInput,
} from '@aws-sdk/client-ec2'
import type { VirtualClock } from '../clock.ts'
import { awsError, type Operations } from '../service.ts'
import { IMAGE_REGISTERED } from '../timings.ts'
import { type Ids, listed, pageOf, passes, type Tags, tagsFor } from './listing.ts'
import type { Snapshots } from './snapshots.ts'

export interface Image {
  readonly id: string
  readonly name: string
  readonly description: string
  readonly snapshot: string
  /** GiB of the root volume. */
  readonly volumeSize: number
  readonly architecture: string
  readonly virtualization: string
  readonly bootMode: string | undefined
  readonly imds: string | undefined
  readonly ena: boolean
  readonly rootDevice: string
  readonly tags: Tags
  readonly madeAt: Date
  state: 'pending' | 'available' | 'failed'
  reason: string | undefined
  deprecatedAt: Date | undefined
}

/** What an image is taken of. */
export interface Disk {
  readonly state: string
  readonly volumeSize: number
  readonly encrypted: boolean
  readonly image: Image
}

const NAME = /^[A-Za-z0-9()[\] ./'@_-]{3,128}$/
const VOLUMES = ['gp2', 'gp3', 'io1', 'io2', 'st1', 'sc1', 'standard']

export class Images {
  readonly all = new Map<string, Image>()
  /** Why images that are being made fail; undefined: they don't. */
  failing: string | undefined
  /** What is pending stays so. */
  stuck = false
  /** Of a page, however many are asked for: small, it finds out who reads one page only. */
  pageSize = 1_000
  /** By id: those that a test says of itself what they are. */
  readonly #placed = new Map<string, Described>()
  readonly #gone = new Set<string>()
  readonly #clock: VirtualClock
  readonly #ids: Ids
  readonly #account: string
  readonly #snapshots: Snapshots
  /** Set by what knows the instances. */
  diskOf: (instance: string) => Disk = (instance) => {
    throw awsError('InvalidInstanceID.NotFound', `The instance ID '${instance}' does not exist`)
  }

  constructor(account: string, clock: VirtualClock, ids: Ids, snapshots: Snapshots) {
    this.#account = account
    this.#clock = clock
    this.#ids = ids
    this.#snapshots = snapshots
    snapshots.usedBy = (id) => [...this.all.values()].find(({ snapshot }) => snapshot === id)?.id
  }

  /** One of one's own that nothing here has made: it can be started from, but for what is said of it. */
  put(id: string, but: Partial<Described> = {}): void {
    this.#placed.set(id, {
      ImageId: id,
      OwnerId: this.#account,
      State: 'available',
      Tags: [{ Key: 'service', Value: 'terrace' }],
      Architecture: 'x86_64',
      EnaSupport: true,
      RootDeviceType: 'ebs',
      RootDeviceName: '/dev/xvda',
      BlockDeviceMappings: [{ DeviceName: '/dev/xvda', Ebs: { Encrypted: true, VolumeSize: 8 } }],
      ...but,
    })
  }

  #seen(id: string): Image | undefined {
    const found = this.all.get(id)
    const isNew =
      found !== undefined && found.madeAt.getTime() + this.#snapshots.lag > this.#clock.now().getTime()
    return isNew ? undefined : found
  }
  /** @throws InvalidAMIID.NotFound, or .Unavailable when there was one */
  get(id: string): Image {
    const found = this.#seen(id)
    if (found !== undefined) return found
    if (this.#gone.has(id))
      throw awsError('InvalidAMIID.Unavailable', `The image ID '${id}' is no longer available`)
    throw awsError('InvalidAMIID.NotFound', `The image id '[${id}]' does not exist`)
  }

  #named(name: string): void {
    if (!NAME.test(name))
      throw awsError('InvalidAMIName.Malformed', 'AMI names must be between 3 and 128 characters long')
    const other = [...this.all.values()].find((image) => image.name === name)
    if (other !== undefined)
      throw awsError('InvalidAMIName.Duplicate', `AMI name ${name} is already in use by AMI ${other.id}`)
  }

  #add(image: Omit<Image, 'id' | 'madeAt' | 'state' | 'reason' | 'deprecatedAt'>): Image {
    const made: Image = {
      ...image,
      id: this.#ids.next('ami'),
      madeAt: this.#clock.now(),
      state: 'pending',
      reason: undefined,
      deprecatedAt: undefined,
    }
    this.all.set(made.id, made)
    return made
  }
  #settle(image: Image): void {
    image.state = this.failing === undefined ? 'available' : 'failed'
    image.reason = this.failing
  }

  #register(input: RegisterImageCommandInput): object {
    this.#named(input.Name ?? '')
    const { Architecture = 'i386', VirtualizationType = 'paravirtual', BootMode, ImdsSupport } = input
    const root = rootOf(input.BlockDeviceMappings ?? [], input.RootDeviceName)
    const snapshot = this.#snapshots.get(root.snapshot)
    if (snapshot.state !== 'completed')
      throw awsError(
        'IncorrectState',
        `Snapshot ${snapshot.id} is in '${snapshot.state}' state, not completed`,
      )
    const volumeSize = root.size ?? snapshot.volumeSize
    if (volumeSize < snapshot.volumeSize)
      throw awsError(
        'InvalidBlockDeviceMapping',
        `Volume of size ${volumeSize}GB is smaller than snapshot '${snapshot.id}', expect size >= ${snapshot.volumeSize}GB`,
      )
    if (BootMode !== undefined && VirtualizationType !== 'hvm')
      throw awsError('InvalidParameterCombination', 'A boot mode can be given for hvm images only')
    if (BootMode?.startsWith('uefi') && !['x86_64', 'arm64'].includes(Architecture))
      throw awsError('InvalidParameterCombination', `UEFI is not supported for architecture ${Architecture}`)
    if (ImdsSupport !== undefined && ImdsSupport !== 'v2.0')
      throw awsError('InvalidParameterValue', `Value (${ImdsSupport}) for parameter ImdsSupport is invalid.`)
    const image = this.#add({
      name: input.Name ?? '',
      description: input.Description ?? '',
      snapshot: snapshot.id,
      volumeSize,
      architecture: Architecture,
      virtualization: VirtualizationType,
      bootMode: BootMode,
      imds: ImdsSupport,
      ena: input.EnaSupport === true,
      rootDevice: input.RootDeviceName ?? '',
      tags: tagsFor('image', input.TagSpecifications, ['image']),
    })
    if (!this.stuck) this.#clock.after(IMAGE_REGISTERED * 1000, () => this.#settle(image))
    return { ImageId: image.id }
  }

  #take(input: CreateImageCommandInput): object {
    this.#named(input.Name ?? '')
    const disk = this.diskOf(input.InstanceId ?? '')
    if (disk.state !== 'stopped')
      throw new Error('The stand-in for EC2 takes images of stopped instances only: AWS reboots others')
    const allowed = ['image', 'snapshot']
    const { image: from } = disk
    // The image is there before its snapshot is: what it names is begun last.
    const settled: { image?: Image } = {}
    const snapshot = this.#snapshots.ofVolume(
      {
        volumeSize: disk.volumeSize,
        encrypted: disk.encrypted,
        key: undefined,
        description: `Created by CreateImage(${input.InstanceId})`,
        tags: tagsFor('snapshot', input.TagSpecifications, allowed),
      },
      () => {
        if (settled.image !== undefined && !this.stuck) this.#settle(settled.image)
      },
    )
    settled.image = this.#add({
      ...from,
      name: input.Name ?? '',
      description: input.Description ?? '',
      snapshot: snapshot.id,
      volumeSize: disk.volumeSize,
      tags: tagsFor('image', input.TagSpecifications, allowed),
    })
    return { ImageId: settled.image.id }
  }

  #deregister({ ImageId: id = '', DeleteAssociatedSnapshots: deletes }: DeregisterImageCommandInput): object {
    const { snapshot } = this.get(id)
    this.all.delete(id)
    this.#gone.add(id)
    if (deletes !== true) return { Return: true }
    const used = this.#snapshots.usedBy(snapshot) !== undefined
    if (!used) this.#snapshots.all.delete(snapshot)
    return {
      Return: true,
      DeleteSnapshotResults: [{ SnapshotId: snapshot, ReturnCode: used ? 'skipped' : 'success' }],
    }
  }

  #describe(image: Image): Described {
    const { encrypted } = this.#snapshots.all.get(image.snapshot) ?? { encrypted: false }
    return {
      ImageId: image.id,
      Name: image.name,
      Description: image.description,
      OwnerId: this.#account,
      State: image.state,
      ...(image.reason !== undefined && { StateReason: { Code: 'Client.Error', Message: image.reason } }),
      Architecture: image.architecture as 'x86_64',
      VirtualizationType: image.virtualization as 'hvm',
      ...(image.bootMode !== undefined && { BootMode: image.bootMode as 'uefi' }),
      ...(image.imds !== undefined && { ImdsSupport: image.imds as 'v2.0' }),
      EnaSupport: image.ena,
      RootDeviceType: 'ebs',
      RootDeviceName: image.rootDevice,
      CreationDate: image.madeAt.toISOString(),
      ...(image.deprecatedAt !== undefined && { DeprecationTime: image.deprecatedAt.toISOString() }),
      BlockDeviceMappings: [
        {
          DeviceName: image.rootDevice,
          Ebs: { SnapshotId: image.snapshot, VolumeSize: image.volumeSize, Encrypted: encrypted },
        },
      ],
      Tags: listed(image.tags),
    }
  }

  readonly operations: Operations = {
    RegisterImage: (input: RegisterImageCommandInput) => this.#register(input),
    CreateImage: (input: CreateImageCommandInput) => this.#take(input),
    DeregisterImage: (input: DeregisterImageCommandInput) => this.#deregister(input),
    EnableImageDeprecation: ({ ImageId: id = '', DeprecateAt: at }: EnableImageDeprecationCommandInput) => {
      const image = this.get(id)
      if (at === undefined || at.getTime() <= this.#clock.now().getTime())
        throw awsError('InvalidParameterValue', 'The date of deprecation has to be in the future')
      image.deprecatedAt = at
      return { Return: true }
    },
    DescribeImages: (input: DescribeImagesCommandInput) => {
      const { ImageIds: ids, Owners: owners, Filters: filters } = input
      for (const id of ids ?? []) this.get(id)
      const isOf = (account = this.#account) =>
        owners === undefined || owners.some((owner) => (owner === 'self' ? this.#account : owner) === account)
      const made = [...this.all.values()]
        .filter(
          ({ id, name, state, tags, architecture }) =>
            isOf() &&
            this.#seen(id) !== undefined &&
            (ids === undefined || ids.includes(id)) &&
            passes(filters, tags, { 'image-id': id, name, state, architecture }),
        )
        .map((image) => this.#describe(image))
      const placed = [...this.#placed.values()].filter(
        ({ ImageId: id = '', OwnerId: owner, Name: name, State: state, Architecture: architecture }) =>
          isOf(owner) &&
          (ids === undefined || ids.includes(id)) &&
          (state !== 'disabled' || input.IncludeDisabled === true) &&
          passes(filters, new Map(), { 'image-id': id, name, state, architecture }),
      )
      const limit = Math.min(input.MaxResults ?? this.pageSize, this.pageSize)
      const { page, next } = pageOf([...made, ...placed], { ...input, MaxResults: limit })
      return { Images: page, ...next }
    },
  }
}

function rootOf(mappings: readonly BlockDeviceMapping[], device: string | undefined) {
  if (device === undefined)
    throw awsError('MissingParameter', 'The request must contain the parameter rootDeviceName')
  const ebs = mappings.find(({ DeviceName }) => DeviceName === device)?.Ebs
  if (ebs?.SnapshotId === undefined)
    throw awsError('InvalidBlockDeviceMapping', `Snapshot is needed for the root device ${device}`)
  if (ebs.Encrypted !== undefined || ebs.KmsKeyId !== undefined)
    throw awsError('InvalidBlockDeviceMapping', 'The encryption is that of the snapshot, and can’t be given')
  if (ebs.VolumeType !== undefined && !VOLUMES.includes(ebs.VolumeType))
    throw awsError('InvalidParameterValue', `Invalid volume type ${ebs.VolumeType}`)
  return { snapshot: ebs.SnapshotId, size: ebs.VolumeSize }
}
