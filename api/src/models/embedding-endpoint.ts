// An embedder behind an OpenAI-compatible `/embeddings`: Workers AI (bge-m3), vLLM, Ollama, hosted ones. Passages go in
// batches, a few requests at a time; a query goes alone and at once. Passages of the background have at most half of the
// requests, and none while others wait. Texts and keys appear in no log and no error.
import type { Logger } from 'pino'
import { AppError } from '../errors.ts'
import { asEmbedderError, busy } from './embedder-error.ts'
import { readEmbeddings } from './embedding-reply.ts'
import type { Outbound } from './outbound.ts'
import type { Embedder, EmbedKind, EndpointIdentity } from './port.ts'

export interface EmbeddingEndpointOptions {
  /** Of EMBEDDERS, for the log. */
  readonly id: string
  /** Up to and without `/embeddings`. */
  readonly url: string
  readonly apiKey: string | undefined
  readonly identity: EndpointIdentity
  /** Texts of one request. */
  readonly batch: number
  /** Requests at a time. */
  readonly parallel: number
  readonly timeoutSeconds: number
  readonly queryTimeoutSeconds: number
  readonly log: Logger
}

interface Waiting {
  readonly text: string
  readonly resolve: (vector: Float32Array) => void
  readonly reject: (error: unknown) => void
  /** Tells the request that it is in, if it is in one, that it is not wanted any more. */
  leave: () => void
  gone: boolean
}

type Batched = Exclude<EmbedKind, 'query'>

/** Until a batch that is not full is sent: those who wait for a reply bring their next texts within moments. */
const GATHER_MS = 5
/** After a query was waited for in vain, the next ones fail at once for so long: each searches by words then. */
const QUERIES_REST_MS = 2_000

export function createEmbeddingEndpoint(outbound: Outbound, options: EmbeddingEndpointOptions): Embedder {
  return new EmbeddingEndpoint(outbound, options)
}

class EmbeddingEndpoint implements Embedder {
  readonly identity: EndpointIdentity
  readonly window: number
  readonly #outbound: Outbound
  readonly #options: EmbeddingEndpointOptions
  readonly #waiting: Record<Batched, Waiting[]> = { passage: [], background: [] }
  readonly #running: Record<Batched, number> = { passage: 0, background: 0 }
  readonly #closed = new AbortController()
  #gathering: NodeJS.Timeout | undefined
  /** performance.now() before which the endpoint asked not to be asked. */
  #busyUntil = 0
  #queriesFrom = 0

  constructor(outbound: Outbound, options: EmbeddingEndpointOptions) {
    this.identity = options.identity
    this.window = options.batch * options.parallel
    this.#outbound = outbound
    this.#options = options
  }

  async ready(): Promise<void> {}

