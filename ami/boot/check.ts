// Whether the programs of a tier would accept an environment: a server that would not start is not worth starting.
import { z } from 'zod'
import { DATABASE_CA_FILE } from '../../contract/launch.ts'
import type { ImageRecord, Launch } from './launch.ts'
import { Hopeless } from './retry.ts'
import type { Values } from './settings.ts'

const port = z.coerce.number().int().min(1).max(65_535)

/** What web/lib/env.ts reads; its file is bundled into the web server, and does not lie in the image. */
const webSchema = z.object({
  API_URL: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }),
  PORT: port.optional(),
  TRUSTED_PROXY_HOPS: z.coerce.number().int().min(0).max(10).optional(),
  NEXT_PUBLIC_LLAMMA_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http or https address' })
    .optional(),
})

/** @throws Error naming every variable that is missing or wrong, without its value */
export async function checkEnvironment(tier: Launch['tier'], variables: Values): Promise<void> {
  if (tier === 'api') {
    // Only its own image has the API.
    const { parseConfig } = await import('../../api/src/config.ts')
    parseConfig(variables)
    if (!/^postgres(ql)?:\/\/[^/]/.test(variables.DATABASE_URL ?? ''))
      throw new Error('The environment is not complete:\n  DATABASE_URL: must be postgresql://…')
    return
  }
  const given = Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''))
  const result = webSchema.safeParse(given)
  if (result.success) return
  const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new Error(`The environment is not complete:\n${lines.join('\n')}`)
}

/**
 * An API server whose image has no authorities of its region would not trust its database, and wait for it in vain.
 * An operator's own DATABASE_CA is taken as it is.
 * @throws Hopeless naming the region
 */
export function checkAuthorities(
  { region, parameters }: Pick<Launch, 'region' | 'parameters'>,
  { databaseRegions, release }: ImageRecord,
  variables: Values,
): void {
  if (variables.DATABASE_CA !== DATABASE_CA_FILE || databaseRegions === undefined) return
  if (databaseRegions.includes(region)) return
  throw new Hopeless(
    `This image (release ${release}) has no certificate authorities of RDS in ${region}, so its servers would trust no database ` +
      `there: put the one that the database’s certificate is of into the parameter ${parameters}/DATABASE_CA (PEM), or bake an ` +
      'image that has them.',
  )
}
