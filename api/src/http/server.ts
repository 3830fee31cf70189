// The API server: tRPC, sign-in, files, the doors for programs, and health on one port. Everything that leaves it carries the request's id;
// what failed leaves as a code and a sentence.
import { randomUUID } from 'node:crypto'
import { TRPCError } from '@trpc/server'
import { type FastifyTRPCPluginOptions, fastifyTRPCPlugin } from '@trpc/server/adapters/fastify'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { LIMITS } from '../../../contract/limits.ts'
import { API_PATHS, SECONDS } from '../../../contract/ports.ts'
import { formatPosition, POSITION_HEADER, parsePosition } from '../../../contract/position.ts'
import { createReads, type Reads } from '../database/reads.ts'
import { registerDoors } from '../doors/doors.ts'
import { AppError } from '../errors.ts'
import { type AppRouter, appRouter } from '../routers/router.ts'
import { assertEveryProcedureHasAccess, type Context, failureOf } from '../routers/trpc.ts'
import type { Services } from '../services.ts'
import { clientAddress } from './address.ts'
import { registerAuth } from './auth.ts'
import { trackConnections } from './connections.ts'
import { refusalOf, toAppError } from './failure.ts'
import { registerFiles } from './files.ts'
import { createLimits } from './limits.ts'
import { OpenStreams } from './open-streams.ts'
import { originCheck } from './origin.ts'
import { createReadiness, type ReadinessCheck } from './readiness.ts'
import { seenNow } from './seen.ts'
import { registerSubscriptions } from './subscriptions.ts'
import { createFindViewer, createRequireViewer } from './viewer.ts'

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'OPTIONS'])

/** Procedures that one batched request may carry. */
const BATCH_SIZE = 30

export interface ApiServer {
  readonly fastify: FastifyInstance
  readonly readiness: ReadinessCheck
  /** Unready, open streams are ended so that browsers come back elsewhere, then requests under way are waited for. */
  close(graceMs: number): Promise<void>
}

