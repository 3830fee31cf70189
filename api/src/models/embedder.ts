// The embedder in this process: a queue in front of a few threads, each with a session of its own.
// Queries go before passages, and those before passages of the background, whatever waits. A passage's place is first
// come, first served: how documents share the threads is decided before they come here (ingest/shares.ts).
import { once } from 'node:events'
import os from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Logger } from 'pino'
import { EMBEDDER_WEIGHTS } from '../../../contract/weights.ts'
import { type Config, disableOnnxTelemetry } from '../config.ts'
import { AppError } from '../errors.ts'
import type { ThreadData, ThreadResult, ThreadTask } from './embedder-thread.ts'
import { readTokenizer, type Tokenizer } from './embedder-tokenizer.ts'
import type { Embedder, EmbedKind, WeightsIdentity } from './port.ts'
import { type FoundWeights, findWeights } from './weights.ts'

export interface EmbedderOptions {
  /** Sessions; about 90 MB each. 0: one for each core. */
  readonly threads: number
  /** Niceness of the threads, 0 to 19. Default 0. */
  readonly nice?: number
  readonly log: Logger
}

const DIMENSIONS = 384
const MAX_TOKENS = 512
const QUERY_PREFIX = 'Represent this sentence for searching relevant passages: '

export interface LocalEmbedder extends Embedder {
  readonly identity: WeightsIdentity
  /** Tokens of a text as the model counts them, without special ones. */
  countTokens(text: string): number
}

/**
 * Its threads start with the first text, or with `ready()`. Null without weights, or with ones that are not the pinned
 * bytes.
 */
export async function findEmbedder(
  config: Pick<Config, 'modelDir'>,
  options: EmbedderOptions,
): Promise<LocalEmbedder | null> {
  const found = await findWeights(config.modelDir)
  if (found.state === 'missing') {
    options.log.warn({ model: EMBEDDER_WEIGHTS.model }, 'no embedder weights')
    return null
  }
  if (found.state === 'wrong') {
    options.log.error(
      { model: EMBEDDER_WEIGHTS.model },
      'the embedder weights are not the pinned ones and are not used; fetch them again with npm run models',
    )
    return null
  }
  disableOnnxTelemetry()
  const threads = options.threads || os.availableParallelism()
  return new ThreadPool(found.weights, threads, options.nice ?? 0, options.log)
}

/** Found and ready. */
export async function startEmbedder(
  config: Pick<Config, 'modelDir'>,
  options: EmbedderOptions,
): Promise<LocalEmbedder | null> {
  const embedder = await findEmbedder(config, options)
  await embedder?.ready()
  return embedder
}

interface Waiting {
  readonly kind: EmbedKind
  readonly tokens: Int32Array
  readonly resolve: (vector: Float32Array) => void
  readonly reject: (error: unknown) => void
  aborted: boolean
  /** How many threads died with it. */
  deaths: number
}

interface Thread {
  readonly worker: Worker
  readonly running: Map<number, Waiting>
  ready: boolean
}

class ThreadPool implements LocalEmbedder {
  readonly identity: WeightsIdentity
  readonly window: number
  readonly #size: number
  readonly #tokenizer: Tokenizer
  readonly #data: ThreadData
  readonly #log: Logger
  readonly #queues: Readonly<Record<EmbedKind, Waiting[]>> = { query: [], passage: [], background: [] }
  #threads: Thread[] = []
  #starting: Promise<unknown> | undefined
  #nextId = 1
  #closed = false

  constructor(weights: FoundWeights, threads: number, nice: number, log: Logger) {
    this.identity = {
      model: EMBEDDER_WEIGHTS.model,
      sha256: weights.sha256,
      pooling: 'cls',
      queryPrefix: QUERY_PREFIX,
      dimensions: DIMENSIONS,
      maxTokens: MAX_TOKENS,
    }
    this.#tokenizer = readTokenizer(weights.tokenizer)
    this.#data = { model: weights.model, dimensions: DIMENSIONS, nice }
    this.#log = log
    this.#size = threads
    // One in work and one waiting for each thread, and some on their way here.
    this.window = 2 * threads + 2
  }

