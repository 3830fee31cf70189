// What this server was told when it was launched, and what its image is.
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
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

const imageSchema = z.object({
  tier: z.enum(['api', 'web']),
  release: z.string().min(1),
  madeAt: z.iso.datetime({ offset: true }),
  /** API images: whose databases its certificate authorities are of (recipe/authorities.ts). */
  databaseRegions: z.array(z.string()).optional(),
})
/** What the bake has written into the image. */
export type ImageRecord = Readonly<z.infer<typeof imageSchema>>

/**
 * Reads the user data. It can't change while the server runs, so what is wrong with it stays wrong.
 * @throws Hopeless naming each field that is missing or wrong; ImdsSilent
 */
export async function readLaunch(imds: Imds): Promise<Launch> {
  const text = await imds.get('user-data')
  if (text === undefined || text.trim() === '')
    throw new Hopeless(
      'This server was launched without user data: its launch template has to bring them (contract/launch.ts), as JSON.',
    )
  return parse(launchSchema, text, 'The user data of this server')
}

/** @throws Hopeless when there is none, or it is of another tier than `launch` wants */
export async function readImage(file: string, launch: Pick<Launch, 'tier'>): Promise<ImageRecord> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Hopeless(`The image’s own record ${file} can not be read (${error.code}): bake it anew.`)
  })
  const image = parse(imageSchema, text, `The image’s own record ${file}`)
  if (image.tier !== launch.tier)
    throw new Hopeless(
      `This is an image of the tier ${image.tier} (release ${image.release}), and the launch template wants ${launch.tier}: ` +
        'it has to name the other image of the set.',
    )
  return image
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
