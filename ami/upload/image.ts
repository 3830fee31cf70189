// A snapshot becomes an image. RegisterImage knows no client token: the name is nobody else's, and finds what was made
// by a call whose answer was lost.
import {
  DeregisterImageCommand,
  DescribeImagesCommand,
  type Image,
  RegisterImageCommand,
  type RegisterImageCommandInput,
} from '@aws-sdk/client-ec2'
import { BakeFailure } from '../ledger/failure.ts'
import type { Resource } from '../ledger/ledger.ts'
import { tagsOf } from '../ledger/tags.ts'
import type { Tier } from '../recipe/debian.ts'
import type { Baking } from './baking.ts'
import { persist } from './persist.ts'
import { until } from './wait.ts'

/** What an image calls the disk that it boots from. */
export const ROOT_DEVICE = '/dev/xvda'
/** What was just made may not be found yet. */
const UNSEEN_MS = 2 * 60_000
/** Others have waited for 100 minutes, and AWS finished after all. */
const AVAILABLE_MS = 2 * 60 * 60_000

export const imageName = (tier: string): string => `${tier} image`

/** @returns id of an available image of that snapshot */
export async function makeImage(baking: Baking, tier: Tier, snapshot: string): Promise<string> {
  const { aws, ledger, say, signal } = baking
  const name = imageName(tier)
  const known = ledger.find(name)
  const resource = known ?? (await ledger.asked(newImage(baking, tier, snapshot)))
  const id = resource.id ?? (await register(baking, resource, snapshot))
  if (resource.id === undefined) {
    await ledger.made(name, id)
    say(`${tier}: image ${id}`)
  }
  await until(aws.clock, AVAILABLE_MS, signal, `${id} is not available`, async () => {
    const found = await describe(baking, id)
    if (found?.State === 'available') return true
    if (found === undefined) throw new BakeFailure(`${id} has disappeared: somebody deregistered it.`)
    if (found.State !== 'pending')
      throw new BakeFailure(
        `${id} is ${found.State}: ${found.StateReason?.Message ?? 'AWS does not say why'}`,
      )
    return false
  })
  return id
}

function newImage({ ledger, architecture }: Baking, tier: Tier, snapshot: string) {
  const { bake, inputs } = ledger.state
  const token = `terrace-${tier}-${inputs.slice(0, 12)}-${bake}`
  const request: RegisterImageCommandInput = {
    Name: token,
    Description: `Terrace ${tier}, inputs ${inputs.slice(0, 12)}`,
    Architecture: architecture,
    VirtualizationType: 'hvm',
    BootMode: 'uefi',
    EnaSupport: true,
    ImdsSupport: 'v2.0',
    RootDeviceName: ROOT_DEVICE,
    BlockDeviceMappings: [
      {
        DeviceName: ROOT_DEVICE,
        Ebs: { SnapshotId: snapshot, VolumeType: 'gp3', DeleteOnTermination: true },
      },
    ],
    TagSpecifications: [{ ResourceType: 'image', Tags: tagsOf(ledger.state, token) }],
  }
  return {
    name: imageName(tier),
    kind: 'image' as const,
    token,
    request: { ...request } as Record<string, unknown>,
  }
}

async function register(baking: Baking, resource: Resource, snapshot: string): Promise<string> {
  try {
    const { ImageId: id } = await baking.aws.ec2.send(
      new RegisterImageCommand(resource.request as unknown as RegisterImageCommandInput),
    )
    if (id === undefined) throw new Error('AWS registered an image and does not say which')
    return id
  } catch (error) {
    // An earlier run has made it, or the client itself asked again when it heard nothing.
    if (!(error instanceof Error) || error.name !== 'InvalidAMIName.Duplicate') throw error
  }
  const missing = new BakeFailure(`AWS says that there is an image ${resource.token}, and does not show it`)
  const found = await persist(
    baking.aws.clock,
    UNSEEN_MS,
    baking.signal,
    (error) => error === missing,
    async () => {
      const image = await byName(baking, resource.token)
      if (image === undefined) throw missing
      return image
    },
  )
  return ours(found, snapshot)
}

const snapshotOf = ({ BlockDeviceMappings: [root] = [] }: Pick<Image, 'BlockDeviceMappings'>) =>
  root?.Ebs?.SnapshotId

function ours(image: Image, snapshot: string): string {
  if (image.ImageId === undefined || snapshotOf(image) !== snapshot)
    throw new BakeFailure(
      `${image.ImageId} has the name of this bake’s image, and is not of ${snapshot}: it is left as it is.`,
    )
  return image.ImageId
}

async function byName({ aws }: Baking, name: string): Promise<Image | undefined> {
  const { Images: [found] = [] } = await aws.ec2.send(
    new DescribeImagesCommand({ Owners: ['self'], Filters: [{ Name: 'name', Values: [name] }] }),
  )
  return found
}

const isUnseen = (error: unknown): boolean => error instanceof Error && error.name === 'InvalidAMIID.NotFound'
const isMissing = (error: unknown): boolean =>
  isUnseen(error) || (error instanceof Error && error.name === 'InvalidAMIID.Unavailable')

async function describe({ aws, signal }: Baking, id: string): Promise<Image | undefined> {
  try {
    return await persist(aws.clock, UNSEEN_MS, signal, isUnseen, async () => {
      const { Images: [found] = [] } = await aws.ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))
      return found
    })
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Also one of which it is not known whether it was made. @returns its id, when there was one */
export async function removeImage(baking: Baking, resource: Resource): Promise<string | undefined> {
  const { aws, ledger } = baking
  const id = resource.id ?? (await lateByName(baking, resource))
  if (id !== undefined)
    try {
      // Until it can be seen it can’t be deregistered.
      await persist(aws.clock, UNSEEN_MS, undefined, isUnseen, () =>
        aws.ec2.send(new DeregisterImageCommand({ ImageId: id })),
      )
    } catch (error) {
      if (!isMissing(error)) throw error
    }
  await ledger.removed(resource.name)
  return id
}

/** One that was just made may be seen later only; one of another snapshot is not this bake's. */
async function lateByName(baking: Baking, { token, request }: Resource): Promise<string | undefined> {
  const { clock } = baking.aws
  const until = clock.now().getTime() + UNSEEN_MS / 4
  for (;;) {
    const found = await byName(baking, token)
    if (found !== undefined) return snapshotOf(found) === snapshotOf(request) ? found.ImageId : undefined
    if (clock.now().getTime() >= until) return undefined
    await clock.sleep(5_000)
  }
}
