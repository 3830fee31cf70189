// What this server does besides drawing pages: it passes /api to the API server, and it stops without cutting
// anybody off. A pipe and not Next's `rewrites()`, which hold back big uploads, cut idle streams after 30 s,
// freeze the API's address at build time and pass on what clients claim about their own address.
import {
  Agent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request,
  type ServerResponse,
} from 'node:http'
import { pipeline } from 'node:stream'
import { ERRORS, type ErrorCode, errorMessage } from '../../contract/errors.ts'
import { SECONDS } from '../../contract/ports.ts'
import { clientAddress } from './client-address.ts'
import { track } from './lifecycle.ts'
import { cookiesForApi, cookiesFromApi } from './stay.ts'

export interface PipeOptions {
  /** The API server. Only plain http: it stands in the same private network. */
  api: URL
  trustedProxyHops: number
  /** Whether its event streams are taken up again by who reads them, so that a stopping server may end them. Default true. */
  resumes?: boolean
}

/** RFC 9110 §7.6.1: these speak of one connection and must not be passed on. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
/** What only a proxy of ours may say; `expect` was already answered by Node; compressed bytes would be held back. */
const NOT_FROM_CLIENTS = [
  'host',
  'expect',
  'accept-encoding',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
]
const CONNECT_MS = 5_000

// A little shorter than the API keeps idle sockets, so that a request never meets one that is just being closed.
const agent = new Agent({ keepAlive: true, timeout: (SECONDS.keepAlive - 5) * 1000 })

function withoutHopByHop(headers: IncomingHttpHeaders, more: readonly string[] = []): IncomingHttpHeaders {
  // The body's length speaks of both connections, whoever names it here: a body without it reads as a next request.
  const named = (headers.connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== 'content-length')
  const dropped = new Set([...HOP_BY_HOP, ...more, ...named])
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !dropped.has(name)))
}

function requestHeaders(
  incoming: IncomingMessage,
  { api, trustedProxyHops }: PipeOptions,
): IncomingHttpHeaders {
  const { cookie: sent, ...headers } = withoutHopByHop(incoming.headers, NOT_FROM_CLIENTS)
  const cookie = cookiesForApi(sent)
  const socketAddress = incoming.socket.remoteAddress ?? ''
  return {
    ...headers,
    ...(cookie !== undefined && { cookie }),
    host: api.host,
    // The name that we were called by, for the API to judge.
    ...(incoming.headers.host !== undefined && { 'x-forwarded-host': incoming.headers.host }),
    'x-forwarded-for': clientAddress(incoming.headers['x-forwarded-for'], socketAddress, trustedProxyHops),
    // Said outright: for GET and DELETE Node would otherwise send a body that has no length without any framing.
    ...(incoming.headers['transfer-encoding'] !== undefined && { 'transfer-encoding': 'chunked' }),
  }
}

function answerHeaders(received: IncomingMessage, isStream: boolean): IncomingHttpHeaders {
  const { 'set-cookie': cookies, ...headers } = withoutHopByHop(received.headers)
  return {
    ...headers,
    ...(cookies !== undefined && { 'set-cookie': cookiesFromApi(cookies) }),
    ...(isStream && { 'cache-control': 'no-cache, no-transform', 'x-accel-buffering': 'no' }),
  }
}

function answerError(response: ServerResponse, status: number, code: ErrorCode, reason: string): void {
  const detail = { reason }
  response
    .writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
    .end(JSON.stringify({ code, detail, message: errorMessage(code, detail) }))
}

/** For paths that lead nowhere. */
export function answerNotFound(response: ServerResponse): void {
  answerError(response, ERRORS.NOT_FOUND.status, 'NOT_FOUND', '')
}

/**
 * Passes one request on and its answer back, both with back-pressure and without keeping a byte.
 * An abort on either side reaches the other. With the API away: 502 with the code UNAVAILABLE.
 */
export function pipeToApi(
  incoming: IncomingMessage,
  response: ServerResponse,
  path: string,
  options: PipeOptions,
): Promise<void> {
  return new Promise((resolve) => {
    const upstream = request({
      agent,
      hostname: options.api.hostname.replace(/^\[|\]$/g, ''),
      port: options.api.port || 80,
      method: incoming.method,
      path,
      headers: requestHeaders(incoming, options),
    })
    const connecting = setTimeout(() => upstream.destroy(new Error('no connection in time')), CONNECT_MS)
    upstream.once('socket', (socket) => {
      if (!socket.connecting) clearTimeout(connecting)
      else socket.once('connect', () => clearTimeout(connecting))
    })

    let answer: IncomingMessage | undefined
    response.once('close', () => {
      clearTimeout(connecting)
      if (!response.writableFinished || answer === undefined) upstream.destroy()
      resolve()
    })

    upstream.on('error', () => {
      clearTimeout(connecting)
      // With an answer under way this is the upload that the API stopped reading after it had decided;
      // the answer itself goes on, and its own failure ends the response below.
      if (answer !== undefined) return
      incoming.unpipe(upstream)
      if (response.destroyed) return
      // What the browser is still sending is let through to nowhere, or it would never look at the answer.
      incoming.resume()
      answerError(response, 502, 'UNAVAILABLE', 'the API server does not answer')
    })

    upstream.once('response', (received) => {
      answer = received
      if (response.destroyed) {
        received.destroy()
        return
      }
      const isStream = (received.headers['content-type'] ?? '').startsWith('text/event-stream')
      response.writeHead(received.statusCode ?? 502, answerHeaders(received, isStream))
      response.flushHeaders()
      // A stopping server ends its streams properly: the browser then asks again, and another server answers. A program
      // would take that for the answer's end.
      const untrack =
        isStream && options.resumes !== false
          ? track(() => {
              received.unpipe(response)
              response.end(() => received.destroy())
            })
          : undefined
      pipeline(received, response, (error) => {
        untrack?.()
        if (error !== null && error !== undefined) upstream.destroy()
      })
    })

    incoming.once('error', () => upstream.destroy())
    incoming.pipe(upstream)
  })
}
