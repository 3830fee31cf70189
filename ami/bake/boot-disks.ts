// Boots the very disks that are to be uploaded, each in a virtual machine and as on EC2: firmware, first boot on a greater volume,
// metadata, parameters and secrets, the servers, the group that waits for them. Only AWS is the stand-in, which the launch data
// name. The web server gets the API that was booted before it, where there is one.
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { PORTS } from '../../contract/ports.ts'
import { endOfConsole } from '../ec2/console.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { type Cloud, type Server, type ServerSettings, startCloud } from '../local/boot-test/cloud.ts'
import { forward } from '../local/boot-test/forward.ts'
import { apiSettings, makeDatabase, webSettings } from '../local/boot-test/installation.ts'
import { bootMachine, type Machine } from '../local/qemu.ts'
import type { Tier } from '../recipe/debian.ts'
import { EmulatorsFault, findingsOf, isEmulatorsFault, onceMore, REPORTER } from './machine-report.ts'

const VOLUME_GIB = 3
/** Emulated, beside other work, a boot may take minutes; this ends one that hangs. */
const LONGEST_S = 900

type Report = (line: string) => void
interface Booting {
  readonly cloud: Cloud
  readonly stack: AsyncDisposableStack
  readonly report: Report
  readonly signal: AbortSignal
}

/** @throws BakeFailure when a server does not get ready, or what it is on is not as it has to be */
export async function bootDisks(
  disks: Readonly<Partial<Record<Tier, string>>>,
  report: Report,
  signal: AbortSignal,
): Promise<Partial<Record<Tier, number>>> {
  await using stack = new AsyncDisposableStack()
  const booting = { cloud: stack.use(await startCloud()), stack, report, signal }
  const api = disks.api === undefined ? undefined : await bootApi(booting, disks.api)
  const web = disks.web === undefined ? undefined : await bootWeb(booting, disks.web, api?.machine)
  return { ...(api && { api: api.seconds }), ...(web && { web: web.seconds }) }
}

async function bootApi(booting: Booting, disk: string) {
  const { stack } = booting
  const database = await makeDatabase(stack)
  const toDatabase = stack.use(await forward('0.0.0.0'))
  toDatabase.to('127.0.0.1', database.port)
  return bootOne(booting, 'api', disk, (host) =>
    apiSettings({
      url: 'http://localhost:3000',
      setupToken: randomBytes(16).toString('hex'),
      database: `${host}:${toDatabase.port}`,
    }),
  )
}

async function bootWeb(booting: Booting, disk: string, api: Machine | undefined) {
  const { stack } = booting
  const toApi = stack.use(await forward('0.0.0.0'))
  if (api !== undefined) toApi.to(api.address, PORTS.api)
  const web = await bootOne(booting, 'web', disk, (host) => webSettings(`http://${host}:${toApi.port}`))
  if (api !== undefined) await requirePage(web.machine)
  return web
}

/** The page comes, and through it the API is reached. */
async function requirePage({ address }: Machine): Promise<void> {
  const at = (place: string) =>
    fetch(`http://${address}:${PORTS.web}${place}`, { signal: AbortSignal.timeout(60_000) })
  const page = await at('/sign-in')
  const text = await page.text()
  if (page.status !== 200 || !/<title[^>]*>[^<]*Terrace<\/title>/.test(text))
    throw new BakeFailure(`web: /sign-in answers ${page.status}, and not the page: ${text.slice(0, 500)}`)
  const ready = await (await at('/readyz')).text()
  if (!/"api":"ready"/.test(ready)) throw new BakeFailure(`web: its API is not reached: ${ready}`)
}

interface Booted {
  readonly machine: Machine
  /** From power-on to the first 200 of `/readyz`. */
  readonly seconds: number
}

const bootOne = (
  booting: Booting,
  tier: Tier,
  disk: string,
  settings: (host: string) => ServerSettings,
): Promise<Booted> =>
  onceMore(
    () => bootOnce(booting, tier, disk, settings),
    () => booting.report(`${tier}: its emulated processor has failed; once more`),
  )

