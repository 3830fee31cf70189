// The three servers of Terrace as programs: API (which owns the index process), ingest, web.
// Each gets the environment of DESIGN §10; the web server gets no secret.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { NATIVE } from './install.mjs'
import { apiPortUse, type PortUse, portTaken, webPortUse } from './ports.ts'
import type { Problem } from './problem.ts'
import type { Program } from './program.ts'
import { ENDPOINT_KEYS, type Settings } from './settings.ts'

/** Node's own cache of compiled modules, types stripped: half of a server's start is compiling otherwise. */
export const COMPILE_CACHE = path.join(NATIVE, 'compile-cache')

export interface ServiceInputs {
  readonly settings: Settings
  readonly databaseUrl: string
  readonly authSecret: string
  readonly setupToken: string
  readonly modelDir: string
  /** Folder of the built web tier, with server.js. */
  readonly webDir: string
}

/**
 * What the web server is given, by name: it holds no secret, also none that MODELS names (`env:NAME`) or that the
 * person's shell happens to have.
 */
const FOR_WEB =
  /^(?:PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|NODE_ENV|NODE_OPTIONS|NODE_EXTRA_CA_CERTS|NEXT_PUBLIC_\w+|PUBLIC_URL|LOG_LEVEL|TERRACE_\w+)$/

async function answers(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) })
  await response.body?.cancel()
  return response.ok
}

function refused(tail: string, port: PortUse): Problem | undefined {
  return /EADDRINUSE/.test(tail) ? portTaken(port) : undefined
}

/**
 * What signs for the model endpoint and what checks its receipts, where `npm run worker:keys` puts them and the
 * environment has none.
 */
function endpointKeys(home: string): Readonly<Record<string, string>> {
  if (!process.env.LLAMMA_ENDPOINT && !process.env.NEXT_PUBLIC_LLAMMA_ENDPOINT) return {}
  return Object.fromEntries(
    ['LLAMMA_SIGNING_KEY', 'LLAMMA_RECEIPT_KEYS'].flatMap((name) => {
      const file = path.join(home, ENDPOINT_KEYS, name)
      return process.env[name] || !existsSync(file) ? [] : [[name, readFileSync(file, 'utf8')]]
    }),
  )
}

export function servicePrograms(inputs: ServiceInputs): {
  api: Program
  ingest: Program
  web: Program
} {
  const { settings } = inputs
  const shared: NodeJS.ProcessEnv = {
    ...withoutNpm(process.env),
    NODE_ENV: 'production',
    TERRACE_SUPERVISED: '1',
    TERRACE_HOME: settings.home,
    PUBLIC_URL: settings.publicUrl,
    HOST: '127.0.0.1',
  }
  const server: NodeJS.ProcessEnv = {
    ...shared,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    DATABASE_URL: inputs.databaseUrl,
    STORAGE: process.env.STORAGE || `file:${path.join(settings.home, 'storage')}`,
    AUTH_SECRET: inputs.authSecret,
    SETUP_TOKEN: inputs.setupToken,
    MODEL_DIR: inputs.modelDir,
    OLLAMA_DISCOVERY: process.env.OLLAMA_DISCOVERY || '1',
    // The web server is the one hop before the API, whatever stands before it.
    TRUSTED_PROXY_HOPS: '1',
    PORT: String(settings.apiPort),
  }
  const apiUrl = `http://127.0.0.1:${settings.apiPort}`
  const api: Program = {
    name: 'api',
    command: [process.execPath, path.join(settings.root, 'api/src/main.ts')],
    cwd: settings.root,
    env: { ...server, ...endpointKeys(settings.home), MIGRATE_AT_START: '1' },
    ready: () => answers(`${apiUrl}/readyz`),
    explain: (tail) => refused(tail, apiPortUse(settings)),
  }
  const ingest: Program = {
    name: 'ingest',
    command: [process.execPath, path.join(settings.root, 'api/src/ingest/process.ts')],
    cwd: settings.root,
    env: server,
    ready: () => Promise.resolve(true),
  }
  const web: Program = {
    name: 'web',
    command: [process.execPath, path.join(inputs.webDir, 'server.js')],
    cwd: inputs.webDir,
    env: {
      ...Object.fromEntries(Object.entries(shared).filter(([name]) => FOR_WEB.test(name))),
      NEXT_MANUAL_SIG_HANDLE: '1',
      NEXT_TELEMETRY_DISABLED: '1',
      API_URL: apiUrl,
      HOST: settings.host,
      HOSTNAME: settings.host,
      PORT: String(settings.webPort),
      TRUSTED_PROXY_HOPS: process.env.TRUSTED_PROXY_HOPS || '0',
    },
    ready: () => answers(`http://${reachableHost(settings.host)}:${settings.webPort}/healthz`),
    explain: (tail) => refused(tail, webPortUse(settings)),
  }
  return { api, ingest, web }
}

/** What to ask for a server that listens on every address. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

/** npm's own variables say things about npm, not about us; some would be read by the programs' own npm calls. */
function withoutNpm(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !/^npm_|^INIT_CWD$/.test(name)))
}

const statusSchema = z.object({
  result: z.object({ data: z.object({ json: z.object({ needsOwner: z.boolean() }) }) }),
})

/** Whether nobody has made the owner's account yet, asked of the running API. */
export async function needsOwner(apiPort: number): Promise<boolean> {
  // Ready a moment ago: one slow answer is no reason to take everything down again.
  for (let tries = 1; tries < 4; tries++) {
    try {
      return await askNeedsOwner(apiPort)
    } catch {
      await sleep(tries * 500)
    }
  }
  return askNeedsOwner(apiPort)
}

async function askNeedsOwner(apiPort: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${apiPort}/trpc/setup.status`, {
    signal: AbortSignal.timeout(5_000),
  })
  const parsed = statusSchema.safeParse(await response.json())
  if (!parsed.success) throw new Error(`setup.status answered ${response.status} with something unexpected`)
  return parsed.data.result.data.json.needsOwner
}