export async function createServer(services: Services): Promise<ApiServer> {
  assertEveryProcedureHasAccess(appRouter)
  const { config, log } = services
  const limits = createLimits(services.pool)
  const readiness = createReadiness(services)
  const findViewer = createFindViewer(services.sessions)
  const requireViewer = createRequireViewer(findViewer)
  const addressOf = (request: FastifyRequest) =>
    clientAddress(
      request.headers['x-forwarded-for'],
      request.socket.remoteAddress ?? '',
      config.trustedProxyHops,
    )

  const fastify = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: LIMITS.requestBytes,
    keepAliveTimeout: SECONDS.keepAlive * 1000,
    // A socket on which nothing moves; streams are pinged far more often.
    connectionTimeout: SECONDS.keepAlive * 1000,
    routerOptions: { maxParamLength: 5_000 },
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => void answerFailure(services, request, reply, error),
  })
  const connections = trackConnections(fastify.server)
  const check = originCheck(config)

  fastify.addHook('onRequest', async (request, reply) => {
    reply.headers({
      'x-request-id': request.id,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    })
    // What a client of MCP ends its session with: it is told that there are none.
    const ending = request.method === 'DELETE' && request.routeOptions.url === API_PATHS.mcp
    if (!METHODS.has(request.method) && !ending)
      throw new AppError('INVALID_INPUT', { reason: 'no such method' })
    check(request)
  })
  fastify.addHook('onResponse', async (request, reply) => {
    const health = request.url === API_PATHS.healthz || request.url === API_PATHS.readyz
    // Without the query: it carries what people search for.
    log[health ? 'debug' : 'info'](
      {
        requestId: request.id,
        method: request.method,
        path: request.url.split('?', 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
      },
      'request',
    )
  })
  fastify.setNotFoundHandler((request, reply) =>
    answerFailure(services, request, reply, new AppError('NOT_FOUND')),
  )
  fastify.setErrorHandler((error, request, reply) => answerFailure(services, request, reply, error))

  fastify.get(API_PATHS.healthz, async () => ({ alive: true, release: config.release }))
  fastify.get(API_PATHS.readyz, async (_request, reply) => {
    const result = await readiness.check()
    return reply.code(result.ready ? 200 : 503).send(result)
  })
  registerAuth(fastify, { services, limits, addressOf })
  registerFiles(fastify, services, async (request) => {
    const viewer = await requireViewer(request)
    const type = request.method === 'PUT' ? 'mutation' : 'query'
    await limits.procedure('files', type, { viewer, address: addressOf(request) })
    return viewer
  })
  registerDoors(fastify, { services, limits, addressOf })

  const createContext = async (request: FastifyRequest, reply: FastifyReply): Promise<Context> => {
    const seen = parsePosition(request.headers[POSITION_HEADER]) ?? undefined
    const context = {
      services,
      limits,
      requestId: request.id,
      headers: request.headers,
      seen,
      reads: createReads(services.pool, services.replica, seen),
      clientAddress: addressOf(request),
    }
    try {
      const viewer = await findViewer(request, reply)
      return { ...context, viewer, log: log.child({ requestId: request.id, person: viewer?.userId }) }
    } catch (error) {
      log.error({ requestId: request.id, err: error }, 'the session could not be looked up')
      const sessionError = toAppError(error, request.id)
      return { ...context, viewer: null, sessionError, log: log.child({ requestId: request.id }) }
    }
  }
  const seenHeader = (reads: Reads): Record<string, string> => {
    const seen = seenNow(services.index, reads)
    return seen === null ? {} : { [POSITION_HEADER]: formatPosition(seen) }
  }
  // An upload has written, and the next list has to show it.
  fastify.addHook('onSend', async (request, reply) => {
    const uploaded = request.method === 'PUT' && request.routeOptions.url === API_PATHS.files
    if (!uploaded || reply.statusCode >= 300) return
    const reads = createReads(services.pool, services.replica, undefined)
    await reads.sawPrimary()
    reply.headers(seenHeader(reads))
  })
  const onError = (failed: { error: TRPCError; path: string | undefined; ctx: Context | undefined }) => {
    const failure = failureOf(failed.error, failed.ctx?.requestId ?? '')
    const about = { requestId: failed.ctx?.requestId, procedure: failed.path, code: failure.code }
    const cause = failure.code === 'INTERNAL' ? (failed.error.cause ?? failed.error) : failure
    if (failure.status >= 500) log.error({ ...about, err: cause }, 'failed')
    else if (failure.internal !== undefined) log.warn({ ...about, err: cause }, 'refused')
  }
  const streams = new OpenStreams()
  services.metrics.gauge(() => ({ OpenStreams: streams.count }))
  const deaf = services.sessions.onDrop((userId) => streams.end(userId))
  fastify.addHook('onClose', async () => deaf())
  registerSubscriptions(fastify, {
    router: appRouter,
    prefix: API_PATHS.trpc,
    createContext,
    // Without a viewer there is nothing to count: the procedure refuses.
    admit: ({ viewer }, stream) => (viewer === null ? () => {} : streams.admit(viewer.userId, stream)),
    onError,
  })
  await fastify.register(fastifyTRPCPlugin, {
    prefix: API_PATHS.trpc,
    trpcOptions: {
      router: appRouter,
      maxBatchSize: BATCH_SIZE,
      createContext: ({ req, res }) => createContext(req, res),
      responseMeta: ({ ctx, type, errors }) => {
        // How much goes on here is nothing to a stranger. Who has just accepted an invitation is none any more.
        const told = ctx != null && (ctx.viewer !== null || (type === 'mutation' && errors.length === 0))
        return told ? { headers: seenHeader(ctx.reads) } : {}
      },
      onError,
    } satisfies FastifyTRPCPluginOptions<AppRouter>['trpcOptions'],
  })

  return {
    fastify,
    readiness,
    async close(graceMs) {
      readiness.drain()
      const force = setTimeout(() => fastify.server.closeAllConnections(), graceMs)
      const closed = fastify.close()
      connections.closeQuiet()
      await closed
      clearTimeout(force)
    },
  }
}

async function answerFailure(
  { log }: Services,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
): Promise<FastifyReply> {
  const failure =
    thrown instanceof TRPCError
      ? failureOf(thrown, request.id)
      : (refusalOf(thrown, LIMITS.requestBytes) ?? toAppError(thrown, request.id))
  if (failure.status >= 500 || failure.internal !== undefined)
    log.error({ requestId: request.id, code: failure.code, err: failure.cause ?? failure }, 'failed')
  if (failure.code === 'TOO_MANY_REQUESTS') reply.header('retry-after', String(failure.detail.seconds ?? 1))
  return reply.code(failure.status).send({ ...failure.toJSON(), requestId: request.id })
}
