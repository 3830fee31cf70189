// The programs that speak to AWS, put together from their parts. Each gives the code that its process ends with.
import { LIFECYCLE_HOOKS } from '../../contract/launch.ts'
import { type BootAws, connectFromInside } from './aws.ts'
import { configure, NotConfigured, PATIENCE_MS } from './configure.ts'
import { handBack } from './handed-back.ts'
import type { Imds } from './imds.ts'
import { bringInService } from './in-service.ts'
import { type Journal, onlyNews } from './journal.ts'
import { type Launch, readLaunch } from './launch.ts'
import { complete, type Lifecycle } from './lifecycle.ts'
import { probe, readyAddress } from './probe.ts'
import type { Clock } from './retry.ts'

export interface Machine {
  readonly imds: Imds
  readonly clock: Clock
  readonly journal: Journal
}

interface Places {
  /** The image's record of itself. */
  readonly imageFile: string
  /** In memory; the environment goes there. */
  readonly folder: string
}

/** sysexits.h, EX_CONFIG: nothing gets better by starting the program anew, and its unit does not. */
const NO_USE = 78

/** @throws NotConfigured */
export async function configureOnce(machine: Machine, places: Places): Promise<number> {
  await configure({ ...machine, ...places, connect, patienceMs: 0 })
  return 0
}

/**
 * A server that its group is launching is given up when it gets no environment, so that another one may try; every other
 * one tries on: it served before, or somebody has started it by hand.
 */
export async function configureOrEnd(machine: Machine, places: Places): Promise<number> {
  for (;;) {
    try {
      await configure({ ...machine, ...places, connect, patienceMs: PATIENCE_MS })
      return 0
    } catch (error) {
      if (!(error instanceof NotConfigured)) throw error
      machine.journal.error(error.message)
      const ended = await abandon(machine, error.launch)
      if (ended || error.hopeless) return NO_USE
    }
  }
}

/** @returns whether the group has been waiting, and ends this server now */
async function abandon(machine: Machine, launch: Launch | undefined): Promise<boolean> {
  const { imds, journal } = machine
  const region = launch?.region ?? (await imds.get('meta-data/placement/region').catch(() => undefined))
  if (region === undefined) return false
  const hook = launch?.hooks.launch ?? LIFECYCLE_HOOKS.launch
  try {
    const ending = await complete(lifecycle(machine, launch ?? { region, environment: {} }), {
      transition: 'launch',
      hook,
      result: 'ABANDON',
      patienceMs: 60_000,
    })
    if (ending === 'completed')
      journal.error(`This server is given up: its group ends it (${hook}, ABANDON).`)
    return ending === 'completed'
  } catch (error) {
    journal.error(error instanceof Error ? error.message : String(error))
    return false
  }
}

/** @param ready where the server says how it is; default: where the load balancer asks */
export async function reportInService(machine: Machine, ready?: string): Promise<number> {
  const launch = await readLaunch(machine.imds)
  const address = ready ?? readyAddress(launch.tier)
  const { journal } = machine
  const stays = await bringInService({
    ...lifecycle(machine, launch),
    ...{ launch, journal, probe: () => probe(address) },
  })
  return stays ? 0 : NO_USE
}

/** @param pauseMs for the last lines of the server's programs */
export async function reportHandedBack(machine: Machine, pauseMs: number): Promise<number> {
  const launch = await readLaunch(machine.imds)
  const ending = await handBack(lifecycle(machine, launch), launch.hooks.terminate, pauseMs)
  machine.journal.info(
    ending === 'completed'
      ? 'Everything is handed back: the group has been told.'
      : 'Everything is handed back: no group waits for this server.',
  )
  return 0
}

function lifecycle(
  { imds, clock, journal }: Machine,
  launch: Pick<Launch, 'region' | 'environment'>,
): Lifecycle {
  const onFailure = onlyNews((reason) => journal.warn(`${reason} Trying again.`))
  return { imds, autoscaling: connect(launch).autoscaling, clock, onFailure }
}

/** Another endpoint than AWS's own may be said by the launch template, for machines that are tested elsewhere. */
function connect({ region, environment }: Pick<Launch, 'region' | 'environment'>): BootAws {
  const endpoints = Object.entries(environment).filter(([name]) => name.startsWith('AWS_ENDPOINT_URL'))
  // biome-ignore lint/style/noProcessEnv: the SDK reads it there
  Object.assign(process.env, Object.fromEntries(endpoints))
  return connectFromInside(region)
}
