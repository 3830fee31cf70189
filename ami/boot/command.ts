// The programs inside the image, each a systemd unit's (docs/boot.md):
//   configure [--once]   environment of the server, in memory; --once: one try, and nobody is ended for it
//   in-service           tells the group when the server is ready
//   drain                writes a file when AWS takes the server out, for systemd to act on
//   handed-back          tells the group that the server's programs have stopped
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { LIFECYCLE_HOOKS } from '../../contract/launch.ts'
import { type BootAws, connectFromInside } from './aws.ts'
import { configure, NotConfigured, PATIENCE_MS } from './configure.ts'
import { handBack, PAUSE_MS, watchUntilLeaving } from './drain.ts'
import { createImds } from './imds.ts'
import { bringInService } from './in-service.ts'
import { createJournal, onlyNews } from './journal.ts'
import { type Launch, readLaunch } from './launch.ts'
import { complete, type Lifecycle } from './lifecycle.ts'
import { probe, readyAddress } from './probe.ts'
import { STEADY_CLOCK as clock } from './retry.ts'

/** sysexits.h, EX_CONFIG: nothing gets better by starting the program anew, and its unit does not. */
const NO_USE = 78

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    once: { type: 'boolean', default: false },
    image: { type: 'string', default: '/etc/terrace/image.json' },
    folder: { type: 'string', default: '/run/terrace' },
    /** Default: the server's own. */
    ready: { type: 'string' },
    leaving: { type: 'string', default: '/run/terrace-drain/leaving' },
    /** Seconds that drain and handed-back leave to others. */
    pause: { type: 'string', default: String(PAUSE_MS / 1000) },
  },
})
const pauseMs = Number(values.pause) * 1000
const program = positionals[0] ?? ''
const journal = createJournal(program)
// biome-ignore lint/style/noProcessEnv: where the SDK, too, is told of another one
const endpoint = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT
const imds = createImds({ clock, endpoint })

const PROGRAMS: Readonly<Record<string, () => Promise<number>>> = {
  configure: values.once ? configureOnce : configureOrEnd,
  'in-service': async () => {
    const launch = await readLaunch(imds)
    const ready = values.ready ?? readyAddress(launch.tier)
    const stays = await bringInService({ ...lifecycle(launch), launch, journal, probe: () => probe(ready) })
    return stays ? 0 : NO_USE
  },
  drain: async () => {
    await watchUntilLeaving({ imds, clock, journal, pauseMs })
    await writeFile(values.leaving, '')
    // The file goes with the program, and there is nothing else to come.
    for (;;) await clock.sleep(3_600_000)
  },
  'handed-back': async () => {
    const launch = await readLaunch(imds)
    const ending = await handBack(lifecycle(launch), launch.hooks.terminate, pauseMs)
    journal.info(
      ending === 'completed'
        ? 'Everything is handed back: the group has been told.'
        : 'Everything is handed back: no group waits for this server.',
    )
    return 0
  },
}

const run = PROGRAMS[program]
if (run === undefined || positionals.length > 1) {
  process.stderr.write(`What is to be done: ${Object.keys(PROGRAMS).join(', ')}?\n`)
  process.exit(64)
}
try {
  process.exitCode = await run()
} catch (error) {
  journal.error(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
// What still holds the event loop (a socket of the SDK) must not keep the process.
process.exit()

async function configureOnce(): Promise<number> {
  await configureWithin(0)
  return 0
}

/**
 * A server that its group is launching is given up when it gets no environment, so that another one may try; every other
 * one tries on: it served before, or somebody has started it by hand.
 */
async function configureOrEnd(): Promise<number> {
  for (;;) {
    try {
      await configureWithin(PATIENCE_MS)
      return 0
    } catch (error) {
      if (!(error instanceof NotConfigured)) throw error
      journal.error(error.message)
      const ended = await abandon(error.launch)
      if (ended || error.hopeless) return NO_USE
    }
  }
}

async function configureWithin(patienceMs: number): Promise<void> {
  const { image: imageFile, folder } = values
  await configure({ imds, clock, journal, patienceMs, connect, imageFile, folder })
}

/** @returns whether the group has been waiting, and ends this server now */
async function abandon(launch: Launch | undefined): Promise<boolean> {
  const region = launch?.region ?? (await imds.get('meta-data/placement/region').catch(() => undefined))
  if (region === undefined) return false
  const hook = launch?.hooks.launch ?? LIFECYCLE_HOOKS.launch
  try {
    const ending = await complete(lifecycle(launch ?? { region, environment: {} }), {
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

function lifecycle(launch: Pick<Launch, 'region' | 'environment'>): Lifecycle {
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
