// People for the tests: an owner made through the set-up link, and sessions, through the page's own address.
import superjson from 'superjson'
import type { RunningTerrace } from './terrace.ts'

export const OWNER = {
  name: 'Olive Owner',
  email: 'olive@example.test',
  password: 'a long enough password',
} as const

/** A session: calls procedures as this person, with the page's origin, as its script does. */
export interface Session {
  readonly cookie: string
  /** The same, for a browser's context. */
  readonly cookies: readonly { readonly name: string; readonly value: string; readonly url: string }[]
  query<T>(procedure: string, input?: unknown): Promise<T>
  mutate<T>(procedure: string, input?: unknown): Promise<T>
  fetch(path: string, init?: RequestInit): Promise<Response>
}

/** Where it is, and what makes its owner. */
type Address = Pick<RunningTerrace, 'url' | 'setupToken'>

export async function createOwner(terrace: Address): Promise<Session> {
  const guest = session(terrace, '')
  await guest.mutate('setup.createOwner', { token: terrace.setupToken, ...OWNER })
  return signIn(terrace, OWNER)
}

export async function signIn(
  terrace: Pick<Address, 'url'>,
  person: { readonly email: string; readonly password: string },
): Promise<Session> {
  const response = await fetch(`${terrace.url}/api/auth/sign-in/email`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: terrace.url },
    body: JSON.stringify({ email: person.email, password: person.password }),
  })
  if (!response.ok) throw new Error(`sign-in answered ${response.status}: ${await response.text()}`)
  const cookie = response.headers
    .getSetCookie()
    .map((value) => value.split(';')[0])
    .join('; ')
  return session(terrace, cookie)
}

function session(terrace: Pick<Address, 'url'>, cookie: string): Session {
  const send = (path: string, init: RequestInit = {}) =>
    fetch(`${terrace.url}${path}`, {
      ...init,
      headers: { origin: terrace.url, ...(cookie ? { cookie } : {}), ...init.headers },
    })
  const result = async <T>(procedure: string, response: Response): Promise<T> => {
    const body = (await response.json()) as { result?: { data: never }; error?: unknown }
    if (!body.result)
      throw new Error(`${procedure} answered ${response.status}: ${JSON.stringify(body.error)}`)
    return superjson.deserialize<T>(body.result.data)
  }
  const pairs = cookie.split('; ').filter((pair) => pair !== '')
  return {
    cookie,
    cookies: pairs.map((pair) => {
      const at = pair.indexOf('=')
      return { name: pair.slice(0, at), value: pair.slice(at + 1), url: terrace.url }
    }),
    fetch: send,
    async query<T>(procedure: string, input?: unknown) {
      const query = encodeURIComponent(JSON.stringify(superjson.serialize(input)))
      return result<T>(procedure, await send(`/api/trpc/${procedure}?input=${query}`))
    },
    async mutate<T>(procedure: string, input?: unknown) {
      const response = await send(`/api/trpc/${procedure}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(superjson.serialize(input)),
      })
      return result<T>(procedure, response)
    },
  }
}
