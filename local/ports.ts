// The two ports that Terrace listens on, looked at before anything is started: a taken one is a sentence, not a crash.
import net from 'node:net'
import { Problem } from './problem.ts'
import type { Settings } from './settings.ts'

export interface PortUse {
  readonly host: string
  readonly port: number
  readonly what: string
  /** The variable that changes it. */
  readonly variable: string
}

export function webPortUse(settings: Settings): PortUse {
  return { host: settings.host, port: settings.webPort, what: 'the page', variable: 'PORT' }
}

export function apiPortUse(settings: Settings): PortUse {
  return { host: '127.0.0.1', port: settings.apiPort, what: 'the API', variable: 'API_PORT' }
}

export function portTaken(use: PortUse): Problem {
  return new Problem(
    `Port ${use.port}, which ${use.what} needs, is taken by another program.`,
    `Stop that program, or choose another port: ${use.variable}=${use.port + 1} npm start`,
  )
}

/** @throws Problem when something else listens there, or this user may not */
export async function checkPort(use: PortUse): Promise<void> {
  const server = net.createServer()
  const code = await new Promise<string | undefined>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'))
    server.listen({ host: use.host, port: use.port, exclusive: true }, () => resolve(undefined))
  })
  if (code === undefined) {
    await new Promise((resolve) => server.close(resolve))
    return
  }
  if (code === 'EADDRINUSE') throw portTaken(use)
  if (code === 'EACCES')
    throw new Problem(
      `This user may not listen on port ${use.port}.`,
      `Choose one above 1023: ${use.variable}=8080 npm start`,
    )
  throw new Problem(
    `Nothing can listen on ${use.host}:${use.port} here (${code}).`,
    'HOST has to be an address of this machine: 127.0.0.1 (only this machine) or 0.0.0.0 (everyone who can reach it).',
  )
}
