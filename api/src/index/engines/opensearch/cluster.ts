// Talking to an OpenSearch cluster. What goes wrong there becomes one sentence that says what is wrong and what to do;
// what is worth another try is told apart from what is not, and gets it while that is fair (retry.ts); a cluster that is
// away is not waited for (breaker.ts). Nothing here knows passages.
import { setTimeout as sleep } from 'node:timers/promises'
import { Client, errors } from '@opensearch-project/opensearch'
import { readAddress } from './address.ts'
import { Breaker } from './breaker.ts'
import { Nodes } from './nodes.ts'
import { backoffMs, RetryBudget, retryAfterMs } from './retry.ts'
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
  /** Milliseconds that the cluster asks to be left alone for, where it says so. */
  readonly retryAfterMs: number | undefined

  constructor(
    kind: TroubleKind,
    sentence: string,
    options: { type?: string; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(sentence, { cause: options.cause })
    this.name = 'Trouble'
    this.kind = kind
    this.type = options.type ?? ''
    this.retryAfterMs = options.retryAfterMs
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
  /** Whether sending it twice is as sending it once: only then is it tried again. Default: GET and HEAD are. */
  readonly idempotent?: boolean
  /** Milliseconds for the answer, all tries and the time between them together. Default 10,000. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}

const TIMEOUT_MS = 10_000
const TRIES = 3
const BACKOFF_MS = { first: 100, most: 2_000 } as const
const PROBE_MS = 2_000
/** The answers of what stands between here and the cluster. */
const GATEWAY = [502, 503, 504]

export class Cluster {
  readonly #client: Client
  /** Shown in sentences: the addresses without a password. */
  readonly #host: string
  readonly #signIn: SignIn | undefined
  readonly #budget = new RetryBudget()
  readonly #breaker: Breaker<Trouble>
  readonly #stop = new AbortController()
  /** Called when the cluster answers again after nobody has waited for it for a while. */
  returned: () => void = () => {}
  /** performance.now() of the last answer to whoever has asked, whatever it said; of the beginning before there was one. */
  answeredAt = performance.now()

  /**
   * @param url as OPENSEARCH_URL (address.ts); the name of the index in it is not looked at
   * @param signIn signs every request; an address has no user then
   */
  constructor(url: string, signIn?: SignIn) {
    const { nodes, user } = readAddress(url)
    this.#host = nodes.map((node) => new URL(node).host).join(', ')
    this.#signIn = signIn
    this.#client = new Client({
      nodes: [...nodes],
      ConnectionPool: Nodes,
      // Who asks knows how long a try is worth while.
      maxRetries: 0,
      ...(user === null ? {} : { auth: user }),
      ...signIn?.client,
    })
    this.#breaker = new Breaker({ probe: () => this.#probe(), closed: () => this.returned() })
  }

  /**
   * @param check throws Trouble about an answer whose parts have failed: as if the whole had
   * @returns the body. @throws Trouble, at once while the cluster is away; or the signal's reason
   */
  async send(request: Request, check: (body: unknown) => void = () => {}): Promise<unknown> {
    const { method, timeoutMs = TIMEOUT_MS, signal } = request
    const until = performance.now() + timeoutMs
    const tries = (request.idempotent ?? ['GET', 'HEAD'].includes(method)) ? TRIES : 1
    signal?.throwIfAborted()
    if (this.#breaker.why === null) this.#budget.asked()
    for (let n = 1; ; n++) {
      const left = until - performance.now()
      try {
        // A node that says nothing leaves time to ask another.
        return await this.#try(request, check, n === tries ? left : left / 2)
      } catch (error) {
        signal?.throwIfAborted()
        if (!(error instanceof Trouble) || n === tries || !worthAnother(error)) throw error
        const wait = Math.max(backoffMs(n - 1, BACKOFF_MS.first, BACKOFF_MS.most), error.retryAfterMs ?? 0)
        if (performance.now() + wait >= until || this.#breaker.why !== null || !this.#budget.take())
          throw error
        await sleep(wait, undefined, { signal }).catch(() => signal?.throwIfAborted())
      }
    }
  }

  async #try(request: Request, check: (body: unknown) => void, timeoutMs: number): Promise<unknown> {
    const { why } = this.#breaker
    if (why !== null) throw new Trouble('away', why.message, { type: why.type, cause: why })
    let answer: unknown
    try {
      answer = await this.#ask(request, timeoutMs)
      this.#answered()
    } catch (error) {
      request.signal?.throwIfAborted()
      const trouble = this.trouble(error)
      if (trouble.kind === 'away') this.#breaker.failed(trouble)
      else this.#answered()
      throw trouble
    }
    check(answer)
    return answer
  }

  #answered(): void {
    this.answeredAt = performance.now()
    this.#breaker.answered()
  }

  async #ask(
    { method, path, query, body, lines, signal }: Omit<Request, 'timeoutMs'>,
    timeoutMs: number,
  ): Promise<unknown> {
    const params = {
      ...{ method, path },
      ...(query === undefined ? {} : { querystring: { ...query } }),
      ...(body === undefined ? {} : { body }),
      ...(lines === undefined ? {} : { bulkBody: `${lines.join('\n')}\n` }),
    }
    const ms = Math.max(1, Math.ceil(timeoutMs))
    let abort = () => {}
    let late = false
    let timer: NodeJS.Timeout | undefined
    try {
      // Not by the client's own promise: aborted, it leaves a rejection that nobody can handle.
      return await new Promise((resolve, reject) => {
        const asked = this.#client.transport.request(params, { requestTimeout: ms }, (error, answer) => {
          if (!error) return resolve(answer.body)
          // As the client does when its own time is over first, which begins with the connection.
          const connection = late ? answer.meta.connection : undefined
          if (connection?.status === 'alive') this.#client.connectionPool.markDead(connection)
          reject(error)
        })
        abort = () => void asked.abort()
        signal?.addEventListener('abort', abort, { once: true })
        // The client's own time is that of a silent socket: an answer that drips has no end.
        timer = setTimeout(() => {
          late = true
          abort()
        }, ms + 50)
      })
    } catch (error) {
      throw late ? new DOMException('no whole answer in time', 'TimeoutError') : error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  /** Any answer is one, also that it may not ask. */
  async #probe(): Promise<boolean> {
    try {
      await this.#ask({ method: 'GET', path: '/', signal: this.#stop.signal }, PROBE_MS)
      return true
    } catch (error) {
      return this.trouble(error).kind !== 'away'
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
    const headers = cause instanceof errors.ResponseError ? cause.headers : null
    const again = retryAfterMs(headers?.['retry-after'])
    const told = (kind: TroubleKind, sentence: string) =>
      new Trouble(kind, sentence, { type, cause, retryAfterMs: again })
    if (status === 401 || (status === 403 && !type.startsWith('cluster_block'))) {
      this.#signIn?.refused()
      return told(
        'sign-in',
        this.#signIn === undefined
          ? `OpenSearch at ${this.#host} refuses the sign-in (${status}). See the user and password in OPENSEARCH_URL and what they may do.`
          : notAllowed(this.#host, status, reason || reasonOfAws(error)),
      )
    }
    if (type.startsWith('cluster_block') && status < 500)
      return told(
        'blocked',
        `OpenSearch at ${this.#host} takes no changes: ${reason}. Its disk is nearly full, or somebody has blocked the index: make room; what waits is written then.`,
      )
    if (status === 429 || type === 'circuit_breaking_exception')
      return told('busy', `OpenSearch at ${this.#host} has too much to do (${type || status}).`)
    if (status === 413) return told('too-large', `OpenSearch at ${this.#host} takes no request of this size.`)
    if (status === 404) return told('missing', `OpenSearch at ${this.#host} has no such thing: ${reason}.`)
    // The cluster itself would say more than a number.
    if (GATEWAY.includes(status) && type === '')
      return told('away', `OpenSearch at ${this.#host} does not answer (${status}).`)
    if (status >= 500)
      return told(
        'red',
        `OpenSearch at ${this.#host} can not answer: ${reason || type || status}. See the cluster's health: shards may be missing (red).`,
      )
    return told('refused', `OpenSearch at ${this.#host} refuses the request: ${reason || type || status}.`)
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#breaker.close()
    await this.#client.close()
  }
}

/** Not what a person has to put right first. */
function worthAnother({ kind }: Trouble): boolean {
  return kind === 'away' || kind === 'busy' || kind === 'red'
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
