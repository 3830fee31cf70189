// A model endpoint for browser tests: the Worker's own bundle in its own runtime, a scripted model behind it, and before it
// the network between browser and endpoint, where a test can look and interfere. The API reaches it without that.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Transform } from 'node:stream'
import { freePort } from '../../local/postgres.ts'
import { makeKeys } from '../../worker/local/key-pairs.ts'
import { answerScripted } from '../../worker/local/scripted.ts'
import { startWorkerd } from '../../worker/local/workerd.ts'
import { type AiRequest, startWorkersAi } from '../../worker/local/workers-ai.ts'
import { bundleWorker, readConfiguration } from '../../worker/local/wrangler.ts'

export interface EndpointForPages extends AsyncDisposable {
  /** For `startTerrace`. */
  readonly env: Readonly<Record<string, string>>
  /** What browsers asked of it, preflights aside. */
  readonly asked: readonly { readonly origin: string | undefined }[]
  /** What the model was asked, by whomever. */
  readonly requests: readonly AiRequest[]
  /** What the network does; a test may change it at any time. */
  readonly network: { cors: boolean; receipts: boolean }
}

/** @param models logical name, which is a model's id and name too → what the scripted model is told, as `scripted?…` */
export async function startEndpointForPages(
  models: Readonly<Record<string, string>>,
  pages: string,
): Promise<EndpointForPages> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-endpoint-'))
  const keys = await makeKeys()
  const ai = await startWorkersAi(answerScripted)
  const port = await freePort()
  const audience = `http://127.0.0.1:${port}`
  const worker = await startWorkerd({
    configuration: await readConfiguration(),
    bundle: (await bundleWorker(path.join(folder, 'bundle'))).file,
    bindings: {
      AUDIENCE: audience,
      ALLOWED_ORIGINS: pages,
      TOKEN_KEYS: keys.TOKEN_KEYS,
      RECEIPT_KEY: keys.RECEIPT_KEY,
      MODELS: Object.fromEntries(Object.entries(models).map(([name, provider]) => [name, [provider]])),
    },
    aiPort: ai.port,
    storage: path.join(folder, 'storage'),
    port,
  })
  const network = { cors: true, receipts: true }
  const asked: { origin: string | undefined }[] = []
  const server = createServer((message, response) => {
    if (message.method === 'POST') asked.push({ origin: message.headers.origin })
    pass(message, response, audience, network)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return {
    env: {
      LLAMMA_ENDPOINT: audience,
      NEXT_PUBLIC_LLAMMA_ENDPOINT: `http://127.0.0.1:${address.port}`,
      LLAMMA_SIGNING_KEY: JSON.stringify(keys.LLAMMA_SIGNING_KEY),
      LLAMMA_RECEIPT_KEYS: JSON.stringify(keys.LLAMMA_RECEIPT_KEYS),
      MODELS: JSON.stringify(
        Object.keys(models).map((name) => ({ id: name, name, type: 'worker', model: name })),
      ),
    },
    asked,
    requests: ai.requests,
    network,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await worker.close()
      await ai.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function pass(
  message: IncomingMessage,
  response: ServerResponse,
  target: string,
  { cors, receipts }: EndpointForPages['network'],
): void {
  const { method = 'GET', headers, url = '/' } = message
  const up = request(target + url, { method, headers }, (answer) => {
    const passed = { ...answer.headers }
    if (!cors) delete passed['access-control-allow-origin']
    response.writeHead(answer.statusCode ?? 502, passed)
    response.flushHeaders()
    answer.on('error', () => response.destroy())
    ;(receipts ? answer : answer.pipe(withoutReceipt())).pipe(response)
  })
  up.on('error', () => response.destroy())
  response.on('close', () => up.destroy())
  message.pipe(up)
}

/** The event with the receipt does not arrive. */
function withoutReceipt(): Transform {
  let rest = ''
  return new Transform({
    transform(bytes, _, done) {
      const events = (rest + String(bytes)).split('\n\n')
      rest = events.pop() ?? ''
      const kept = events.filter((event) => !event.includes('"receipt":'))
      done(null, kept.map((event) => `${event}\n\n`).join(''))
    },
  })
}
