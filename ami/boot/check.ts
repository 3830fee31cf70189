// Whether the programs of a tier would accept an environment: a server that would not start is not worth starting.
import { z } from 'zod'
import type { Launch } from './launch.ts'
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
