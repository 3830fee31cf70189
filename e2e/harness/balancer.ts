// An Application Load Balancer as far as its cookies and targets go, by AWS's page "Sticky sessions". What that page leaves
// open is taken as bad as it can be: its own cookies stand before the target's, so that a browser believes the target,
// and every answer takes back the names of AWSALBAPP that it does not use, as answers of both kinds do in the wild.
// Time does not pass here: how long a session lasts is the browser's to say, and AWS's.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Stickiness {
  readonly kind: 'none' | 'lb_cookie' | 'app_cookie'
  /** Of `app_cookie`: the cookie that targets set. */
  readonly cookie?: string
}

export interface Balancer extends AsyncDisposable {
  readonly url: string
  /** What was passed on, in order. */
  readonly passed: { readonly target: string; readonly path: string; readonly status: number }[]
  /** It finishes what it has and gets nothing more. */
  deregister(target: string): void
}

const SLOTS = [0, 1, 2, 3].map((slot) => `AWSALBAPP-${slot}`)

/** @param targets addresses; who has no session goes to them in turn, beginning with the first */
export async function startBalancer(
  targets: readonly string[],
  { kind, cookie = '' }: Stickiness,
): Promise<Balancer> {
  const registered = [...targets]
  const passed: Balancer['passed'] = []
  // Stands for the encryption: nobody else's value means anything here.
  const secret = randomBytes(6).toString('hex')
  let turn = 0

  const stuckTo = (cookies: ReadonlyMap<string, string>): string | undefined => {
    if (kind === 'none' || (kind === 'app_cookie' && !cookies.has(cookie))) return undefined
    const value = cookies.get(kind === 'app_cookie' ? 'AWSALBAPP-0' : 'AWSALB') ?? ''
    return targets.find((target) => value === `${secret}${targets.indexOf(target)}`)
  }

  const server = createServer((incoming, response) => {
    const session = stuckTo(readCookies(incoming))
    const target =
      session !== undefined && registered.includes(session)
        ? session
        : registered[turn++ % Math.max(registered.length, 1)]
    if (target === undefined) return response.writeHead(503).end()
    pass(incoming, response, target, (status, setByTarget) => {
      passed.push({ target, path: incoming.url ?? '', status })
      const value = `${secret}${targets.indexOf(target)}`
      const starts = setByTarget.some((one) => one.startsWith(`${cookie}=`))
      const own =
        kind === 'lb_cookie'
          ? [['AWSALB', value], ['AWSALBCORS', value], ...SLOTS.map((slot) => [slot, '_remove_'])]
          : SLOTS.map((slot, index) => [
              slot,
              index === 0 && (starts || session !== undefined) ? value : '_remove_',
            ])
      return kind === 'none' ? [] : own.map(([name, is]) => `${name}=${is}; Path=/`)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    passed,
    deregister: (target) => {
      registered.splice(registered.indexOf(target), 1)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

function readCookies({ headers }: IncomingMessage): ReadonlyMap<string, string> {
  const pairs = (headers.cookie ?? '').split(/; */).map((pair): [string, string] => {
    const [name = '', ...value] = pair.split('=')
    return [name, value.join('=')]
  })
  return new Map(pairs)
}

function pass(
  incoming: IncomingMessage,
  response: ServerResponse,
  target: string,
  ownCookies: (status: number, setByTarget: readonly string[]) => string[],
): void {
  const upstream = request(new URL(incoming.url ?? '/', target), {
    method: incoming.method,
    headers: {
      ...incoming.headers,
      'x-forwarded-for': incoming.socket.remoteAddress ?? '',
      'x-forwarded-proto': 'http',
    },
  })
  upstream.on('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()))
  upstream.on('response', (answer) => {
    const setByTarget = answer.headers['set-cookie'] ?? []
    const cookies = [...ownCookies(answer.statusCode ?? 502, setByTarget), ...setByTarget]
    const { 'set-cookie': _, ...headers } = answer.headers
    response.writeHead(answer.statusCode ?? 502, {
      ...headers,
      ...(cookies.length > 0 && { 'set-cookie': cookies }),
    })
    answer.pipe(response)
  })
  response.on('close', () => upstream.destroy())
  incoming.pipe(upstream)
}
