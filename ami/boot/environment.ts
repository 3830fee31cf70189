// The environment of a tier's programs, put together from where its parts lie (contract/launch.ts).
import { z } from 'zod'
import { type ImageRecord, type Launch, VARIABLE } from './launch.ts'
import type { Values } from './settings.ts'

export interface Assembled {
  readonly variables: Values
  /** Of parameters that are no variable: they are passed over. */
  readonly unused: readonly string[]
}

/** The parameter that the stack writes; every other one is of the operator. */
const DOCUMENT = 'environment'
const ADDRESSES = ['DATABASE_URL', 'DATABASE_REPLICA_URL'] as const

const documentSchema = z.record(z.string().regex(VARIABLE), z.string())
const accountSchema = z.object({ username: z.string().min(1), password: z.string().min(1) })

/**
 * From what counts least to what counts most: what the image says of itself, the stack's document, what the launch
 * template adds of the image, secrets, parameters of the operator. An empty value counts as not set, as everywhere.
 * @throws Error naming what is missing or wrong, without its value
 */
export function assemble(
  launch: Launch,
  image: ImageRecord,
  { parameters, secrets }: { readonly parameters: Values; readonly secrets: Values },
): Assembled {
  const { [DOCUMENT]: document, ...operators } = parameters
  const own = Object.entries(operators).filter(([name]) => VARIABLE.test(name))
  const unused = Object.keys(operators).filter((name) => !VARIABLE.test(name))
  const { DATABASE_URL: account, ...texts } = secrets
  const variables: Record<string, string> = {
    TERRACE_RELEASE: image.release,
    TERRACE_IMAGE_MADE_AT: image.madeAt,
    ...parseDocument(document, `${launch.parameters}/${DOCUMENT}`),
    ...launch.environment,
    ...texts,
  }
  if (account !== undefined) Object.assign(variables, signedIn(variables, account))
  return { variables: { ...variables, ...Object.fromEntries(own) }, unused: unused.sort() }
}

function parseDocument(text: string | undefined, name: string): Values {
  if (text === undefined)
    throw new Error(`There is no parameter ${name}: the stack makes it, and this server can’t do without.`)
  const result = documentSchema.safeParse(parseJson(text))
  if (!result.success) throw new Error(`The parameter ${name} is no JSON object of variables and texts.`)
  return result.data
}

/** The addresses of the database, with who signs in there. A replica whose address names somebody keeps them. */
function signedIn(variables: Values, secret: string): Values {
  const result = accountSchema.safeParse(parseJson(secret))
  if (!result.success)
    throw new Error('The secret of DATABASE_URL is no JSON with `username` and `password`, both not empty.')
  const found: Record<string, string> = {}
  for (const name of ADDRESSES) {
    const address = variables[name]
    if (address === undefined || address === '') continue
    const url = URL.canParse(address) ? new URL(address) : undefined
    if (url === undefined || url.hostname === '')
      throw new Error(`${name} is no address, so nobody can be put into it.`)
    if (name === 'DATABASE_REPLICA_URL' && url.username !== '') continue
    // Encoded here: a URL's own setters leave the percent sign as it is.
    url.username = encodeURIComponent(result.data.username)
    url.password = encodeURIComponent(result.data.password)
    found[name] = url.href
  }
  if (found.DATABASE_URL === undefined)
    throw new Error('There is a secret for DATABASE_URL, and no DATABASE_URL to put it into.')
  return found
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
