// An instance of a bake: started where there is room for it, watched by its console until it has said what it found, and
// ended in any case. Nobody can reach it or sign in, and what it turns off itself is gone. Its journal is that of the bake:
// a run that was ended goes on to watch the same instance, or ends it.
import {
  DescribeInstancesCommand,
  type _InstanceType as InstanceType,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from '@aws-sdk/client-ec2'
import { AwsProblem } from '../../aws/problems.ts'
import { BakeFailure, Continuable } from '../ledger/failure.ts'
import type { Resource } from '../ledger/ledger.ts'
import { tagsOf } from '../ledger/tags.ts'
import type { Baking } from '../upload/baking.ts'
import { passing, persist } from '../upload/persist.ts'
import { until } from '../upload/wait.ts'
import { endOfConsole } from './console.ts'
import { checksOf, consoleOf, describe, isUnseenOrPassing, isUp, UNSEEN_MS } from './look.ts'
import { endedByOthers, isNoRoom, isSpent, isUnseen, isUnseenImage, limitOf } from './refusals.ts'

export interface Machine {
  /** In the journal; one of a name at a time. */
  readonly name: string
  readonly image: string
  /** Tried in this order, each in every subnet. */
  readonly types: readonly InstanceType[]
  /** In zones that differ: one may be out of a type, or never have had it. */
  readonly subnets: readonly string[]
  readonly group: string
  /** Of whom it acts; undefined: nobody, it has no rights at all. */
  readonly profile: string | undefined
  /** Without one it reaches nothing outside its network. */
  readonly hasPublicAddress: boolean
  readonly rootDevice: string
  readonly volumeGiB: number
  /** Text, not yet base64. */
  readonly userData: string
  /** Milliseconds from its start to what it says. */
  readonly patienceMs: number
}

/**
 * @param id of the instance whose console it is
 * @returns what it found; undefined while it has not said it
 * @throws BakeFailure when it said that it failed
 */
export type Judge<T> = (console: string, id: string) => T | undefined

const PATIENCE_MS = 5 * 60_000
/** AWS shows the console of an instance some time after it has ended, and does not say how long that takes. */
const LAST_WORDS_MS = 3 * 60_000

/** @throws BakeFailure with the end of its console, when it ends without a word or takes too long; it is gone by then */
export async function runMachine<T>(baking: Baking, machine: Machine, judge: Judge<T>): Promise<T> {
  let result: T
  try {
    const id = await start(baking, machine)
    result = await watch(baking, machine, id, judge)
  } catch (error) {
    throw await endedAfter(baking, machine, error)
  }
  await end(baking, machine.name)
  return result
}

/** @returns id of one that was terminated; undefined when there was none */
export async function end(baking: Baking, name: string): Promise<string | undefined> {
  const resource = baking.ledger.find(name)
  if (resource === undefined) return undefined
  const id = resource.id ?? (await lateByToken(baking, resource.token))
  if (id !== undefined)
    try {
      // Until it can be seen it can’t be ended.
      await persist(baking.aws.clock, UNSEEN_MS, undefined, isUnseenOrPassing, () =>
        baking.aws.ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] })),
      )
    } catch (error) {
      if (!isUnseen(error)) throw error
    }
  await baking.ledger.removed(name)
  return id
}

async function endedAfter(baking: Baking, { name }: Machine, error: unknown): Promise<unknown> {
  const resource = baking.ledger.find(name)
  const message = error instanceof Error ? error.message : String(error)
  try {
    const id = await end(baking, name)
    if (id === undefined || !(error instanceof BakeFailure) || error instanceof Continuable) return error
    return new BakeFailure(`${message}\n${id} was terminated.`, { cause: error })
  } catch (ending) {
    const why = ending instanceof Error ? ending.message : String(ending)
    const text =
      `${message} And ${resource?.id ?? `${name}, if it was started,`} could not be terminated (${why}): it costs money until it is. ` +
      `The same command does it, or npm run bake:sweep after ${baking.ledger.state.expires}.`
    return error instanceof AwsProblem
      ? new AwsProblem(error.kind, text, error)
      : new BakeFailure(text, { cause: error })
  }
}

async function start(baking: Baking, machine: Machine): Promise<string> {
  const known = baking.ledger.find(machine.name)
  if (known?.id !== undefined) {
    if (isUp(await describe(baking, known.id))) return known.id
    baking.say(`${machine.name}: ${known.id} has ended meanwhile, another one is started`)
    await baking.ledger.removed(machine.name)
  } else if (known !== undefined) {
    const id = await begin(baking, known)
    if (id !== undefined) return id
  }
  for (const request of placesOf(machine)) {
    const tries = baking.ledger.state.resources.filter(({ name }) => name === machine.name).length
    const id = await begin(
      baking,
      await baking.ledger.asked({
        name: machine.name,
        kind: 'instance',
        // Of each place another one: the same with other parameters would be refused.
        token: `${baking.ledger.state.bake}-${machine.name.replaceAll(' ', '-')}-${tries + 1}`,
        request: { ...requestOf(baking, machine, request) },
      }),
    )
    if (id !== undefined) return id
  }
  throw new Continuable(
    `${baking.aws.region} has no room for the ${machine.name}: tried ${machine.types.join(', ')} in ${machine.subnets.join(' and ')}. ` +
      'Nothing of it was started: try again later',
  )
}

