// Whether this server is starting, serving or stopping, and how it stops: unready first, event streams ended so
// that browsers go on elsewhere, then requests under way are waited for, at most as long as contract/ allows.
import { subscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { SECONDS } from '../../contract/ports.ts'

interface State {
  phase: 'starting' | 'serving' | 'stopping'
  /** How to end each open event stream. */
  streams: Set<() => void>
  servers: Set<Server>
}

const UPLOAD_MS = 2 * 3_600_000

// instrumentation.ts and the API routes are bundled apart and each has its own copy of this module.
const KEY = Symbol.for('terrace.web.lifecycle')
const holder = globalThis as { [KEY]?: State }
const state: State = holder[KEY] ?? { phase: 'starting', streams: new Set(), servers: new Set() }
holder[KEY] = state

export const phase = (): State['phase'] => state.phase

/** @param end how to end the stream; called when the server stops. @returns to be called when it has ended */
export function track(end: () => void): () => void {
  state.streams.add(end)
  if (state.phase === 'stopping') end()
  return () => state.streams.delete(end)
}

/** How to end each event stream that is open now. */
export const openStreams = (): readonly (() => void)[] => [...state.streams]

interface StopOptions {
  /** How long requests under way may take. */
  graceMs?: number
  exit?: (code: number) => void
}

/** Prepares stopping by SIGTERM, SIGINT or, when supervised, the end of stdin. Called once, as the server starts. */
export function prepareStop({ supervised }: { supervised: boolean }, options: StopOptions = {}): void {
  // Next keeps its server to itself; Node names it with the first request.
  subscribe('http.server.request.start', (message) => {
    if (typeof message === 'object' && message !== null && 'server' in message)
      adopt(message.server as Server)
  })
  state.phase = 'serving'
  const stop = () => void stopServing(options)
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  if (supervised) {
    process.stdin.once('end', stop).once('close', stop).once('error', stop)
    process.stdin.resume()
  }
}

function adopt(server: Server): void {
  if (state.servers.has(server)) return
  state.servers.add(server)
  // Longer than a load balancer keeps its side, or it sends a request into a connection that is just being closed.
  server.keepAliveTimeout = SECONDS.keepAlive * 1000
  // Node gives a request five minutes; 200 MB over a slow line take longer. The API ends uploads that stand still.
  server.requestTimeout = UPLOAD_MS
}

export async function stopServing({
  graceMs = (SECONDS.stop - 10) * 1000,
  exit = process.exit,
}: StopOptions = {}) {
  if (state.phase === 'stopping') return
  state.phase = 'stopping'
  const force = setTimeout(() => exit(0), graceMs)
  force.unref()
  for (const end of openStreams()) end()
  await Promise.all([...state.servers].map(closed))
  clearTimeout(force)
  exit(0)
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // A connection that is busy now becomes idle later, and would be kept open for the browser's next request.
    const idle = setInterval(() => server.closeIdleConnections(), 100)
    server.close(() => {
      clearInterval(idle)
      resolve()
    })
  })
}