  async embed(text: string, kind: EmbedKind, signal?: AbortSignal): Promise<Float32Array> {
    if (this.#closed.signal.aborted) throw closed()
    signal?.throwIfAborted()
    if (kind === 'query') return await this.#query(this.identity.queryPrefix + text, signal)
    return await this.#passage(this.identity.passagePrefix + text, kind, signal)
  }

  async close(): Promise<void> {
    this.#closed.abort(closed())
    clearTimeout(this.#gathering)
    for (const queue of Object.values(this.#waiting))
      for (const waiting of queue.splice(0)) waiting.reject(closed())
  }

  async #query(text: string, signal: AbortSignal | undefined): Promise<Float32Array> {
    if (performance.now() < this.#queriesFrom)
      throw new AppError(
        'EMBEDDER_UNAVAILABLE',
        {},
        { internal: `${this.#options.id}: rests after a failure` },
      )
    try {
      const [vector] = await this.#request([text], this.#options.queryTimeoutSeconds, signal)
      if (vector === undefined) throw new AppError('EMBEDDER_BROKEN', { reason: 'no vector' })
      return vector
    } catch (error) {
      if (error instanceof AppError && error.status >= 500)
        this.#queriesFrom = performance.now() + QUERIES_REST_MS
      throw error
    }
  }

  #passage(text: string, kind: Batched, signal: AbortSignal | undefined): Promise<Float32Array> {
    const left = this.#busyUntil - performance.now()
    if (left > 0) return Promise.reject(busy(this.#options.id, left / 1_000))
    return new Promise((resolve, reject) => {
      const settled = () => signal?.removeEventListener('abort', abort)
      const waiting: Waiting = {
        text,
        gone: false,
        leave: () => {},
        resolve: (vector) => {
          settled()
          resolve(vector)
        },
        reject: (error) => {
          settled()
          reject(error)
        },
      }
      const abort = () => {
        waiting.gone = true
        const place = this.#waiting[kind].indexOf(waiting)
        if (place >= 0) this.#waiting[kind].splice(place, 1)
        else waiting.leave()
        waiting.reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#waiting[kind].push(waiting)
      this.#gathering ??= setTimeout(() => this.#feed(), GATHER_MS)
    })
  }

  #feed(): void {
    this.#gathering = undefined
    if (this.#closed.signal.aborted) return
    for (const kind of ['passage', 'background'] as const)
      while (this.#waiting[kind].length > 0 && this.#hasRoom(kind)) {
        this.#running[kind]++
        const batch = this.#waiting[kind].splice(0, this.#options.batch)
        this.#send(batch).finally(() => {
          this.#running[kind]--
          this.#gathering ??= setTimeout(() => this.#feed(), GATHER_MS)
        })
      }
  }

  #hasRoom(kind: Batched): boolean {
    const { parallel } = this.#options
    const { passage, background } = this.#running
    if (passage + background >= parallel) return false
    return kind === 'passage' || (this.#waiting.passage.length === 0 && background < Math.ceil(parallel / 2))
  }

  /** Settles every text of the batch. One that is refused is found by halving, so that it fails alone. */
  async #send(batch: readonly Waiting[]): Promise<void> {
    const wanted = batch.filter(({ gone }) => !gone)
    if (wanted.length === 0) return
    const stop = new AbortController()
    let left = wanted.length
    for (const waiting of wanted)
      waiting.leave = () => {
        if (--left === 0) stop.abort()
      }
    try {
      const texts = wanted.map(({ text }) => text)
      const vectors = await this.#request(texts, this.#options.timeoutSeconds, stop.signal)
      for (const [i, waiting] of wanted.entries()) {
        const vector = vectors[i]
        if (vector !== undefined) waiting.resolve(vector)
      }
    } catch (error) {
      const refused = error instanceof AppError && error.code === 'EMBEDDER_REFUSED_TEXT'
      if (!refused || wanted.length === 1) {
        for (const waiting of wanted) waiting.reject(error)
        return
      }
      const half = wanted.length >> 1
      await this.#send(wanted.slice(0, half))
      await this.#send(wanted.slice(half))
    }
  }

  /** @returns a vector for each text, in order @throws AppError, or the signal's reason */
  async #request(
    input: readonly string[],
    timeoutSeconds: number,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array[]> {
    const { id, url, apiKey, identity, log } = this.#options
    const late = AbortSignal.timeout(timeoutSeconds * 1_000)
    const signals = [late, this.#closed.signal, ...(signal === undefined ? [] : [signal])]
    try {
      const response = await this.#outbound.request(`${url.replace(/\/$/, '')}/embeddings`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json',
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body: JSON.stringify({ model: identity.model, input }),
        signal: AbortSignal.any(signals),
      })
      return await readEmbeddings(response, { id, texts: input.length, dimensions: identity.dimensions })
    } catch (thrown) {
      if (signal?.aborted) throw signal.reason
      if (this.#closed.signal.aborted) throw closed()
      const error = late.aborted
        ? new AppError('EMBEDDER_STALLED', {}, { internal: `${id}: ${timeoutSeconds} s` })
        : asEmbedderError(thrown, id)
      if (error.code === 'EMBEDDER_BUSY')
        this.#busyUntil = performance.now() + Number(error.detail.seconds ?? 1) * 1_000
      log.warn({ embedder: id, code: error.code, reason: error.internal }, 'a request for vectors failed')
      throw error
    }
  }
}

function closed(): AppError {
  return new AppError('UNAVAILABLE', { reason: 'the embedder is stopping' })
}
