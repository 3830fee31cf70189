// The programs inside the image, each a systemd unit's (docs/boot.md):
//   configure [--once]   environment of the server, in memory; --once: one try, and nobody is ended for it
//   in-service           tells the group when the server is ready
//   drain                writes a file when AWS takes the server out, for systemd to act on
//   handed-back          tells the group that the server's programs have stopped
//   logs                 writes what the CloudWatch agent is told, before it starts; 1: it is not to start, 255: it failed
//   boot-test            says on the console how an image is that was launched to be tested
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { PAUSE_MS, watchUntilLeaving } from './drain.ts'
import { createImds } from './imds.ts'
import { createJournal } from './journal.ts'
import type { Machine } from './programs.ts'
import { STEADY_CLOCK as clock } from './retry.ts'

const NAMES = ['configure', 'in-service', 'drain', 'handed-back', 'logs', 'boot-test'] as const
/** sysexits.h, EX_USAGE. */
const USAGE = 64
/** What systemd takes for a failure of ExecCondition=, and not for a no. */
const FAILED_CONDITION = 255

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    once: { type: 'boolean', default: false },
    image: { type: 'string', default: '/etc/terrace/image.json' },
    folder: { type: 'string', default: '/run/terrace' },
    /** Default: the server's own. */
    ready: { type: 'string' },
    leaving: { type: 'string', default: '/run/terrace-drain/leaving' },
    /** Of the agent: what it is told, in memory, and what it remembers. */
    agent: { type: 'string', default: '/run/terrace-logs' },
    state: { type: 'string', default: '/var/lib/terrace-logs' },
    /** What the API's own check has found. */
    'self-check': { type: 'string', default: '/run/terrace-self-check/result.json' },
    /** Seconds that drain and handed-back leave to others. */
    pause: { type: 'string', default: String(PAUSE_MS / 1000) },
  },
})
const name = NAMES.find((one) => one === positionals[0])
if (name === undefined || positionals.length > 1) {
  process.stderr.write(`What is to be done: ${NAMES.join(', ')}?\n`)
  process.exit(USAGE)
}
const journal = createJournal(name)
// biome-ignore lint/style/noProcessEnv: where the SDK, too, is told of another one
const endpoint = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT
const machine: Machine = { imds: createImds({ clock, endpoint }), clock, journal }
const pauseMs = Number(values.pause) * 1000
const PROGRAMS: Readonly<Record<(typeof NAMES)[number], () => Promise<number>>> = {
  ...{ drain, logs, 'boot-test': bootTest },
  configure: () => other('configure'),
  'in-service': () => other('in-service'),
  'handed-back': () => other('handed-back'),
}

try {
  process.exitCode = await PROGRAMS[name]()
} catch (error) {
  journal.error(error instanceof Error ? error.message : String(error))
  process.exitCode = name === 'logs' ? FAILED_CONDITION : 1
}
// What still holds the event loop (a socket of the SDK) must not keep the process.
process.exit()

async function drain(): Promise<never> {
  await watchUntilLeaving({ ...machine, pauseMs })
  await writeFile(values.leaving, '')
  // The file goes with the program, and there is nothing else to come.
  for (;;) await clock.sleep(3_600_000)
}

async function logs(): Promise<number> {
  const { tellAgent } = await import('./logs.ts')
  return (await tellAgent(machine.imds, { folder: values.agent, state: values.state })) ? 0 : 1
}

async function bootTest(): Promise<number> {
  const { reportBootTest } = await import('./boot-test/boot-test.ts')
  await reportBootTest({ ...machine, imageFile: values.image, selfCheckFile: values['self-check'] })
  return 0
}

async function other(name: 'configure' | 'in-service' | 'handed-back'): Promise<number> {
  // Not for drain, which stays in memory as long as the server does: the SDK alone is half of what they load.
  const { configureOnce, configureOrEnd, reportHandedBack, reportInService } = await import('./programs.ts')
  const places = { imageFile: values.image, folder: values.folder }
  switch (name) {
    case 'configure':
      return await (values.once ? configureOnce : configureOrEnd)(machine, places)
    case 'in-service':
      return await reportInService(machine, values.ready)
    case 'handed-back':
      return await reportHandedBack(machine, pauseMs)
  }
}
