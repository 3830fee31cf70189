// Two load balancers keep a browser with one server by cookies: the external one with a web server, so that a page finds its
// files during a roll, the internal one with an API server. Both kinds pass through here, and each balancer must only
// meet its own: AWS reserves the same names at both, and either may take back what it did not set.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { STAY_COOKIE } from '../../contract/ports.ts'
import { phase } from './lifecycle.ts'

/** What the external balancer writes beside our cookie is called AWSALBAPP-0 and so on. */
const isExternal = (name: string): boolean => name === STAY_COOKIE.name || name.startsWith('AWSALBAPP')
const nameOf = (pair: string): string => (pair.split('=', 1)[0] ?? '').trim()

/**
 * The Cookie header without what is between the browser and the external balancer.
 * @returns undefined when nothing is left: an empty header would make a script look like a browser
 */
export function cookiesForApi(header: string | undefined): string | undefined {
  if (header === undefined) return undefined
  const kept = header
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !isExternal(nameOf(pair)))
  return kept.length > 0 ? kept.join('; ') : undefined
}

/** The API's Set-Cookie headers without what only this server and the external balancer may say. */
export function cookiesFromApi(setCookies: readonly string[]): string[] {
  return setCookies.filter((one) => !isExternal(nameOf(one)))
}

/**
 * Has the browser that gets this page come back to this server, or, from a server that is stopping or could not draw the
 * page, to any. Without a proxy of ours in front there is nobody to go by it, and nothing is set.
 *
 * @param hops how many proxies of ours stand in front of this server
 */
export function keepBrowser(request: IncomingMessage, response: ServerResponse, hops: number): void {
  if (hops === 0) return
  const keeps = phase() !== 'stopping' && response.statusCode < 500
  // The load balancer overwrites what a client says here.
  const isSecure = request.headers['x-forwarded-proto'] === 'https'
  const attributes = `Path=/; Max-Age=${keeps ? STAY_COOKIE.seconds : 0}; HttpOnly; SameSite=Lax`
  response.appendHeader('set-cookie', `${STAY_COOKIE.name}=1; ${attributes}${isSecure ? '; Secure' : ''}`)
}
