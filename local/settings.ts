// What `npm start` itself can be told by the environment; everything else goes on to the servers as it is.
// Names: DESIGN §10. PORT is the page that people open, API_PORT the API behind it.
import path from 'node:path'
import { PORTS } from '../contract/ports.ts'
import { Problem } from './problem.ts'

export interface Settings {
  readonly root: string
  /** Absolute; the data of this installation. */
  readonly home: string
  /** What the web server listens on. */
  readonly host: string
  readonly webPort: number
  readonly apiPort: number
  readonly publicUrl: string
  /** Set: that PostgreSQL is used and none is started here. */
  readonly databaseUrl: string | undefined
}

export const ROOT = path.dirname(import.meta.dirname)

/** Below `home`: the keys of the model endpoint (`npm run worker:keys`), one file each. */
export const ENDPOINT_KEYS = 'model-endpoint'

function port(env: NodeJS.ProcessEnv, name: string, fallback: number): number {
  const text = env[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 65_535)
    throw new Problem(`${name}=${text} is not a port.`, `Use a number from 1 to 65535, or leave ${name} out.`)
  return value
}

export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const webPort = port(env, 'PORT', PORTS.web)
  const apiPort = port(env, 'API_PORT', PORTS.api)
  if (webPort === apiPort)
    throw new Problem(
      `The page and the API can not both use port ${webPort}.`,
      'Set PORT or API_PORT to another one.',
    )
  return {
    root: ROOT,
    home: path.resolve(env.TERRACE_HOME || path.join(ROOT, '.terrace')),
    host: env.HOST || '127.0.0.1',
    webPort,
    apiPort,
    publicUrl: (env.PUBLIC_URL || `http://localhost:${webPort}`).replace(/\/$/, ''),
    databaseUrl: env.DATABASE_URL || undefined,
  }
}
