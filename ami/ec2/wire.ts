// What an instance without rights reaches S3 by: addresses that somebody has signed. None of them is ever said: whoever
// reads it on a console could use it.
import type { Clock } from '../../aws/port.ts'

export interface Wire {
  /**
   * @returns undefined when there is nothing
   * @throws Refused when the address has ended, or never held
   */
  get(url: string): Promise<Buffer | undefined>
  put(url: string, body: Buffer): Promise<void>
}

export class Refused extends Error {
  override readonly name = 'Refused'
}

const TRIES = 8
const LONGEST_MS = 20_000
/** For a packed piece of a disk on a slow line. */
const PATIENCE_MS = 5 * 60_000

export function httpWire(clock: Clock): Wire {
  const ask = async (method: 'GET' | 'PUT', url: string, body?: Buffer): Promise<Response> => {
    for (let tries = 1; ; tries++) {
      const answer = await once(method, url, body)
      const isPassing = answer instanceof Error || answer.status >= 500 || answer.status === 429
      if (!isPassing) return answer
      if (tries >= TRIES) throw new Error(`S3 does not answer ${method}: ${reasonOf(answer)}`)
      await clock.sleep(Math.min(1_000 * 2 ** (tries - 1), LONGEST_MS))
    }
  }
  return {
    async get(url) {
      const response = await ask('GET', url)
      if (response.status === 404) return undefined
      if (!response.ok) throw await refused('GET', response)
      return Buffer.from(await response.arrayBuffer())
    },
    async put(url, body) {
      const response = await ask('PUT', url, body)
      if (!response.ok) throw await refused('PUT', response)
      await response.arrayBuffer()
    },
  }
}

async function once(method: string, url: string, body: Buffer | undefined): Promise<Response | Error> {
  try {
    const response = await fetch(url, {
      method,
      ...(body !== undefined && { body: new Uint8Array(body) }),
      // Nothing but S3 itself is to get what is sent.
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    // All of it, or it is tried again.
    return new Response(response.status === 204 ? null : await response.arrayBuffer(), {
      status: response.status,
    })
  } catch (error) {
    return error instanceof Error ? error : new Error('no answer')
  }
}

function reasonOf(answer: Response | Error): string {
  if (!(answer instanceof Error)) return `status ${answer.status}`
  const { cause } = answer
  return cause instanceof Error && 'code' in cause ? String(cause.code) : answer.name
}

async function refused(method: string, response: Response): Promise<Refused> {
  const [, code] = /<Code>(\w+)<\/Code>/.exec(await response.text()) ?? []
  return new Refused(`S3 refuses ${method}: ${response.status}${code === undefined ? '' : ` ${code}`}`)
}
