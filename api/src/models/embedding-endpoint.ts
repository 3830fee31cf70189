// An embedder behind an OpenAI-compatible `/embeddings`: Workers AI (bge-m3), vLLM, Ollama, hosted ones. Passages go in
// batches, a few requests at a time; a query goes alone and at once. Passages of the background have at most half of the
// requests, and none while others wait. Texts and keys appear in no log and no error.
import type { Logger } from 'pino'
import { AppError } from '../errors.ts'
import { asEmbedderError, busy } from './embedder-error.ts'
import { readEmbeddings } from './embedding-reply.ts'
import { EndpointHealth, mayBeTheQuestion, mayBeTheTexts, PROBE, refusedText } from './endpoint-health.ts'
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
/** Texts that go alone: as many as a few requests have, lest an endpoint that was away for a while gets them all so. */
const MOST_SLOW = 512
/** When queries are waited for in vain, the next ones fail at once for so long: each searches by words then. */
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
  readonly #passageHealth: EndpointHealth
  readonly #queryHealth: EndpointHealth
  /** Texts of requests that ran out of time. Any may be what takes so long: each goes alone until it has its vector. */
  readonly #slow = new Set<string>()
  readonly #closed = new AbortController()
  #gathering: NodeJS.Timeout | undefined
  /** performance.now() before which the endpoint asked not to be asked. */
  #busyUntil = 0
  #queriesFrom = 0
  /** It was found to be away, and no query has succeeded since. */
  #queriesInVain = false

  constructor(outbound: Outbound, options: EmbeddingEndpointOptions) {
    this.identity = options.identity
    this.window = options.batch * options.parallel
    this.#outbound = outbound
    this.#options = options
    const { timeoutSeconds, queryTimeoutSeconds } = options
    const { passagePrefix, queryPrefix } = options.identity
    this.#passageHealth = new EndpointHealth(() => this.#request([passagePrefix + PROBE], timeoutSeconds))
    this.#queryHealth = new EndpointHealth(() => this.#request([queryPrefix + PROBE], queryTimeoutSeconds))
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
      this.#queriesInVain = false
      return vector
    } catch (error) {
      if (error instanceof AppError && error.status >= 500) this.#afterFailedQuery(error)
      throw error
    }
  }

  /** It may be this question that is too much for the endpoint: others are kept from it when a plain one fails, too. */
  #afterFailedQuery(error: AppError): void {
    const rest = () => {
      this.#queriesInVain = true
      this.#queriesFrom = performance.now() + QUERIES_REST_MS
    }
    if (this.#queriesInVain || !mayBeTheQuestion(error)) rest()
    else
      void this.#queryHealth.problem().then((problem) => {
        if (problem !== null) rest()
      })
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
        this.#send(this.#take(this.#waiting[kind])).finally(() => {
          this.#running[kind]--
          this.#gathering ??= setTimeout(() => this.#feed(), GATHER_MS)
        })
      }
  }

  #take(queue: Waiting[]): Waiting[] {
    const slow = queue.slice(0, this.#options.batch).findIndex(({ text }) => this.#slow.has(text))
    return queue.splice(0, slow === -1 ? this.#options.batch : Math.max(1, slow))
  }

  #hasRoom(kind: Batched): boolean {
    const { parallel } = this.#options
    const { passage, background } = this.#running
    if (passage + background >= parallel) return false
    return kind === 'passage' || (this.#waiting.passage.length === 0 && background < Math.ceil(parallel / 2))
  }

  /** Settles every text of the batch. One that the endpoint can make nothing of is found by halving: it fails alone. */
  async #send(batch: readonly Waiting[]): Promise<void> {
    try {
      await this.#attempt(batch)
    } catch (error) {
      await this.#sendApart(batch, error).catch((reason: unknown) => {
        // Those that have their vectors keep them.
        for (const waiting of batch) waiting.reject(reason)
      })
    }
  }

  /** @throws what is wrong with the endpoint, then or meanwhile: nothing that failed is held against a text */
  async #sendApart(batch: readonly Waiting[], error: unknown): Promise<void> {
    if (!mayBeTheTexts(error)) throw error
    await this.#mustBeWell()
    const failed = await this.#halve(batch)
    if (failed.length === 0) return
    await this.#mustBeWell()
    for (const [waiting, reason] of failed) waiting.reject(refusedText(reason))
  }

  async #mustBeWell(): Promise<void> {
    const problem = await this.#passageHealth.problem()
    if (problem !== null) throw problem
  }

  /**
   * Tries a batch that failed in smaller ones. At least once more, so that a moment's failure costs no text its vector.
   * @returns the texts that fail alone, and of what @throws AppError, of what no text is at fault for
   */
  async #halve(batch: readonly Waiting[]): Promise<(readonly [Waiting, AppError])[]> {
    const half = batch.length >> 1
    const failed: (readonly [Waiting, AppError])[] = []
    for (const part of [batch.slice(0, half), batch.slice(half)])
      try {
        await this.#attempt(part)
      } catch (error) {
        if (!mayBeTheTexts(error)) throw error
        const [first, ...others] = part
        if (first !== undefined && others.length === 0) failed.push([first, error])
        else failed.push(...(await this.#halve(part)))
      }
    return failed
  }

  /** One request for those of the texts that are still wanted. @throws AppError: then none has its vector */
  async #attempt(batch: readonly Waiting[]): Promise<void> {
    const wanted = batch.filter(({ gone }) => !gone)
    if (wanted.length === 0) return
    const stop = new AbortController()
    let left = wanted.length
    for (const waiting of wanted)
      waiting.leave = () => {
        if (--left === 0) stop.abort()
      }
    const texts = wanted.map(({ text }) => text)
    let vectors: Float32Array[]
    try {
      vectors = await this.#request(texts, this.#options.timeoutSeconds, stop.signal)
    } catch (error) {
      // Nobody is left to be told.
      if (stop.signal.aborted) return
      if (error instanceof AppError && error.code === 'EMBEDDER_STALLED') this.#remember(texts)
      throw error
    }
    for (const [i, waiting] of wanted.entries()) {
      this.#slow.delete(waiting.text)
      const vector = vectors[i]
      if (vector !== undefined) waiting.resolve(vector)
    }
  }

  #remember(slow: readonly string[]): void {
    for (const text of slow) this.#slow.add(text)
    for (const text of this.#slow)
      if (this.#slow.size > MOST_SLOW) this.#slow.delete(text)
      else return
  }

  /** @returns a vector for each text, in order @throws AppError, or the signal's reason */
  async #request(
    input: readonly string[],
    timeoutSeconds: number,
    signal?: AbortSignal,
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
