// A real API server on a free port of a test's own, and people signed in to it:
//
//   await using db = await testDatabase()
//   await using server = await testServer(db, { services: { blobs } })   // or { whole: true }: every room, as main.ts starts them
//   const owner = await server.person({ role: 'owner' })
//   await owner.api.people.me.query()
//
// Without `whole` only sessions and the database are there; a service that was not passed in throws when it is used.
import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createTRPCClient, httpLink, type TRPCClient } from '@trpc/client'
import superjson from 'superjson'
import { API_PATHS } from '../../contract/ports.ts'
import type { InstallationRole } from '../../contract/stages.ts'
import type { Viewer } from '../src/access/port.ts'
import { Rewriter } from '../src/chat/rewrite.ts'
import type { Config } from '../src/config.ts'
import { createPrisma } from '../src/database/prisma.ts'
import { createServer } from '../src/http/server.ts'
import type { IndexStatus } from '../src/index/port.ts'
import { createLog } from '../src/log.ts'
import { NO_METRICS } from '../src/metrics/metrics.ts'
import { createAuth, sessionCookieName } from '../src/people/auth.ts'
import { sessionEnded } from '../src/people/revoke.ts'
import { createSessions } from '../src/people/sessions.ts'
import type { AppRouter } from '../src/routers/router.ts'
import type { Services } from '../src/services.ts'
import { createUsage } from '../src/usage/usage.ts'
import type { TestDatabase } from './database.ts'
import { testEmbedders } from './embedders.ts'

export interface Person {
  readonly viewer: Viewer
  /** Value of the Cookie header. */
  readonly cookie: string
  /** Typed calls to the server's procedures, as this person. */
  readonly api: TRPCClient<AppRouter>
  /** Plain requests with this person's cookie and the right Origin. `path` begins with a slash. */
  fetch(path: string, init?: RequestInit): Promise<Response>
  /** Server-sent events of a subscription; leaving the loop unsubscribes. */
  subscribe(
    procedure: string,
    input: unknown,
    options?: { lastEventId?: string; signal?: AbortSignal },
  ): AsyncGenerator<ServerEvent>
}

export interface ServerEvent {
  /** `message` for what the procedure yields, else tRPC's own: connected, ping, return, serialized-error. */
  readonly event: string
  readonly id: string | undefined
  /** Already through superjson for `message`. */
  readonly data: unknown
}

export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly config: Config
  readonly services: Services
  /** A folder of this server's own, removed with it. */
  readonly home: string
  /** A new account with a session; no password unless `signIn` needs one: use people.acceptInvitation for that. */
  person(who?: { name?: string; email?: string; role?: InstallationRole }): Promise<Person>
  /** Nobody signed in. */
  readonly anonymous: Pick<Person, 'api' | 'fetch'>
}

export interface TestServerOptions {
  /** Every room is started, as main.ts does. */
  readonly whole?: boolean
  readonly services?: Partial<Services>
  readonly env?: Record<string, string>
  /** Told every line of a whole server's log. Default: they go to stdout. */
  readonly onLine?: (line: string) => void
}

