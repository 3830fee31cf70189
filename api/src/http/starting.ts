// Answers on the API's port while the rest is still starting: the process is alive, it is not ready, and why.
import http from 'node:http'
import { API_PATHS } from '../../../contract/ports.ts'
import type { Config } from '../config.ts'
import { AppError } from '../errors.ts'

export interface StartingServer {
  /** The port it got; the real server takes it over. */
  readonly port: number
  /** What is being waited for, in words for the operator. */
  waitFor(reason: string): void
  /** Frees the port at once. */
  close(): Promise<void>
}

/** @throws what listening throws: EADDRINUSE, EACCES */
export async function listenWhileStarting(config: Config): Promise<StartingServer> {
  let reason = 'starting'
  const server = http.createServer((request, response) => {
    const alive = request.url === API_PATHS.healthz
    const body = alive
      ? { alive: true, release: config.release }
      : request.url === API_PATHS.readyz
        ? { ready: false, reasons: [reason], release: config.release }
        : new AppError('UNAVAILABLE', { reason: 'it is starting' })
    response.writeHead(alive ? 200 : 503, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      connection: 'close',
      'retry-after': '1',
    })
    response.end(JSON.stringify(body))
    request.resume()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.port, config.host, resolve)
  })
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : config.port,
    waitFor(what) {
      reason = what
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
