// The port of AWS between two processes: one has the stand-in, the other one asks it. Not AWS's own words on the wire, which
// `npm run test:aws` is for: what is here is one call a request, so that whoever answers can end the asker at any of them.
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { deserialize, serialize } from 'node:v8'
import { type Aws, SERVICES, type Service } from '../../../aws/port.ts'
import { AwsProblem, operationOf, speaking } from '../../../aws/problems.ts'
import type { StandIn } from '../../../aws/stand-in/stand-in.ts'
import { region } from './kitchen.ts'

/** `operation` of AWS; or time passes (`clock`), or a builder begins something (`builder`). */
export interface Asked {
  readonly service: Service | 'clock' | 'builder'
  readonly operation: string
  readonly input: unknown
}
interface Answer {
  readonly output?: unknown
  readonly error?: { readonly name: string; readonly message: string; readonly metadata: unknown }
  /** The stand-in's time, milliseconds since 1970. */
  readonly now: number
}

/** @param on called before and after each; what it returns is waited for. */
export async function serveStandIn(
  { aws, clock }: StandIn,
  on: (when: 'before' | 'after', asked: Asked) => unknown,
): Promise<AsyncDisposable & { readonly address: string }> {
  const answer = async (asked: Asked): Promise<Answer> => {
    try {
      return { output: await outputOf(aws, asked), now: clock.now().getTime() }
    } catch (thrown) {
      const error = thrown instanceof AwsProblem ? thrown.cause : thrown
      const { name, message } = error instanceof Error ? error : new Error(String(error))
      const metadata: unknown = Reflect.get(Object(error), '$metadata')
      return { error: { name, message, metadata }, now: clock.now().getTime() }
    }
  }
  const server = http.createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const asked: Asked = deserialize(Buffer.concat(parts))
    await on('before', asked)
    const told = serialize(await answer(asked))
    await on('after', asked)
    response.end(told)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function outputOf(aws: Aws, { service, operation, input }: Asked): Promise<unknown> {
  if (service === 'builder') return undefined
  if (service === 'clock') return aws.clock.sleep(Number(input))
  const client = aws[service] as { send(command: object): Promise<object> }
  const command = Object.assign(Object.create({ constructor: { name: `${operation}Command` } }), { input })
  const output = await client.send(command)
  const body: unknown = Reflect.get(output, 'Body')
  // What an answer's body is read by can't go over a line.
  return isBody(body) ? { ...output, Body: await body.transformToByteArray() } : output
}

interface Body {
  transformToByteArray(): Promise<Uint8Array>
}
const isBody = (value: unknown): value is Body =>
  typeof value === 'object' && value !== null && 'transformToByteArray' in value

export function farAway(address: string): { aws: Aws; tell: (what: string) => Promise<unknown> } {
  let now = 0
  const ask = async (asked: Asked): Promise<unknown> => {
    const response = await fetch(address, { method: 'POST', body: serialize(asked) })
    const answer: Answer = deserialize(Buffer.from(await response.arrayBuffer()))
    now = answer.now
    if (answer.error === undefined) return answer.output
    const { name, message, metadata } = answer.error
    throw Object.assign(new Error(message), { name, $metadata: metadata })
  }
  const client = (service: Service) => ({
    send: async (command: { input: unknown }) => {
      const output = await ask({ service, operation: operationOf(command), input: command.input })
      const body: unknown = Reflect.get(Object(output), 'Body')
      if (!(body instanceof Uint8Array)) return output
      return { ...Object(output), Body: { transformToByteArray: async () => body } }
    },
  })
  const clients = SERVICES.map((service) => [
    service,
    speaking(service, region, client(service) as unknown as { send: (...args: never[]) => unknown }),
  ])
  const clock: Aws['clock'] = {
    now: () => new Date(now),
    async sleep(ms, signal) {
      signal?.throwIfAborted()
      await ask({ service: 'clock', operation: 'sleep', input: ms })
      signal?.throwIfAborted()
    },
  }
  return {
    aws: { region, clock, ...Object.fromEntries(clients) } as Aws,
    tell: (what) => ask({ service: 'builder', operation: what, input: undefined }),
  }
}
