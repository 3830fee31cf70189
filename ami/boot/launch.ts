// What this server was told when it was launched, and what its image is.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { BOOT_CHECKS, type BootTestData } from '../../contract/boot-test.ts'
import type { LaunchData } from '../../contract/launch.ts'
import type { Imds } from './imds.ts'
import { Hopeless } from './retry.ts'

/** Everything of contract/launch.ts that says something to a server. */
export type Launch = Omit<LaunchData, 'fingerprint'>

/** As programs may name variables (POSIX), and as systemd accepts them. */
export const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/
const variable = z.string().regex(VARIABLE, 'is not a name for a variable')

// Fields that a newer stack adds are passed over.
const launchSchema = z.object({
  stage: z.string().min(1),
  tier: z.enum(['api', 'web']),
  region: z.string().regex(/^[a-z]{2}(-[a-z]+)+-\d+$/, 'is not a region'),
  parameters: z
    .string()
    .regex(/^(\/[A-Za-z0-9_.-]+)+$/, 'is not a path in the Parameter Store (/terrace/STAGE/TIER)'),
  secrets: z.record(variable, z.string().regex(/^arn:[^\s]+$/, 'is not an ARN')),
  logGroup: z.string().min(1),
  environment: z.record(variable, z.string()),
  hooks: z.object({ launch: z.string().min(1), terminate: z.string().min(1) }),
  inServiceAfter: z.number().min(0).max(3_600),
})

const bootTestSchema = z.object({
  bootTest: z.object({
    tier: z.enum(['api', 'web']),
    release: z.string().min(1),
    id: z.string().min(1),
    volumeGiB: z.number().positive(),
    checks: z.array(z.enum([...BOOT_CHECKS.api, ...BOOT_CHECKS.web])),
  }),
})

const imageSchema = z.object({
  tier: z.enum(['api', 'web']),
  release: z.string().min(1),
  madeAt: z.iso.datetime({ offset: true }),
  /** API images: whose databases its certificate authorities are of (recipe/authorities.ts). */
  databaseRegions: z.array(z.string()).optional(),
})
/** What the bake has written into the image. */
export type ImageRecord = Readonly<z.infer<typeof imageSchema>>

export type Told = Launch | BootTestData
export const isBootTest = (told: Told): told is BootTestData => 'bootTest' in told

/**
 * Reads the user data. They can't change while the server runs, so what is wrong with them stays wrong.
 * @throws Hopeless naming each field that is missing or wrong; ImdsSilent
 */
export async function readTold(imds: Imds): Promise<Told> {
  const text = await imds.get('user-data')
  if (text === undefined || text.trim() === '')
    throw new Hopeless(
      'This server was launched without user data: its launch template has to bring them (contract/launch.ts), as JSON.',
    )
  const what = 'The user data of this server'
  return hasBootTest(text) ? parse(bootTestSchema, text, what) : parse(launchSchema, text, what)
}

function hasBootTest(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'bootTest' in value
  } catch {
    // said by whoever parses it
    return false
  }
}

/** @throws Hopeless like readTold, and for a machine that only tests its image; ImdsSilent */
export async function readLaunch(imds: Imds): Promise<Launch> {
  const told = await readTold(imds)
  if (!isBootTest(told)) return told
  throw new Hopeless('This machine was launched to test its image, and is no server.')
}

/** @throws Hopeless when there is none, or it is of another tier than `launch` wants */
export async function readImage(file: string, launch: Pick<Launch, 'tier'>): Promise<ImageRecord> {
  const image = await readOwnRecord(file)
  if (image.tier !== launch.tier)
    throw new Hopeless(
      `This is an image of the tier ${image.tier} (release ${image.release}), and the launch template wants ${launch.tier}: ` +
        'it has to name the other image of the set.',
    )
  return image
}

/** @throws Hopeless when there is none */
export async function readOwnRecord(file: string): Promise<ImageRecord> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Hopeless(`The image’s own record ${file} can not be read (${error.code}): bake it anew.`)
  })
  return parse(imageSchema, text, `The image’s own record ${file}`)
}

function parse<T>(schema: z.ZodType<T>, text: string, what: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Hopeless(`${what} can not be used: it is no JSON.`)
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const wrong = result.error.issues.map(
    (issue) => `${issue.path.join('.') || 'all of it'}: ${issue.message.toLowerCase()}`,
  )
  throw new Hopeless(`${what} can not be used: ${wrong.join('; ')}.`)
}
