// The instance's own metadata (IMDSv2): every question needs a token, which only the machine itself is given.
import { type Clock, pauses } from './retry.ts'

/** Where Auto Scaling means to take the instance: `InService`, `Terminated`, …; nothing outside a group. */
export const TARGET_STATE = 'meta-data/autoscaling/target-lifecycle-state'

export interface Imds {
  /**
   * @param path below `/latest/`: `user-data`, `meta-data/instance-id`
   * @returns undefined where the instance has nothing of that name
   * @throws ImdsSilent
   */
  get(path: string): Promise<string | undefined>
}

/** No answer, or none that helps, for as long as was tried. */
export class ImdsSilent extends Error {
  override readonly name = 'ImdsSilent'
}

export interface ImdsOptions {
  readonly clock: Clock
  /** Default: where every instance finds it. */
  readonly endpoint?: string | undefined
  /** Milliseconds until a question is given up. Default 10 s. */
  readonly patienceMs?: number
  /** Milliseconds for one answer. Default 2 s. */
  readonly answerMs?: number
}

const ENDPOINT = 'http://169.254.169.254'
/** Seconds. The longest there is. */
const TOKEN_SECONDS = 21_600
/** Milliseconds before its end from which a token is no longer used. */
const SPARE_MS = 60_000

export function createImds({ clock, endpoint, patienceMs = 10_000, answerMs = 2_000 }: ImdsOptions): Imds {
  const base = (endpoint ?? ENDPOINT).replace(/\/$/, '')
  let token: { readonly text: string; readonly until: number } | undefined

  async function ask(method: string, path: string, headers: Record<string, string>): Promise<Response> {
    return await fetch(`${base}/latest/${path}`, {
      method,
      headers,
      redirect: 'error',
      signal: AbortSignal.timeout(answerMs),
    })
  }

  async function currentToken(): Promise<string> {
    if (token !== undefined && clock.now().getTime() < token.until) return token.text
    const made = clock.now().getTime()
    const response = await ask('PUT', 'api/token', {
      'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS),
    })
    const text = await response.text()
    if (response.status !== 200) throw new Error(refusal(response.status))
    token = { text, until: made + TOKEN_SECONDS * 1000 - SPARE_MS }
    return text
  }

  async function once(path: string): Promise<string | undefined> {
    const response = await ask('GET', path, { 'x-aws-ec2-metadata-token': await currentToken() })
    const text = await response.text()
    if (response.status === 200) return text
    if (response.status === 404) return undefined
    // The token is too old, or of a life before the machine was stopped.
    if (response.status === 401) token = undefined
    throw new Error(refusal(response.status))
  }

  return {
    async get(path) {
      const until = clock.now().getTime() + patienceMs
      for (const pause of pauses(100, 2_000)) {
        try {
          return await once(path)
        } catch (error) {
          const left = until - clock.now().getTime()
          if (left <= 0) throw new ImdsSilent(sentence(base, path, error), { cause: error })
          await clock.sleep(Math.min(pause, left))
        }
      }
      throw new Error('there is always another pause')
    },
  }
}

const refusal = (status: number) =>
  status === 403
    ? 'it answers 403, as it does when it is switched off (HttpEndpoint)'
    : `it answers ${status}`

function sentence(base: string, path: string, error: unknown): string {
  const reason =
    error instanceof Error && error.name === 'TimeoutError'
      ? 'it does not answer in time'
      : error instanceof TypeError
        ? 'it can not be reached'
        : String(error instanceof Error ? error.message : error)
  return (
    `The instance’s metadata (${base}) do not say ${path}: ${reason}. ` +
    'The launch template has to leave them on (HttpEndpoint), and the program’s unit has to let it reach them.'
  )
}
