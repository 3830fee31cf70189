// Names on the wire between program, image and stack (DESIGN §10): ports and paths.
// Everyone may import this folder; it imports nothing.
// A change here is a change of the contract test and of the golden images.

/** TCP ports that the servers listen on unless `PORT` says otherwise. */
export const PORTS = { api: 4000, web: 3000 } as const

/** Paths of the API server itself. The web server pipes all but health from below `/api`. */
export const API_PATHS = {
  trpc: '/trpc',
  auth: '/auth',
  files: '/files',
  /** OpenAI-compatible. */
  v1: '/v1',
  mcp: '/mcp',
  healthz: '/healthz',
  readyz: '/readyz',
} as const

/** What the web server shows to the world. */
export const PUBLIC_PATHS = {
  trpc: '/api/trpc',
  auth: '/api/auth',
  files: '/api/files',
  v1: '/api/v1',
  mcp: '/api/mcp',
  healthz: '/healthz',
  readyz: '/readyz',
} as const

/** Seconds. A stopping server is gone within `stop`; a stream is pinged often enough for any proxy. */
export const SECONDS = {
  stop: 60,
  streamPing: 15,
  streamReconnect: 45,
  keepAlive: 125,
  albIdle: 120,
} as const

/**
 * Keeps a browser with the web server that drew its page: that server sets it on pages, and the external load balancer
 * looks for it by its name. The value says nothing. `seconds` is how long after a page both go by it: about as long as a
 * roll of the web tier takes, since then no server is left that lacks the page's files; and short, because whoever
 * stays does not go to servers that were added since.
 */
export const STAY_COOKIE = { name: 'terrace-web', seconds: 900 } as const
