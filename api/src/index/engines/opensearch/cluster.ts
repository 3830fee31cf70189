// Talking to an OpenSearch cluster. What goes wrong there becomes one sentence that says what is wrong and what to do;
// what is worth another try is told apart from what is not. Nothing here knows passages.
import { Client, errors } from '@opensearch-project/opensearch'
import { notAllowed, reasonOfAws, type SignIn, unsigned } from './sign-in.ts'

export type TroubleKind =
  /** Not reached, or no answer in time. */
  | 'away'
  | 'sign-in'
  /** It takes no more for now (429). */
  | 'busy'
  /** It takes no changes until somebody makes room, or lifts a block. */
  | 'blocked'
  /** Shards are missing. */
  | 'red'
  | 'too-large'
  | 'missing'
  /** What was sent is wrong: another try ends alike. */
  | 'refused'

export class Trouble extends Error {
  readonly kind: TroubleKind
  /** As OpenSearch names it, such as `index_not_found_exception`. */
  readonly type: string

  constructor(kind: TroubleKind, sentence: string, options: { type?: string; cause?: unknown } = {}) {
    super(sentence, { cause: options.cause })
    this.name = 'Trouble'
    this.kind = kind
    this.type = options.type ?? ''
  }

  /** Whether the same may work later. */
  get passes(): boolean {
    return ['away', 'busy', 'blocked', 'red', 'sign-in'].includes(this.kind)
  }
}

export interface Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD'
  readonly path: string
  readonly query?: Readonly<Record<string, string | boolean | number>>
  readonly body?: object
  /** Lines of `_bulk` and `_msearch`, each a JSON text. */
  readonly lines?: readonly string[]
  /** Milliseconds for the answer. Default 10,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

const TIMEOUT_MS = 10_000

export class Cluster {
  readonly #client: Client
  /** Shown in sentences: the address without a password. */
  readonly #host: string
  readonly #signIn: SignIn | undefined

  /**
   * @param url http or https, with the user and password of basic sign-in where there is one; its path is not looked at
   * @param signIn signs every request; an address has no user then
   */
  constructor(url: string, signIn?: SignIn) {
    const { origin, host, username, password } = new URL(url)
    this.#host = host
    this.#signIn = signIn
    this.#client = new Client({
      node: origin,
      // Who asks knows how long a try is worth while.
      maxRetries: 0,
      ...(username === ''
        ? {}
        : { auth: { username: decodeURIComponent(username), password: decodeURIComponent(password) } }),
      ...signIn?.client,
    })
  }

  /** @returns the body. @throws Trouble, or the signal's reason */
  async send({ method, path, query, body, lines, timeoutMs, signal }: Request): Promise<unknown> {
    signal?.throwIfAborted()
    const params = {
      ...{ method, path },
      ...(query === undefined ? {} : { querystring: { ...query } }),
      ...(body === undefined ? {} : { body }),
      ...(lines === undefined ? {} : { bulkBody: `${lines.join('\n')}\n` }),
    }
    let abort = () => {}
    try {
      // Not by the client's own promise: aborted, it leaves a rejection that nobody can handle.
      return await new Promise((resolve, reject) => {
        const asked = this.#client.transport.request(
          params,
          { requestTimeout: timeoutMs ?? TIMEOUT_MS },
          (error, answer) => (error ? reject(error) : resolve(answer.body)),
        )
        abort = () => void asked.abort()
        signal?.addEventListener('abort', abort, { once: true })
      })
    } catch (error) {
      signal?.throwIfAborted()
      throw this.trouble(error)
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Of an error that the client threw. */
  trouble(error: unknown): Trouble {
    if (error instanceof errors.ResponseError)
      return this.refusal(error.statusCode, error.meta.body?.error ?? error.meta.body, error)
    const notSigned = unsigned(this.#host, error)
    if (notSigned !== undefined) return new Trouble('sign-in', notSigned, { cause: error })
    const name = error instanceof Error ? error.name : ''
    if (name === 'TimeoutError')
      return new Trouble('away', `OpenSearch at ${this.#host} does not answer in time.`, { cause: error })
    const why = error instanceof Error ? error.message : String(error)
    return new Trouble(
      'away',
      `OpenSearch at ${this.#host} can not be reached (${why}). See whether it runs, and OPENSEARCH_URL.`,
      { cause: error },
    )
  }

  /** Of a status and what an answer, or a part of one, says about it. */
  refusal(status: number, error: unknown, cause?: unknown): Trouble {
    const { type, reason } = firstCause(error)
    const told = (kind: TroubleKind, sentence: string) => new Trouble(kind, sentence, { type, cause })
    if (status === 401 || (status === 403 && !type.startsWith('cluster_block'))) {
      this.#signIn?.refused()
      return told(
        'sign-in',
        this.#signIn === undefined
          ? `OpenSearch at ${this.#host} refuses the sign-in (${status}). See the user and password in OPENSEARCH_URL and what they may do.`
          : notAllowed(this.#host, status, reason || reasonOfAws(error)),
      )
    }
    if (type.startsWith('cluster_block') && /read-only/.test(reason))
      return told(
        'blocked',
        `OpenSearch at ${this.#host} takes no changes: ${reason}. Its disk is nearly full, or somebody has blocked the index: make room; what waits is written then.`,
      )
    if (status === 429 || type === 'circuit_breaking_exception')
      return told('busy', `OpenSearch at ${this.#host} has too much to do (${type || status}).`)
    if (status === 413) return told('too-large', `OpenSearch at ${this.#host} takes no request of this size.`)
    if (status === 404) return told('missing', `OpenSearch at ${this.#host} has no such thing: ${reason}.`)
    if (status >= 500)
      return told(
        'red',
        `OpenSearch at ${this.#host} can not answer: ${reason || type || status}. See the cluster's health: shards may be missing (red).`,
      )
    return told('refused', `OpenSearch at ${this.#host} refuses the request: ${reason || type || status}.`)
  }

  async close(): Promise<void> {
    await this.#client.close()
  }
}

/** The innermost of an answer's errors: the outer ones only say that shards failed. */
function firstCause(error: unknown): { type: string; reason: string } {
  if (typeof error === 'string') return { type: '', reason: error }
  if (!isRecord(error)) return { type: '', reason: '' }
  const [root] = Array.isArray(error.root_cause) ? error.root_cause : []
  const from = isRecord(root) ? root : error
  return {
    type: typeof from.type === 'string' ? from.type : '',
    reason: typeof from.reason === 'string' ? from.reason : '',
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
