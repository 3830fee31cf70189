// The ground of every procedure: its context, its access rule, the shape of its errors.
// `.meta({ access })` is not a note but the rule itself: a procedure without one answers nobody (deny by default),
// and the authorisation matrix (access/matrix.test.ts) is generated from it.
import { type AnyTRPCRouter, initTRPC, TRPCError } from '@trpc/server'
import { TRPC_ERROR_CODES_BY_KEY } from '@trpc/server/rpc'
import type { Logger } from 'pino'
import superjson from 'superjson'
import { z } from 'zod'
import { SECONDS } from '../../../contract/ports.ts'
import type { Seen } from '../../../contract/position.ts'
import type { CollectionRole } from '../../../contract/stages.ts'
import type { Viewer } from '../access/port.ts'
import type { Reads } from '../database/reads.ts'
import { AppError } from '../errors.ts'
import { invalidInput, toAppError } from '../http/failure.ts'
import type { Limits } from '../http/limits.ts'
import type { Services } from '../services.ts'

/**
 * Who may call a procedure. `collection`, `document` and `chat` need a session here; the role in the one resource
 * is checked by the inner room that the procedure calls (access/collections.ts).
 */
export type Access =
  | 'anyone'
  | 'signed-in'
  | 'installation-owner'
  | { readonly collection: CollectionRole }
  | { readonly document: CollectionRole }
  | { readonly chat: 'owner' }

export interface Meta {
  readonly access: Access
  /** The input's field that names the resource, e.g. `collectionId`. */
  readonly resource?: string
}

export interface Context {
  readonly services: Services
  /** Null without a session. */
  readonly viewer: Viewer | null
  /** Why the session could not be looked up (the database is away): no procedure runs then. */
  readonly sessionError?: AppError | undefined
  readonly requestId: string
  /** Carries the request's and the person's id. */
  readonly log: Logger
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** How far this client has seen the index's log, as it says itself. */
  readonly seen: Seen | undefined
  /** What this request has seen of the database; `read` may go to the replica. */
  readonly reads: Reads
  readonly limits: Limits
  /** As far as our own proxies vouch for it. */
  readonly clientAddress: string
}

const t = initTRPC
  .context<Context>()
  .meta<Meta>()
  .create({
    transformer: superjson,
    isDev: false,
    sse: {
      ping: { enabled: true, intervalMs: SECONDS.streamPing * 1000 },
      client: { reconnectAfterInactivityMs: SECONDS.streamReconnect * 1000 },
    },
    errorFormatter({ shape, error, ctx }) {
      const requestId = ctx?.requestId ?? ''
      const failure = failureOf(error, requestId)
      const trpcCode = TRPC_CODES[failure.status] ?? (failure.status < 500 ? 'BAD_REQUEST' : 'BAD_GATEWAY')
      return {
        ...shape,
        // The subscription link reconnects for ever on 5xx codes: a refusal must not look like one.
        code: TRPC_ERROR_CODES_BY_KEY[trpcCode],
        message: failure.message,
        data: {
          code: failure.code,
          detail: failure.detail,
          message: failure.message,
          requestId,
          trpcCode,
          httpStatus: failure.status,
        },
      }
    },
  })

const TRPC_CODES: Readonly<Record<number, TRPCError['code']>> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  413: 'PAYLOAD_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE_CONTENT',
  429: 'TOO_MANY_REQUESTS',
  500: 'INTERNAL_SERVER_ERROR',
  503: 'SERVICE_UNAVAILABLE',
  504: 'GATEWAY_TIMEOUT',
}

/** The AppError behind what tRPC caught or threw itself. */
export function failureOf(error: TRPCError, requestId: string): AppError {
  if (error.cause instanceof AppError) return error.cause
  if (error.code === 'INTERNAL_SERVER_ERROR') return toAppError(error.cause ?? error, requestId)
  if (error.cause instanceof z.ZodError) return invalidInput(error.cause)
  if (error.code === 'NOT_FOUND') return new AppError('NOT_FOUND')
  return new AppError('INVALID_INPUT', { reason: REASONS[error.code] ?? 'it could not be read' })
}

const REASONS: Partial<Record<TRPCError['code'], string>> = {
  METHOD_NOT_SUPPORTED: 'a query comes by GET, a mutation by POST',
  UNSUPPORTED_MEDIA_TYPE: 'the body has to be JSON',
  PARSE_ERROR: 'it is not valid JSON',
}

/** Counts the call, whatever becomes of it, and refuses whom the procedure's meta does not let in. */
const guarded = t.procedure.use(async ({ ctx, meta, path, type, next }) => {
  if (ctx.sessionError !== undefined) throw ctx.sessionError
  if (meta === undefined)
    throw new TRPCError({ code: 'INTERNAL_SERVER_ERROR', message: `${path}: no access` })
  await ctx.limits.procedure(path, type, { viewer: ctx.viewer, address: ctx.clientAddress })
  if (meta.access === 'anyone') return next()
  if (ctx.viewer === null) throw new AppError('SIGN_IN_REQUIRED')
  if (meta.access === 'installation-owner' && ctx.viewer.role !== 'owner') throw new AppError('FORBIDDEN')
  return next()
})

function requireViewer(viewer: Viewer | null): Viewer {
  if (viewer === null) throw new AppError('SIGN_IN_REQUIRED')
  return viewer
}

/** Read on the primary or written there: the next list must not show less. */
const onPrimary = guarded.use(async ({ ctx, type, next }) => {
  const result = await next()
  // Also when it failed: what it had committed before stays. A stranger has no lists; who has just accepted an
  // invitation will have.
  const seen = ctx.viewer !== null || (type === 'mutation' && result.ok)
  if (seen && type !== 'subscription') await ctx.reads.sawPrimary()
  return result
})

/** No session needed: `ctx.viewer` may be null. */
export const anyone = onPrimary

/** `ctx.viewer` is who asks. */
export const signedIn = onPrimary.use(({ ctx, next }) => next({ ctx: { viewer: requireViewer(ctx.viewer) } }))

/** For lists that are read through `ctx.reads`, which itself keeps what was seen. `ctx.viewer` is who asks. */
export const listing = guarded.use(({ ctx, next }) => next({ ctx: { viewer: requireViewer(ctx.viewer) } }))

/** `ctx.viewer` is an owner of the installation, whatever the meta says. */
export const installationOwner = onPrimary.use(({ ctx, next }) => {
  const viewer = requireViewer(ctx.viewer)
  if (viewer.role !== 'owner') throw new AppError('FORBIDDEN')
  return next({ ctx: { viewer } })
})

/** Called at start, so that a procedure without a rule is found by whoever adds it. @throws Error naming it */
export function assertEveryProcedureHasAccess(root: AnyTRPCRouter): void {
  const procedures: Readonly<Record<string, { _def: { meta?: unknown } }>> = root._def.procedures
  for (const [path, procedure] of Object.entries(procedures))
    if (procedure._def.meta === undefined) throw new Error(`procedure ${path} has no .meta({ access })`)
}

export const router = t.router
