// The image checks itself: on a machine that was launched for that (contract/boot-test.ts) it looks at what only a machine
// can give, and says on the console how it went. Its unit turns the machine off afterwards, which ends it on EC2.
import os from 'node:os'
import { BOOT_REPORT, type BootCheck, type BootReport } from '../../../contract/boot-test.ts'
import { PORTS, PUBLIC_PATHS } from '../../../contract/ports.ts'
import type { Imds } from '../imds.ts'
import type { Journal } from '../journal.ts'
import { type ImageRecord, isBootTest, readOwnRecord, readTold } from '../launch.ts'
import type { Clock } from '../retry.ts'
import * as asked from './asked.ts'
import { wrongOfDisk, wrongOfUnits } from './facts.ts'

export interface BootTesting {
  readonly imds: Imds
  readonly clock: Clock
  readonly journal: Journal
  readonly imageFile: string
  /** Of terrace-self-check, which has ended by then. */
  readonly selfCheckFile: string
  /** Default: this machine's. */
  readonly machine?: typeof asked
  /** Default: stdout. */
  readonly write?: (text: string) => unknown
  /** Default: where terrace-web listens. */
  readonly web?: string
}

/** The kernel writes to the same console, at times into the middle of a line. */
const TIMES = 3
const CLOCK_MS = 60_000
const PAGE_MS = 180_000
const ANSWER_MS = 30_000
/** What ends again and again does not get better. */
const MOST_RESTARTS = 3

interface Test extends Required<Omit<BootTesting, 'journal' | 'write'>> {
  readonly told: { readonly tier: string; readonly release: string; readonly volumeGiB: number }
  readonly image: ImageRecord
  /** For people: what a failure is to be understood by. */
  readonly show: (text: string) => void
}

/** @throws ImdsSilent and Hopeless when nobody says what is to be tested */
export async function reportBootTest(of: BootTesting): Promise<BootReport> {
  const { write = (text) => process.stdout.write(text), clock } = of
  const told = await readTold(of.imds)
  if (!isBootTest(told)) throw new Error('This machine was not launched to test its image.')
  const { bootTest } = told
  const image = await readOwnRecord(of.imageFile)
  const instance = await of.imds.get('meta-data/instance-id')
  const test: Test = {
    ...{ machine: asked, web: `http://127.0.0.1:${PORTS.web}`, ...of, told: bootTest, image },
    show: (text) => write(`${text.replaceAll(BOOT_REPORT, '…')}\n`),
  }
  const passed: BootCheck[] = []
  const findings: string[] = []
  for (const name of bootTest.checks) {
    const wrong = await attempted(CHECKS[name], test)
    if (wrong.length === 0) passed.push(name)
    findings.push(...wrong)
  }
  const report: BootReport = {
    ...{ id: bootTest.id, instance: instance ?? '', tier: image.tier, release: image.release },
    ...{ passed, findings, processor: os.cpus()[0]?.model ?? os.arch() },
    seconds: Math.round(os.uptime() * 10) / 10,
  }
  for (let times = 0; times < TIMES; times++) {
    if (times > 0) await clock.sleep(1_000)
    write(`${BOOT_REPORT} ${JSON.stringify(report)}\n`)
  }
  return report
}

type Check = (test: Test) => Promise<string[]>
async function attempted(check: Check, test: Test): Promise<string[]> {
  try {
    return await check(test)
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

const CHECKS: Readonly<Record<BootCheck, Check>> = {
  image: async ({ told, image }) =>
    (['tier', 'release'] as const).flatMap((name) =>
      told[name] === image[name]
        ? []
        : [`its ${name} is ${image[name]}, and ${told[name]} was meant to be tested`],
    ),
  disk: async ({ machine, told }) => wrongOfDisk(await machine.disk(), told.volumeGiB),
  clock: async ({ machine, clock }) => {
    let sources = ''
    for (let waited = 0; waited < CLOCK_MS; waited += 2_000) {
      sources = await machine.timeSources()
      if (/^\^,\*,/m.test(sources)) return []
      await clock.sleep(2_000)
    }
    return [`its clock follows nobody: ${sources.replaceAll('\n', '; ') || 'chrony does not answer'}`]
  },
  search: async ({ machine, selfCheckFile, show }) => {
    const found = await machine.selfCheckResult(selfCheckFile)
    if (found !== undefined) return found
    const unit = 'terrace-self-check.service'
    show(await machine.journalOf(unit))
    const how = await Promise.all(['Result', 'ExecMainStatus'].map((name) => machine.property(unit, name)))
    return [`the API’s own check has ended without a result (${how.join(', ')})`]
  },
  page: async (test) => {
    const wrong = await pageOf(test)
    if (wrong.length > 0) test.show(await test.machine.journalOf('terrace-web.service'))
    return wrong
  },
  units: async ({ machine, image }) => {
    // Each has the limits of the tier's servers.
    const server = image.tier === 'web' ? 'terrace-web.service' : 'terrace-self-check.service'
    const wanted = ['terrace-configure.service', 'terrace-drain.service']
    if (image.tier === 'web') wanted.push(server)
    const states = await Promise.all(wanted.map((unit) => machine.property(unit, 'ActiveState')))
    return [
      ...wanted.flatMap((unit, at) => (states[at] === 'active' ? [] : [`${unit} is ${states[at]}`])),
      ...wrongOfUnits(await machine.units(server)),
    ]
  },
}

async function pageOf({ web, clock, machine }: Test): Promise<string[]> {
  for (const place of [PUBLIC_PATHS.healthz, PUBLIC_PATHS.readyz]) {
    let last = 'nothing'
    for (let waited = 0; last !== '200'; waited += 1_000) {
      if (waited >= PAGE_MS) return [`terrace-web answers ${last} to ${place}`]
      const restarts = Number(await machine.property('terrace-web.service', 'NRestarts'))
      if (restarts >= MOST_RESTARTS) return [`terrace-web has ended ${restarts} times`]
      if (waited > 0) await clock.sleep(1_000)
      last = (await ask(web + place)).status
    }
  }
  const { status, text } = await ask(`${web}/sign-in`)
  return status === '200' && /<title[^>]*>[^<]*Terrace<\/title>/.test(text)
    ? []
    : [`/sign-in answers ${status}, and not the page: ${text.slice(0, 300)}`]
}

async function ask(url: string): Promise<{ status: string; text: string }> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(ANSWER_MS) })
    return { status: String(response.status), text: await response.text() }
  } catch {
    return { status: 'nothing', text: '' }
  }
}
