// Reads a model's stream by one connection that stays open, whoever sends it.
import { Agent, type IncomingMessage, request as send } from 'node:http'
import type { Prepared } from './endpoint.ts'
import type { ModelProcess } from './model.ts'

export const now = () => performance.timeOrigin + performance.now()

export interface Reader {
  /** Milliseconds from the request to the first bytes of the answer. */
  firstBytes(prepared: Prepared): Promise<number>
  /** Milliseconds that each stamped token was under way. */
  ages(prepared: Prepared): Promise<number[]>
  /** Milliseconds from this reader's going away to the model's hearing of it. */
  abort(prepared: Prepared, model: ModelProcess): Promise<number>
  close(): void
}

export function createReader(): Reader {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  return {
    async firstBytes(prepared) {
      const began = performance.now()
      let first: number | undefined
      for await (const _ of await open(agent, prepared)) first ??= performance.now() - began
      return first ?? Number.NaN
    },
    async ages(prepared) {
      const found: number[] = []
      for await (const text of await open(agent, prepared)) {
        const at = now()
        for (const [, stamp] of String(text).matchAll(/"(?:content|response)":"(\d+\.\d+) "/g))
          found.push(at - Number(stamp))
      }
      return found
    },
    async abort(prepared, model) {
      const gone = new AbortController()
      const reply = await open(agent, prepared, gone.signal)
      await new Promise((resolve) => reply.once('data', resolve))
      reply.on('error', () => {})
      const at = now()
      gone.abort()
      return (await model.aborted()) - at
    },
    close: () => agent.destroy(),
  }
}

function open(
  agent: Agent,
  { url, headers, body }: Prepared,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { method: 'POST', headers, agent, ...(signal === undefined ? {} : { signal }) }
    const outgoing = send(url, options, (reply) => {
      if (reply.statusCode === 200) resolve(reply.setEncoding('utf8'))
      else reject(new Error(`status ${reply.statusCode}`))
    })
    outgoing.once('error', reject)
    outgoing.end(body)
  })
}
