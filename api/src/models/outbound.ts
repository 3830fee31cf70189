// The one way out: every request that the API makes to another host by HTTP goes through here.
// A name is resolved once, what it resolves to is checked (ipaddr.js), and the socket goes to that very address:
// nothing that a person types, and no redirect, may reach the instance's metadata or the network behind it.
// Origins that the operator named in MODELS may be on this machine or in a private network; nothing else may.
import dns from 'node:dns'
import net from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, type Dispatcher } from 'undici'

/** Thrown before anything was sent: the address is not one that may be reached. */
export class ForbiddenAddress extends Error {
  readonly code = 'FORBIDDEN_ADDRESS'
}

export interface OutboundRequest {
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

export interface OutboundResponse {
  readonly status: number
  readonly headers: Dispatcher.ResponseData['headers']
  /** Destroy it or read it to its end: it holds a connection. */
  readonly body: Dispatcher.ResponseData['body']
}

export interface Outbound {
  /**
   * Sends a request, following up to three redirects that keep the method (307, 308) and the origin. One that leaves
   * the origin is not followed: it could pick another host that the operator named, and any path there.
   * @throws ForbiddenAddress, or undici's error when the host can't be reached within 5 s
   */
  request(url: string, request: OutboundRequest): Promise<OutboundResponse>
  close(): Promise<void>
}

const CONNECT_TIMEOUT_MS = 5_000
const MAX_REDIRECTS = 3

/** ipaddr.js's names of the ranges. `private` and its like only for what the operator named. */
const PUBLIC: ReadonlySet<string> = new Set(['unicast'])
const NAMED: ReadonlySet<string> = new Set([
  'unicast',
  'loopback',
  'private',
  'uniqueLocal',
  'carrierGradeNat',
])

/** Instance metadata over IPv6 lies in a range that is otherwise private; over IPv4 it is link-local. */
const METADATA_V6 = ipaddr.parseCIDR('fd00:ec2::/32')

/** Whether an address may be connected to. `address` without brackets. */
export function isAllowedAddress(address: string, named: boolean): boolean {
  if (!ipaddr.isValid(address)) return false
  // `process` turns IPv4 addresses dressed as IPv6 (::ffff:169.254.169.254) into what they are.
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv6' && parsed.match(METADATA_V6)) return false
  return (named ? NAMED : PUBLIC).has(parsed.range())
}

/** A lookup that hands out only allowed addresses: the socket connects to what was checked, not to a second answer. */
function checkedLookup(named: boolean): net.LookupFunction {
  return (hostname, options, callback) => {
    dns.lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0)
      const allowed = addresses.filter(({ address }) => isAllowedAddress(address, named))
      const first = allowed[0]
      if (first === undefined) return callback(new ForbiddenAddress(hostname), '', 0)
      if (options.all === true) return callback(null, allowed)
      callback(null, first.address, first.family)
    })
  }
}

/** `namedOrigins`: `http://127.0.0.1:11434` and the like, from the operator's configuration. */
export function createOutbound(namedOrigins: Iterable<string>): Outbound {
  const named = new Set(namedOrigins)
  const agent = (isNamed: boolean) =>
    new Agent({
      connect: { timeout: CONNECT_TIMEOUT_MS, lookup: checkedLookup(isNamed), noDelay: true },
      // How long a model may be silent is the caller's business (it counts tokens, not bytes).
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 30_000,
    })
  const agents = { named: agent(true), public: agent(false) }

  async function send(url: URL, request: OutboundRequest): Promise<OutboundResponse> {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new ForbiddenAddress(url.protocol)
    const isNamed = named.has(url.origin)
    const host = url.hostname.replace(/^\[|\]$/g, '')
    // A literal address is connected to without a lookup.
    if (net.isIP(host) !== 0 && !isAllowedAddress(host, isNamed)) throw new ForbiddenAddress(host)
    const { statusCode, headers, body } = await (isNamed ? agents.named : agents.public).request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: { ...request.headers },
      body: request.body ?? null,
      signal: request.signal ?? null,
    })
    return { status: statusCode, headers, body }
  }

  return {
    async request(address, request) {
      let url = new URL(address)
      for (let redirects = 0; ; redirects++) {
        const response = await send(url, request)
        const location = response.headers.location
        const redirected = response.status === 307 || response.status === 308
        if (!redirected || typeof location !== 'string' || redirects === MAX_REDIRECTS) return response
        await response.body.dump()
        const next = new URL(location, url)
        if (next.origin !== url.origin) throw new ForbiddenAddress(`a redirect to ${next.origin}`)
        url = next
      }
    },
    async close() {
      await Promise.all([agents.named.destroy(), agents.public.destroy()])
    },
  }
}