export async function testServer(db: TestDatabase, options: TestServerOptions = {}): Promise<TestServer> {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-api-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const config = db.config(home, options.env)
  const services = options.whole
    ? await everything(config, stack, options.onLine)
    : people(config, db, options.services ?? {}, stack)
  const server = await createServer(services)
  stack.defer(() => server.close(1_000))
  const url = await server.fastify.listen({ host: '127.0.0.1', port: 0 })
  const started = stack.move()
  return {
    url,
    config,
    services,
    home,
    anonymous: client(url, config, undefined),
    person: (who) => person(url, config, db, who ?? {}),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function everything(
  config: Config,
  stack: AsyncDisposableStack,
  onLine: TestServerOptions['onLine'],
): Promise<Services> {
  const { startServices } = await import('../src/services.ts')
  const log = createLog(config, 'api', onLine === undefined ? undefined : { write: onLine })
  const running = await startServices(config, log)
  stack.defer(() => running[Symbol.asyncDispose]())
  return running.services
}

function people(
  config: Config,
  db: TestDatabase,
  given: Partial<Services>,
  stack: AsyncDisposableStack,
): Services {
  const log = createLog(config, 'api')
  const prisma = createPrisma(db.pool)
  stack.defer(() => prisma.$disconnect())
  const sessions = createSessions(config, db.pool)
  const onSessionEnded = (userId: string) => sessionEnded(db.pool, sessions, userId)
  const auth = createAuth({ config, prisma, log, onSessionEnded })
  return {
    ...{ config, log, pool: db.pool, prisma, auth, sessions },
    embedders: given.embedders ?? testEmbedders(),
    replica: given.replica ?? null,
    reranking: given.reranking ?? null,
    rewriter: given.rewriter ?? new Rewriter(log),
    metrics: given.metrics ?? NO_METRICS,
    usage: given.usage ?? createUsage({ pool: db.pool, log, budget: config.budget }),
    blobs: given.blobs ?? absent('blobs'),
    // Its status is part of every reply.
    index: given.index ?? absent('index', { status: () => NOT_LOADED }),
    jobs: given.jobs ?? absent('jobs'),
    models: given.models ?? absent('models'),
    answers: given.answers ?? absent('answers'),
    events: given.events ?? absent('events'),
    ...given,
  }
}

const NOT_LOADED: IndexStatus = {
  ...{
    ready: false,
    position: null,
    behindMs: null,
    stalledMs: null,
    passages: 0,
    vectors: 0,
    generation: null,
    engine: 'none',
  },
}

function absent<T extends object>(name: string, there: object = {}): T {
  return new Proxy({} as T, {
    get(_, property) {
      const known: unknown = Reflect.get(there, property)
      if (known !== undefined) return known
      throw new Error(`this test server has no ${name} (.${String(property)}): pass it in, or start it whole`)
    },
  })
}

export async function person(
  url: string,
  config: Config,
  db: TestDatabase,
  who: { name?: string; email?: string; role?: InstallationRole },
): Promise<Person> {
  const id = randomBytes(12).toString('hex')
  const viewer: Viewer = {
    userId: `user-${id}`,
    sessionId: `session-${id}`,
    name: who.name ?? `Person ${id.slice(0, 4)}`,
    email: who.email ?? `${id}@example.org`,
    role: who.role ?? 'member',
  }
  await db.pool.query(
    `INSERT INTO users (id, name, email, email_verified, role) VALUES ($1, $2, $3, true, $4)`,
    [viewer.userId, viewer.name, viewer.email, viewer.role],
  )
  const token = randomBytes(24).toString('base64url')
  await db.pool.query(
    `INSERT INTO sessions (id, expires_at, token, user_id, updated_at)
     VALUES ($1, now() + interval '7 days', $2, $3, now())`,
    [viewer.sessionId, token, viewer.userId],
  )
  return { viewer, ...client(url, config, sessionCookie(config, token)) }
}

/** The cookie that better-auth would set for a session's token. */
export function sessionCookie(config: Config, token: string): string {
  const signature = createHmac('sha256', config.authSecret).update(token).digest('base64')
  return `${sessionCookieName(config)}=${encodeURIComponent(`${token}.${signature}`)}`
}

export function client(url: string, config: Config, cookie: string | undefined): Omit<Person, 'viewer'> {
  const headers: Record<string, string> = { origin: new URL(config.publicUrl).origin }
  if (cookie !== undefined) headers.cookie = cookie
  return {
    cookie: cookie ?? '',
    api: createTRPCClient<AppRouter>({
      links: [httpLink({ url: url + API_PATHS.trpc, transformer: superjson, headers })],
    }),
    fetch: (at, init) => fetch(url + at, { ...init, headers: { ...headers, ...plain(init?.headers) } }),
    async *subscribe(procedure, input, { lastEventId, signal } = {}) {
      const query = new URLSearchParams(
        input === undefined ? {} : { input: JSON.stringify(superjson.serialize(input)) },
      )
      const abort = new AbortController()
      const response = await fetch(`${url}${API_PATHS.trpc}/${procedure}?${query}`, {
        headers: {
          ...headers,
          accept: 'text/event-stream',
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
        signal: signal === undefined ? abort.signal : AbortSignal.any([signal, abort.signal]),
      })
      try {
        if (response.body === null) throw new Error(`no stream: ${response.status}`)
        yield* events(response.body)
      } finally {
        abort.abort()
      }
    },
  }
}

function plain(headers: RequestInit['headers']): Record<string, string> {
  return headers === undefined ? {} : Object.fromEntries(new Headers(headers))
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    rest += decoder.decode(chunk, { stream: true })
    for (let end = rest.indexOf('\n\n'); end !== -1; end = rest.indexOf('\n\n')) {
      const fields = new Map(
        rest
          .slice(0, end)
          .split('\n')
          .map((line): [string, string] => {
            const colon = line.indexOf(':')
            return [line.slice(0, colon), line.slice(colon + 1).trimStart()]
          }),
      )
      rest = rest.slice(end + 2)
      const event = fields.get('event') ?? 'message'
      const data: unknown = fields.get('data') ? JSON.parse(fields.get('data') ?? '') : undefined
      yield {
        event,
        id: fields.get('id'),
        data: event === 'message' ? superjson.deserialize(data as never) : data,
      }
    }
  }
}
