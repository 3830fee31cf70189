// Fetches what this server has to know and hands it to its programs: user data, parameters, secrets → an environment
// in memory. What fails is tried again for as long as the group waits for the server; then another one may try.
import path from 'node:path'
import type { BootAws } from './aws.ts'
import { prepareBootTest } from './boot-test/prepare.ts'
import { checkAuthorities, checkEnvironment } from './check.ts'
import { assemble } from './environment.ts'
import { formatEnvironment, writeInMemory } from './environment-file.ts'
import type { Imds } from './imds.ts'
import type { Journal } from './journal.ts'
import { type ImageRecord, isBootTest, type Launch, readImage, readTold } from './launch.ts'
import { type Clock, Hopeless, retry } from './retry.ts'
import { readParameters, readSecrets } from './settings.ts'

/**
 * Milliseconds that are tried. The group's launch hook lasts ten minutes at least (infra/fleet.ts), the machine has
 * needed a part of them to get here, and ending it has to be heard before they are over.
 */
export const PATIENCE_MS = 8 * 60_000

export interface Configuring {
  readonly imds: Imds
  /** Made once the region is known, with what the launch data add to the SDK's own environment. */
  readonly connect: (launch: Launch) => BootAws
  readonly clock: Clock
  readonly journal: Journal
  /** The image's record of itself. */
  readonly imageFile: string
  /** A folder in memory: `environment` goes there, and `launch.json`, what the server was told, for other units. */
  readonly folder: string
  readonly patienceMs: number
}

/** Why a server has no environment, and what is known of it by then. */
export class NotConfigured extends Error {
  override readonly name = 'NotConfigured'
  readonly launch: Launch | undefined
  /** Whether no other try can help. */
  readonly hopeless: boolean

  constructor(message: string, launch: Launch | undefined, hopeless: boolean) {
    super(message)
    this.launch = launch
    this.hopeless = hopeless
  }
}

/** @throws NotConfigured */
export async function configure(of: Configuring): Promise<void> {
  const { clock, journal } = of
  const until = clock.now().getTime() + of.patienceMs
  const trying = () => ({
    clock,
    patienceMs: until - clock.now().getTime(),
    onFailure: (error: Error) => journal.warn(`${error.message} Trying again.`),
  })
  let launch: Launch | undefined
  try {
    const known = await retry(trying(), () => readTold(of.imds))
    if (isBootTest(known)) return await prepareBootTest(of, known)
    launch = known
    const image = await readImage(of.imageFile, known)
    const aws = of.connect(known)
    const names = await retry(trying(), () => once(of, known, image, aws))
    journal.info(
      `The environment of ${known.stage}’s ${known.tier} server, release ${names.release}, is ready: ` +
        `${names.count} variables, ${names.secrets} of them secrets.`,
    )
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const hopeless = error instanceof Hopeless
    const tried = hopeless || of.patienceMs === 0 ? '' : ` Given up after ${of.patienceMs / 1000} s.`
    throw new NotConfigured(`${reason}${tried}`, launch, hopeless)
  }
}

async function once(of: Configuring, launch: Launch, image: ImageRecord, aws: BootAws) {
  const parameters = await readParameters(aws.ssm, launch.parameters)
  const secrets = await readSecrets(aws.secretsmanager, launch.secrets)
  const { variables, unused } = assemble(launch, image, { parameters, secrets })
  for (const name of unused)
    of.journal.warn(`The parameter ${launch.parameters}/${name} is no variable, and is passed over.`)
  checkAuthorities(launch, image, variables)
  await checkEnvironment(launch.tier, variables)
  await writeInMemory(path.join(of.folder, 'launch.json'), `${JSON.stringify(launch)}\n`, 0o644)
  await writeInMemory(path.join(of.folder, 'environment'), formatEnvironment(variables))
  return {
    release: variables.TERRACE_RELEASE,
    count: Object.keys(variables).length,
    secrets: Object.keys(secrets).length,
  }
}