  async ready(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await this.close()
      throw error
    }
  }

  #start(): Promise<unknown> {
    const missing = { length: this.#size - this.#threads.length }
    this.#starting ??= Promise.all(Array.from(missing, () => this.#startThread()))
    return this.#starting
  }

  countTokens(text: string): number {
    return this.#tokenizer.count(text)
  }

  embed(text: string, kind: EmbedKind, signal?: AbortSignal): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError())
      if (signal?.aborted) return reject(signal.reason)
      // What can't start fails whoever waits for it, and is tried again with the next text.
      this.#start().catch((err: unknown) => this.#failAll(err))
      const queue = this.#queues[kind]
      const tokens = this.#tokenizer.encode(kind === 'query' ? QUERY_PREFIX + text : text, MAX_TOKENS)
      const waiting: Waiting = {
        kind,
        tokens: Int32Array.from(tokens),
        resolve: (vector) => {
          signal?.removeEventListener('abort', abort)
          resolve(vector)
        },
        reject: (error) => {
          signal?.removeEventListener('abort', abort)
          reject(error)
        },
        aborted: false,
        deaths: 0,
      }
      const abort = () => {
        // One that runs already is left to finish (a run can't be stopped); its vector is dropped.
        waiting.aborted = true
        reject(signal?.reason)
        const place = queue.indexOf(waiting)
        if (place >= 0) queue.splice(place, 1)
      }
      signal?.addEventListener('abort', abort, { once: true })
      queue.push(waiting)
      this.#feed()
    })
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const waiting of [
      ...this.#waiting(),
      ...this.#threads.flatMap((thread) => [...thread.running.values()]),
    ])
      waiting.reject(closedError())
    // Threads finish what they run (embedder-thread.ts says why); nobody waits for the result.
    await Promise.all(
      this.#threads.map(({ worker }) => {
        const gone = once(worker, 'exit')
        worker.postMessage('close')
        return gone
      }),
    )
  }

  #waiting(): Waiting[] {
    return Object.values(this.#queues).flatMap((queue) => queue.splice(0))
  }

  #failAll(err: unknown): void {
    if (this.#starting === undefined || this.#closed) return
    this.#starting = undefined
    this.#log.error({ err }, 'the embedder could not start')
    for (const waiting of this.#waiting()) waiting.reject(err)
  }

  /**
   * A thread gets its next passage while it still works on one, so that it never waits for this thread's event loop.
   * A query is not given to a thread that works on another query: the one that is free first gets it.
   */
  #feed(): void {
    for (let depth = 0; depth < 2; depth++)
      for (const thread of this.#threads) {
        if (!thread.ready || thread.running.size !== depth) continue
        const [current] = thread.running.values()
        const { query, passage, background } = this.#queues
        const first = current?.kind === 'query' ? undefined : query.shift()
        const next = first ?? passage.shift() ?? background.shift()
        if (next === undefined) continue
        const task: ThreadTask = { id: this.#nextId++, tokens: next.tokens }
        thread.running.set(task.id, next)
        thread.worker.postMessage(task)
      }
  }

  #startThread(): Promise<void> {
    const worker = new Worker(new URL('./embedder-thread.ts', import.meta.url), {
      workerData: this.#data,
      // The weights lie outside the heap; what is in it is tiny.
      resourceLimits: { maxOldGenerationSizeMb: 128 },
    })
    const thread: Thread = { worker, running: new Map(), ready: false }
    this.#threads.push(thread)
    return new Promise((resolve, reject) => {
      worker.on('message', (result: ThreadResult) => {
        if ('ready' in result) {
          thread.ready = true
          resolve()
        } else this.#settle(thread, result)
        this.#feed()
      })
      worker.on('error', (err) => this.#log.error({ err }, 'an embedder thread failed'))
      worker.on('exit', () => {
        this.#threads = this.#threads.filter((other) => other !== thread)
        if (this.#closed) return
        if (!thread.ready) return reject(new Error('an embedder thread could not start'))
        this.#replace(thread)
      })
    })
  }

  #settle(thread: Thread, result: Exclude<ThreadResult, { ready: true }>): void {
    const waiting = thread.running.get(result.id)
    thread.running.delete(result.id)
    if (waiting === undefined || waiting.aborted) return
    if ('vector' in result) waiting.resolve(result.vector)
    else waiting.reject(new Error(`the embedder failed: ${result.error}`))
  }

  /** What a dead thread had in hand is tried once more, by another. */
  #replace(dead: Thread): void {
    for (const waiting of dead.running.values())
      if (++waiting.deaths > 1) waiting.reject(new Error('the embedder failed: its thread died twice'))
      else if (!waiting.aborted) this.#queues.query.unshift(waiting)
    const restart = () => {
      if (this.#closed) return
      this.#startThread().catch((err) => {
        this.#log.error({ err }, 'an embedder thread could not be started again')
        setTimeout(restart, 5_000).unref()
      })
    }
    restart()
  }
}

function closedError(): AppError {
  return new AppError('UNAVAILABLE', { reason: 'the embedder is stopping' })
}
