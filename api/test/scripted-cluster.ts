// For tests: something that answers as a cluster might, request by request; what it does not know goes to a real one.
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ScriptedRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly body: string
}

export interface ScriptedAnswer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** No answer at all; the connection is closed instead of one; one that goes on and never ends. */
export type Silence = 'silence' | 'hang-up' | 'no end'

export interface ScriptedCluster extends AsyncDisposable {
  readonly url: string
  readonly requests: ScriptedRequest[]
  /** Undefined passes it on. */
  script: (
    request: ScriptedRequest,
  ) => ScriptedAnswer | Silence | undefined | Promise<ScriptedAnswer | undefined>
}

/** @param real of a cluster behind it */
export async function scriptedCluster(
  script: ScriptedCluster['script'],
  real?: string,
): Promise<ScriptedCluster> {
  const server = createServer(async (request, response) => {
    const asked = await readRequest(request)
    cluster.requests.push(asked)
    const scripted = await cluster.script(asked)
    if (scripted === 'silence') return
    if (scripted === 'hang-up') return void request.socket.destroy()
    if (scripted === 'no end') {
      response.writeHead(200, { 'content-type': 'application/json' }).write('{')
      const drip = setInterval(() => response.write(' '), 50)
      return void response.once('close', () => clearInterval(drip))
    }
    const { status, headers, body } = scripted ?? (await passOn(real ?? '', asked, request))
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body === undefined ? '' : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // It listens on a port: never a path.
  const { port } = server.address() as AddressInfo
  const cluster: ScriptedCluster = {
    url: `http://127.0.0.1:${port}`,
    requests: [],
    script,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return cluster
}

async function readRequest(request: IncomingMessage): Promise<ScriptedRequest> {
  let body = ''
  for await (const chunk of request.setEncoding('utf8')) body += chunk
  return { method: request.method ?? '', path: request.url ?? '', body }
}

async function passOn(
  real: string,
  { method, path, body }: ScriptedRequest,
  { headers }: IncomingMessage,
): Promise<ScriptedAnswer> {
  const answer = await fetch(`${real}${path}`, {
    method,
    headers: { 'content-type': headers['content-type'] ?? 'application/json' },
    ...(body === '' ? {} : { body }),
  })
  const text = await answer.text()
  return { status: answer.status, ...(text === '' ? {} : { body: JSON.parse(text) }) }
}
