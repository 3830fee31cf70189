// One file over HTTP(S) into another, hashed on the way. Honours HTTPS_PROXY and NO_PROXY.
// Gives up when no connection comes within 3 s (a closed network must not hold up the start) or nothing arrives for 30 s.
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'

const CONNECT_MS = 3_000
const SILENCE_MS = 30_000
const REDIRECTS = 5

export interface Download {
  readonly url: string
  readonly to: string
  readonly bytes: number
  readonly sha256: string
  readonly onBytes?: (received: number) => void
}

/** @throws Error when it can't be had, or is not the file that is pinned */
export async function download(wanted: Download): Promise<void> {
  const response = await request(new URL(wanted.url), REDIRECTS)
  const hash = createHash('sha256')
  let received = 0
  const check = new Transform({
    transform(chunk: Buffer, _, done) {
      received += chunk.length
      if (received > wanted.bytes) return done(new Error('the file is longer than the pinned one'))
      hash.update(chunk)
      wanted.onBytes?.(received)
      done(null, chunk)
    },
  })
  await pipeline(response, check, createWriteStream(wanted.to, { mode: 0o644 }))
  if (hash.digest('hex') !== wanted.sha256)
    throw new Error('the file is not the pinned one (its SHA-256 differs)')
}

function request(url: URL, redirects: number): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:'
    const options = { proxyEnv: process.env, keepAlive: false }
    const agent = secure ? new https.Agent(options) : new http.Agent(options)
    const outgoing = (secure ? https : http).get(url, { agent, timeout: SILENCE_MS })
    const connecting = setTimeout(
      () => outgoing.destroy(new Error(`no connection to ${url.host} within ${CONNECT_MS / 1000} s`)),
      CONNECT_MS,
    )
    const connected = () => clearTimeout(connecting)
    outgoing.on('socket', (socket) => {
      if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', connected)
      else connected()
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${url.host} sends nothing`)))
    outgoing.on('error', (error) => {
      connected()
      reject(error)
    })
    outgoing.on('response', (response) => {
      connected()
      const { statusCode = 0, headers } = response
      if (statusCode === 200) return resolve(response)
      response.resume()
      if (statusCode >= 300 && statusCode < 400 && headers.location && redirects > 0)
        return resolve(request(new URL(headers.location, url), redirects - 1))
      reject(new Error(`${url.host} answered ${statusCode}`))
    })
  })
}
