// Writes tRPC subscriptions as server-sent events with one write a frame, in the format of tRPC's own producer.
// tRPC's goes through three generators, four web streams and three writes a frame: 70 µs of CPU against 15 here,
// which is what decides how many answers one process streams (docs/decisions, answer streams).
// Context, input, access rule and errors stay tRPC's: only the way from the generator to the socket is ours.
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type AnyTRPCRouter,
  callTRPCProcedure,
  getTRPCErrorFromUnknown,
  getTRPCErrorShape,
  isTrackedEnvelope,
  TRPCError,
} from '@trpc/server'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import superjson, { type SuperJSONResult } from 'superjson'
import { SECONDS } from '../../../contract/ports.ts'

/** A subscription that does not heed its signal within this time is left to the server's own end. */
const CLOSE_MS = 2_000

export interface SubscriptionOptions<Ctx> {
  readonly router: AnyTRPCRouter
  /** Where tRPC is mounted, e.g. `/trpc`. */
  readonly prefix: string
  readonly createContext: (request: FastifyRequest, reply: FastifyReply) => Promise<Ctx>
  /**
   * Asked before the generator is begun; whoever keeps `stream` may end it. Returns what to call when it is over.
   * What it throws is told to the client.
   */
  readonly admit?: (ctx: Ctx, stream: AbortController) => () => void
  readonly onError?: (failure: { error: TRPCError; path: string; ctx: Ctx | undefined }) => void
}

/**
 * Registers `GET PREFIX/PATH` for each subscription of the router; register it beside tRPC's plugin, whose
 * parametric route these static ones win over. Streams end when the server closes, without tRPC's `return`
 * event: a client then reconnects with the last id, to wherever the balancer sends it.
 */
export function registerSubscriptions<Ctx>(server: FastifyInstance, options: SubscriptionOptions<Ctx>): void {
  const open = new Map<AbortController, Promise<void>>()
  let closing = false
  for (const [path, procedure] of Object.entries(
    options.router._def.procedures as Record<string, { _def: { type: string } }>,
  )) {
    if (procedure._def.type !== 'subscription') continue
    server.get(`${options.prefix}/${path}`, async (request, reply) => {
      const stream = new AbortController()
      reply.hijack()
      if (closing) stream.abort()
      const running = run(options, path, request, reply, stream)
      open.set(stream, running)
      try {
        await running
      } finally {
        open.delete(stream)
        // A connection that is kept alive would keep the server: its client comes back by another.
        if (closing) request.raw.socket.destroySoon()
      }
    })
  }
  server.addHook('preClose', async () => {
    closing = true
    for (const stream of open.keys()) stream.abort()
    await Promise.race([Promise.allSettled(open.values()), sleep(CLOSE_MS, undefined, { ref: false })])
  })
}

async function run<Ctx>(
  options: SubscriptionOptions<Ctx>,
  path: string,
  request: FastifyRequest,
  reply: FastifyReply,
  stream: AbortController,
): Promise<void> {
  const response = reply.raw
  // What hooks have set on the reply (request id, security headers) goes out as with any other reply.
  for (const [name, value] of Object.entries(reply.getHeaders()))
    if (value !== undefined) response.setHeader(name, value)
  const { sse } = options.router._def._config
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  })
  response.write(`event: connected\ndata: ${JSON.stringify(sse?.client ?? {})}\n\n`)
  response.once('close', () => stream.abort())
  response.on('error', () => stream.abort())
  const ping = setInterval(() => response.write('event: ping\ndata: \n\n'), SECONDS.streamPing * 1_000)
  ping.unref()
  let ctx: Ctx | undefined
  let input: unknown
  let over: (() => void) | undefined
  try {
    ctx = await options.createContext(request, reply)
    over = options.admit?.(ctx, stream)
    const result: unknown = await callTRPCProcedure({
      router: options.router,
      path,
      getRawInput: async () => {
        input = readInput(request)
        return input
      },
      ctx,
      type: 'subscription',
      signal: stream.signal,
      batchIndex: 0,
    })
    await write(result as AsyncIterable<unknown>, response, stream.signal)
    if (!stream.signal.aborted) response.write('event: return\ndata: \n\n')
  } catch (thrown) {
    if (stream.signal.aborted) return
    const error = getTRPCErrorFromUnknown(thrown)
    options.onError?.({ error, path, ctx })
    const shape = getTRPCErrorShape({
      config: options.router._def._config,
      error,
      type: 'subscription',
      path,
      input,
      ctx,
    })
    response.write(`event: serialized-error\ndata: ${superjson.stringify(shape)}\n\n`)
  } finally {
    over?.()
    clearInterval(ping)
    response.end()
  }
}

/** The input of a subscription: `?input=` as tRPC's links write it, and the last id when the browser resumes. */
function readInput(request: FastifyRequest): unknown {
  const query = request.query as Record<string, string | undefined>
  const input = query.input === undefined ? undefined : parseInput(query.input)
  const lastEventId = request.headers['last-event-id'] ?? query.lastEventId ?? query['Last-Event-Id']
  if (lastEventId === undefined || lastEventId === '') return input
  return { ...(typeof input === 'object' && input !== null ? input : {}), lastEventId }
}

/** A query of any client's making: what is no superjson is its mistake, and no reason to come back for ever. */
function parseInput(text: string): unknown {
  try {
    return superjson.deserialize(JSON.parse(text) as SuperJSONResult)
  } catch (cause) {
    throw new TRPCError({ code: 'PARSE_ERROR', cause })
  }
}

type Response = FastifyReply['raw']

async function write(frames: AsyncIterable<unknown>, response: Response, signal: AbortSignal): Promise<void> {
  for await (const value of frames) {
    if (signal.aborted) return
    const frame = isTrackedEnvelope(value)
      ? `data: ${stringify(value[1])}\nid: ${value[0]}\n\n`
      : `data: ${stringify(value)}\n\n`
    // A reader who is slower than the stream stops the generator here: nothing queues up on the way to it.
    if (!response.write(frame)) await drained(response, signal)
  }
}

function drained(response: Response, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    if (signal.aborted) return resolve()
    response.once('drain', done)
    signal.addEventListener('abort', done)
  })
}

/**
 * superjson's text of a frame. For a flat object of strings, finite numbers, booleans and nulls that is
 * `{"json": …}` and nothing else, so its walk over every frame is saved.
 */
export function stringify(value: unknown): string {
  return isFlat(value) ? `{"json":${JSON.stringify(value)}}` : superjson.stringify(value)
}

function isFlat(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return false
  for (const field of Object.values(value)) {
    if (typeof field === 'string' || typeof field === 'boolean' || field === null) continue
    if (typeof field === 'number' && Number.isFinite(field) && !Object.is(field, -0)) continue
    return false
  }
  return true
}
