// What AWS says of an instance of a bake: whether it is there, its console, and what AWS's own checks have found.
import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  GetConsoleOutputCommand,
  type Instance,
} from '@aws-sdk/client-ec2'
import type { Baking } from '../upload/baking.ts'
import { passing, persist } from '../upload/persist.ts'
import { isUnseen } from './refusals.ts'

type Asking = Pick<Baking, 'aws' | 'signal'>

/** What was just made may not be found yet. */
export const UNSEEN_MS = 2 * 60_000

export async function describe({ aws, signal }: Asking, id: string): Promise<Instance | undefined> {
  try {
    return await persist(aws.clock, UNSEEN_MS, signal, isUnseenOrPassing, async () => {
      const { Reservations: [found] = [] } = await aws.ec2.send(
        new DescribeInstancesCommand({ InstanceIds: [id] }),
      )
      return found?.Instances?.[0]
    })
  } catch (error) {
    if (isUnseen(error)) return undefined
    throw error
  }
}

/** What it has written to its serial console so far, as far as AWS keeps it (64 KiB, for an hour after its end). */
export async function consoleOf({ aws, signal }: Asking, id: string, isUpNow: boolean): Promise<string> {
  const { Output = '' } = await persist(aws.clock, UNSEEN_MS, signal, isUnseenOrPassing, () =>
    // Without `Latest` it is what was there when its state last changed. It needs a type of the Nitro system.
    aws.ec2.send(new GetConsoleOutputCommand({ InstanceId: id, Latest: isUpNow })),
  )
  return Buffer.from(Output, 'base64').toString()
}

/** @returns what AWS's own checks say of one that is up, to be put behind a sentence; nothing when they passed or can't be asked */
export async function checksOf({ aws, signal }: Asking, id: string): Promise<string> {
  try {
    const { InstanceStatuses: [found] = [] } = await aws.ec2.send(
      new DescribeInstanceStatusCommand({ InstanceIds: [id] }),
      signal && { abortSignal: signal },
    )
    const [system, instance] = [found?.SystemStatus?.Status, found?.InstanceStatus?.Status]
    if (system === undefined || instance === undefined || (system === 'ok' && instance === 'ok')) return ''
    return `, and AWS’s own checks have not passed (of its host: ${system}; of itself: ${instance})`
  } catch {
    // Why it failed is known without.
    return ''
  }
}

export const isUp = (instance: Instance | undefined): boolean =>
  instance?.State?.Name === 'pending' || instance?.State?.Name === 'running'

export const isUnseenOrPassing = (error: unknown): boolean => isUnseen(error) || passing(error) !== undefined