interface Place {
  readonly type: InstanceType
  readonly subnet: string
}
const placesOf = ({ types, subnets }: Machine): Place[] =>
  types.flatMap((type) => subnets.map((subnet) => ({ type, subnet })))

/**
 * @returns undefined when there is no room; the journal says then that nothing was made
 * @throws Continuable when the account may have no more
 */
async function begin({ aws, ledger, say, signal }: Baking, asked: Resource): Promise<string | undefined> {
  const request = asked.request as unknown as RunInstancesCommandInput
  // AWS says 500 when there is no room, which is no mistake that passes.
  const again = (error: unknown) => !isNoRoom(error) && (passing(error) !== undefined || isUnseenImage(error))
  try {
    const { Instances: [made] = [] } = await persist(aws.clock, PATIENCE_MS, signal, again, () =>
      aws.ec2.send(new RunInstancesCommand({ ...request, ClientToken: asked.token })),
    )
    if (made?.InstanceId === undefined) throw new Error('AWS started an instance and does not say which')
    await ledger.made(asked.name, made.InstanceId)
    say(`${asked.name}: ${made.InstanceId}, ${request.InstanceType}`)
    return made.InstanceId
  } catch (error) {
    const limit = limitOf(error)
    if (limit === undefined && !isNoRoom(error) && !isSpent(error)) throw error
    // Nothing was made; of a token that is spent, nothing is there any more.
    await ledger.removed(asked.name)
    if (limit !== undefined) throw new Continuable(`The ${asked.name} was not started: ${limit}`)
    say(
      isSpent(error)
        ? `${asked.name}: what an earlier run started has ended, another one is started`
        : `${asked.name}: no ${request.InstanceType} in ${request.NetworkInterfaces?.[0]?.SubnetId}`,
    )
    return undefined
  }
}

function requestOf(
  { ledger, key }: Baking,
  machine: Machine,
  { type, subnet }: Place,
): RunInstancesCommandInput {
  const tags = tagsOf(ledger.state, `terrace ${machine.name} ${ledger.state.inputs.slice(0, 12)}`)
  return {
    MinCount: 1,
    MaxCount: 1,
    ImageId: machine.image,
    InstanceType: type,
    InstanceInitiatedShutdownBehavior: 'terminate',
    MetadataOptions: { HttpEndpoint: 'enabled', HttpTokens: 'required', HttpPutResponseHopLimit: 1 },
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        SubnetId: subnet,
        Groups: [machine.group],
        AssociatePublicIpAddress: machine.hasPublicAddress,
        DeleteOnTermination: true,
      },
    ],
    BlockDeviceMappings: [
      {
        DeviceName: machine.rootDevice,
        Ebs: {
          VolumeSize: machine.volumeGiB,
          VolumeType: 'gp3',
          Encrypted: true,
          ...(key !== undefined && { KmsKeyId: key }),
          DeleteOnTermination: true,
        },
      },
    ],
    ...(machine.profile !== undefined && { IamInstanceProfile: { Name: machine.profile } }),
    UserData: Buffer.from(machine.userData).toString('base64'),
    // Interfaces have no tags of their own in the deployment role's rights; they go with the instance.
    TagSpecifications: [
      { ResourceType: 'instance', Tags: tags },
      { ResourceType: 'volume', Tags: tags },
    ],
  }
}

async function watch<T>(baking: Baking, machine: Machine, id: string, judge: Judge<T>): Promise<T> {
  const { aws, signal } = baking
  const deadline = aws.clock.now().getTime() + machine.patienceMs
  const found: T[] = []
  let overSince: number | undefined
  await until(aws.clock, Number.POSITIVE_INFINITY, signal, `${id} says nothing`, async () => {
    // Asked before its console: what it said last is there once it has ended.
    const instance = await describe(baking, id)
    const isUpNow = isUp(instance)
    const console = await consoleOf(baking, id, isUpNow)
    const now = aws.clock.now().getTime()
    if (!isUpNow) overSince ??= now
    const result = judge(console, id)
    if (result !== undefined) found.push(result)
    else if (overSince !== undefined && now - overSince >= LAST_WORDS_MS) {
      const by = endedByOthers(instance)
      // It says nothing of what ran there.
      if (by !== undefined) throw new Continuable(`${machine.name} ${id} was ended, and not by itself: ${by}`)
      throw silent(machine, id, 'ended and did not say how it went', console)
    } else if (overSince === undefined && now >= deadline)
      throw silent(
        machine,
        id,
        `has not said after ${Math.round(machine.patienceMs / 60_000)} minutes how it went${await checksOf(baking, id)}`,
        console,
      )
    return found.length > 0
  })
  const [result] = found
  if (result === undefined) throw new Error(`${id} was judged and is not`)
  return result
}

const silent = ({ name }: Machine, id: string, what: string, console: string) =>
  new BakeFailure(`${name} ${id} ${what}. ${endOfConsole(console)}`)

/** One that was just started may be seen later only; it costs money, so one waits for it as long as that may take. */
async function lateByToken({ aws }: Baking, token: string): Promise<string | undefined> {
  const last = aws.clock.now().getTime() + UNSEEN_MS
  for (;;) {
    const { Reservations: [found] = [] } = await aws.ec2.send(
      new DescribeInstancesCommand({ Filters: [{ Name: 'client-token', Values: [token] }] }),
    )
    const id = found?.Instances?.[0]?.InstanceId
    if (id !== undefined || aws.clock.now().getTime() >= last) return id
    await aws.clock.sleep(5_000)
  }
}
