// An instance's metadata for tests (IMDSv2): a token first, nothing without one. As a server for programs on this
// machine, or for one connection on stdin and stdout, which is how QEMU hands a guest's connections to a program
// (guestfwd=…-cmd:). What it answers is asked anew each time, so that states can change under it.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { Duplex } from 'node:stream'

export interface Instance {
  readonly id: string
  readonly region: string
  readonly zone: string
  /** Undefined: launched without. */
  readonly userData: string | undefined
  /** `autoscaling/target-lifecycle-state`; undefined outside a group. */
  readonly targetState: string | undefined
  /** Of the instance profile; undefined without one. */
  readonly role: string | undefined
  /** More, by their paths below `/latest/`. */
  readonly more: Readonly<Record<string, string>>
}

export type Fault =
  /** Milliseconds until it answers. */
  | { readonly kind: 'slow'; readonly ms: number }
  | { readonly kind: 'status'; readonly status: number }
  /** The connection is closed without a word. */
  | { readonly kind: 'cut' }

export interface ImdsStubOptions {
  readonly instance: () => Instance
  /** Asked before each answer; `path` as it was asked for. Default: none. */
  readonly fault?: (method: string, path: string) => Fault | undefined
  /** Milliseconds since 1970, for the life of tokens. */
  readonly now?: () => number
  /** Signs tokens; processes that share it know each other's. Default: one of this process. */
  readonly key?: string
}

const MOST_TOKEN_SECONDS = 21_600
const TOKEN = 'x-aws-ec2-metadata-token'

/** The rules, for any server of node:http. */
export function answerAsImds(options: ImdsStubOptions): http.RequestListener {
  const { instance, fault = () => undefined, now = Date.now, key = randomBytes(16).toString('hex') } = options
  const sign = (until: string) => createHmac('sha256', key).update(until).digest('base64url')
  const issue = (seconds: number) => {
    const until = String(now() + seconds * 1000)
    return `${until}.${sign(until)}`
  }
  const isGood = (token: string) => {
    const [until = '', mac = ''] = token.split('.')
    const [given, right] = [Buffer.from(mac), Buffer.from(sign(until))]
    return given.length === right.length && timingSafeEqual(given, right) && now() < Number(until)
  }

  function answer({ method = '', url = '', headers }: http.IncomingMessage): Reply {
    const [, path] = /^\/(?:latest|\d{4}-\d{2}-\d{2})\/(.*?)\/?$/.exec(url) ?? []
    if (path === undefined) return { status: 404 }
    // What has come through a proxy is no process of the instance's own.
    if (headers['x-forwarded-for'] !== undefined) return { status: 403 }
    if (method === 'PUT') {
      if (path !== 'api/token') return { status: 405 }
      const ttl = Number(headers[`${TOKEN}-ttl-seconds`])
      if (!Number.isInteger(ttl) || ttl < 1 || ttl > MOST_TOKEN_SECONDS) return { status: 400 }
      return { status: 200, text: issue(ttl), headers: { [`${TOKEN}-ttl-seconds`]: String(ttl) } }
    }
    if (method !== 'GET' && method !== 'HEAD') return { status: 405 }
    if (!isGood(String(headers[TOKEN] ?? ''))) return { status: 401 }
    const text = read(instance(), path, now())
    return text === undefined ? { status: 404 } : { status: 200, text }
  }

  return (request, response) => {
    request.resume()
    const send = ({ status, text, headers }: Reply) =>
      response.writeHead(status, { 'content-type': 'text/plain', server: 'EC2ws', ...headers }).end(text)
    const met = fault(request.method ?? '', request.url ?? '')
    if (met?.kind === 'cut') request.socket.destroy()
    else if (met?.kind === 'status') send({ status: met.status })
    else if (met?.kind === 'slow') setTimeout(() => send(answer(request)), met.ms).unref()
    else send(answer(request))
  }
}

interface Reply {
  readonly status: number
  readonly text?: string
  readonly headers?: http.OutgoingHttpHeaders
}

function read(instance: Instance, path: string, now: number): string | undefined {
  const { id, region, zone, userData, targetState, role, more } = instance
  const known: Record<string, string | undefined> = {
    'user-data': userData,
    'meta-data/instance-id': id,
    'meta-data/placement/region': region,
    'meta-data/placement/availability-zone': zone,
    'meta-data/autoscaling/target-lifecycle-state': targetState,
    'meta-data/iam/security-credentials': role,
    'dynamic/instance-identity/document': JSON.stringify({ instanceId: id, region, availabilityZone: zone }),
    ...more,
  }
  if (Object.hasOwn(known, path)) return known[path]
  if (role !== undefined && path === `meta-data/iam/security-credentials/${role}`)
    return JSON.stringify({
      Code: 'Success',
      LastUpdated: new Date(now).toISOString(),
      Type: 'AWS-HMAC',
      AccessKeyId: 'ASIAEXAMPLEEXAMPLE00',
      SecretAccessKey: 'example-secret-of-the-stub',
      Token: 'example-token-of-the-stub',
      Expiration: new Date(now + 6 * 3_600_000).toISOString(),
    })
  return undefined
}

export interface ImdsServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string
}

/** @param port 0: a free one */
export async function serveImds(
  options: ImdsStubOptions,
  { host = '127.0.0.1', port = 0 } = {},
): Promise<ImdsServer> {
  const server = http.createServer(answerAsImds(options))
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  const { port: given } = server.address() as AddressInfo
  return {
    endpoint: `http://${host}:${given}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** One connection on stdin and stdout. @returns when it has ended */
export async function serveImdsOnce(
  options: ImdsStubOptions,
  input: NodeJS.ReadableStream = process.stdin,
  output: NodeJS.WritableStream = process.stdout,
): Promise<void> {
  const connection = Duplex.from({ readable: input, writable: output })
  const ended = new Promise<void>((resolve) =>
    connection.once('close', resolve).once('error', () => resolve()),
  )
  http.createServer(answerAsImds(options)).emit('connection', connection)
  await ended
}

/** As a file: what is left out is made up. The key is needed where each connection is a process of its own. */
export type InstanceFile = Partial<Instance> & { readonly key?: string }

/** Reads the file whenever it is asked, so that whoever writes it moves the instance from state to state. */
export function instanceFrom(file: string): { instance: () => Instance; key: string } {
  const parse = (): InstanceFile => JSON.parse(readFileSync(file, 'utf8'))
  const instance = (): Instance => ({
    ...{ id: 'i-0123456789abcdef0', region: 'eu-west-1', zone: 'eu-west-1a' },
    ...{ userData: undefined, targetState: undefined, role: 'terrace', more: {} },
    ...parse(),
  })
  return { instance, key: parse().key ?? file }
}

// node ami/boot/imds-stub.ts FILE [HOST PORT]: without an address, one connection on stdin and stdout.
if (import.meta.main) {
  const [file, host, port] = process.argv.slice(2)
  if (file === undefined) throw new Error('node ami/boot/imds-stub.ts FILE [HOST PORT]')
  if (host === undefined) await serveImdsOnce(instanceFrom(file))
  else
    process.stdout.write(
      `${(await serveImds(instanceFrom(file), { host, port: Number(port ?? 0) })).endpoint}\n`,
    )
}
