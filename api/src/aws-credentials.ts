// Who this process is to AWS, found as every AWS program finds it: environment, shared files, a container's or the
// machine's role. The SDK's chain is asked for new ones each time and what it says is kept here: its own memory asks
// without end when a source hands out nothing but expired ones, and none of its steps is bound to an end.
export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  readonly expiration?: Date
}

export interface AwsCredentialSource {
  /**
   * Those of now: kept, and asked for again before they expire. Expired ones only if there are no others: who is asked
   * with them says no, and a machine's clock may be wrong. `anew`: asked for now, after a refusal; those that are kept
   * are given all the same when none come and they have not expired, since what was refused may have had another reason.
   * @throws NoAwsCredentials when there are none, or none within the time limit
   */
  current(anew?: boolean): Promise<AwsCredentials>
}

export interface AwsCredentialOptions {
  /** What is asked. Default: the SDK's chain. */
  readonly ask?: () => Promise<AwsCredentials>
  /** Milliseconds for an answer. Default 4,000: less than a connection to the database may take. */
  readonly limitMs?: number
  /** Milliseconds since 1970. Default: the clock. */
  readonly now?: () => number
}

const LIMIT_MS = 4_000
/** As the SDK's own clients do: so long before they expire, others are asked for. */
const BEFORE_MS = 5 * 60_000
/** Between two askings, when what came was about to expire, or had. */
const AGAIN_MS = 1_000

export class NoAwsCredentials extends Error {
  constructor(reason: string, cause?: unknown) {
    super(`no AWS credentials: ${reason}`, { cause })
    this.name = 'NoAwsCredentials'
  }
}

export function createAwsCredentials(options: AwsCredentialOptions = {}): AwsCredentialSource {
  const { ask = askChain(), limitMs = LIMIT_MS, now = Date.now } = options
  let kept: { readonly credentials: AwsCredentials; readonly until: number } | undefined
  let asking: Promise<AwsCredentials> | undefined

  async function askOnce(): Promise<AwsCredentials> {
    const credentials = await within(limitMs, ask())
    const { expiration } = credentials
    const until =
      expiration === undefined
        ? Number.POSITIVE_INFINITY
        : Math.max(expiration.getTime() - BEFORE_MS, now() + AGAIN_MS)
    kept = { credentials, until }
    return credentials
  }

  return {
    async current(anew = false) {
      if (!anew && kept !== undefined && now() < kept.until) return kept.credentials
      asking ??= askOnce().finally(() => {
        asking = undefined
      })
      try {
        return await asking
      } catch (error) {
        // A source that is away for a moment takes nothing from those that are good for some minutes more.
        if (kept === undefined) throw error
        const { expiration } = kept.credentials
        if (expiration !== undefined && now() >= expiration.getTime()) throw error
        kept = { credentials: kept.credentials, until: now() + AGAIN_MS }
        return kept.credentials
      }
    },
  }
}

function askChain(): () => Promise<AwsCredentials> {
  // Loaded with the first that needs it: most installations have none.
  const loaded = import('@aws-sdk/credential-provider-node').then(({ defaultProvider }) => defaultProvider())
  loaded.catch(() => {})
  return async () => {
    const provide = await loaded
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = await provide({ forceRefresh: true })
    return {
      ...{ accessKeyId, secretAccessKey },
      ...(sessionToken === undefined ? {} : { sessionToken }),
      ...(expiration === undefined ? {} : { expiration }),
    }
  }
}

async function within(limitMs: number, asked: Promise<AwsCredentials>): Promise<AwsCredentials> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    const error = new NoAwsCredentials(`their source did not answer within ${limitMs / 1000} s`)
    timer = setTimeout(() => reject(error), limitMs)
  })
  // What comes too late is nobody's business any more.
  asked.catch(() => {})
  try {
    return await Promise.race([asked, late])
  } catch (cause) {
    if (cause instanceof NoAwsCredentials) throw cause
    throw new NoAwsCredentials('none in the environment, the shared files or a role', cause)
  } finally {
    clearTimeout(timer)
  }
}