async function bootOnce(
  { cloud, stack, report, signal }: Booting,
  tier: Tier,
  disk: string,
  settings: (host: string) => ServerSettings,
): Promise<Booted> {
  signal.throwIfAborted()
  const began = performance.now()
  const servers: Server[] = []
  const machine = stack.use(
    await bootMachine(disk, {
      volumeGiB: VOLUME_GIB,
      ports: [PORTS[tier]],
      metadata: async (host) => {
        const server = await cloud.launch(tier, host, settings(host))
        servers.push(server)
        return server.metadata
      },
      credentials: () => REPORTER(tier),
    }),
  )
  const isGivenUp = () =>
    servers.every((server) => !/^(?:Pending:Wait|InService)$/.test(server.state() ?? ''))
  try {
    await ready(machine, tier, isGivenUp, report, signal)
  } catch (failure) {
    if (machine.running() || !isEmulatorsFault(machine.console())) throw failure
    throw new EmulatorsFault(failure)
  }
  const seconds = Math.round((performance.now() - began) / 100) / 10
  report(`${tier}: ready after ${seconds} s`)
  const findings = await ended(machine, tier, signal)
  await inService(machine, tier, servers, signal)
  const wrong = findingsOf(findings, tier, VOLUME_GIB)
  if (wrong.length > 0) throw failure(tier, wrong.join('; '), machine)
  return { machine, seconds }
}

/** @throws BakeFailure when a unit has failed, the machine has ended, or it takes too long */
async function ready(
  machine: Machine,
  tier: Tier,
  isGivenUp: () => boolean,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const began = performance.now()
  const since = () => Math.round((performance.now() - began) / 1000)
  for (let told = 0; since() < LONGEST_S && machine.running(); ) {
    const response = await fetch(`http://${machine.address}:${PORTS[tier]}/readyz`, {
      signal: AbortSignal.timeout(5_000),
    }).catch(() => null)
    await response?.body?.cancel()
    if (response?.status === 200) return
    requireUnits(machine, tier)
    if (isGivenUp()) throw failure(tier, 'its own programs gave it up', machine)
    if (since() - told >= 15) {
      told = since()
      report(`${tier}: booting since ${told} s`)
    }
    await sleep(1_000, undefined, { signal })
  }
  throw failure(tier, machine.running() ? `not ready after ${LONGEST_S} s` : 'its machine ended', machine)
}

/** @throws BakeFailure when a unit does not start; the console has the end of its journal */
function requireUnits(machine: Machine, tier: Tier): void {
  const [, unit] = /^TROUBLE end (\S+)/m.exec(machine.console()) ?? []
  if (unit !== undefined) throw failure(tier, `${unit} does not start`, machine)
}

/** Its group has heard that it is ready. */
async function inService(
  machine: Machine,
  tier: Tier,
  servers: readonly Server[],
  signal: AbortSignal,
): Promise<void> {
  const isInService = () => servers.every((server) => server.state() === 'InService')
  for (let waited = 0; waited < LONGEST_S && machine.running() && !isInService(); waited++)
    await sleep(1_000, undefined, { signal })
  if (!isInService()) throw failure(tier, 'it did not tell its group that it is ready', machine)
}

async function ended(machine: Machine, tier: Tier, signal: AbortSignal): Promise<string> {
  for (let waited = 0; waited < LONGEST_S && machine.running(); waited++) {
    if (/^REPORT end/m.test(machine.console())) break
    requireUnits(machine, tier)
    await sleep(1_000, undefined, { signal })
  }
  return machine.console()
}

const failure = (tier: Tier, what: string, machine: Machine) =>
  new BakeFailure(
    `The ${tier} image failed its boot test: ${what}. ${endOfConsole(machine.console())}\nNothing was sent.`,
  )
