// Warm parsers: a small number of processes that wait for files, each replaced after some files or once it has grown.
// Small files and large ones have places of their own, so that the one never waits for the other.
import type { Readable } from 'node:stream'
import type { Logger } from 'pino'
import { AppError } from '../../errors.ts'
import type { FileToParse, ParseHooks, ParseResult, ParserLimits } from './child.ts'
import { ParserChild } from './child.ts'
import { isPermitted, parserCommand, type Wrapper, wrappers } from './sandbox.ts'

export interface ParserPoolOptions {
  readonly log: Logger
  /** tokenizer.json of the embedder, or null: token counts are estimates then. */
  readonly tokenizer: string | null
  /** Processes at most. */
  readonly size: number
  readonly limits?: Partial<ParserLimits>
  /** Strongest first. Default: what this platform has. */
  readonly wrappers?: readonly Wrapper[]
  /** How long the first parser may take to start. Default 60 s. */
  readonly startMs?: number
}

export interface ParserPool {
  /** @see ParserChild.parse for what it throws */
  parse(
    file: FileToParse & { readonly body: () => Promise<Readable> },
    hooks: ParseHooks,
    signal: AbortSignal,
  ): Promise<ParseResult>
  /** How the parsers are locked up, for the log and for tests. */
  readonly sandbox: Wrapper
  /** Process ids of the parsers alive; only of those that have a file in hand, when asked so. */
  pids(which?: 'busy'): number[]
  close(): Promise<void>
}

const HEAP_MEGABYTES = 1536
const LIMITS: ParserLimits = {
  idleMs: 120_000,
  totalMs: 60 * 60_000,
  memoryBytes: 2048 * 1024 * 1024,
}
const START_MS = 60_000
const RESTART_MS = 1_000
/** Parsers beyond the first that had nothing to do for this long are let go. */
const SPARE_MS = 60_000
/** A parser is replaced after this many files… */
const FILES = 200
/** …or once it holds this much after one. */
const GROWN_BYTES = 400 * 1024 * 1024

/**
 * Finds the strongest sandbox that starts, and has one parser warm when it resolves.
 * @throws Error when none starts. Where the network can be taken away, a parser that does not start without it (a machine
 *   that is too busy) is no reason to leave it the network
 */
export async function startParserPool(options: ParserPoolOptions): Promise<ParserPool> {
  const { log, tokenizer, startMs = START_MS } = options
  let cause: unknown
  let canCutOff = false
  for (const wrapper of options.wrappers ?? wrappers(process.platform, process.getuid?.())) {
    if (wrapper.network && canCutOff) break
    if (!(await isPermitted(wrapper))) {
      log.debug({ sandbox: wrapper.name }, 'this sandbox is not permitted here')
      continue
    }
    canCutOff ||= !wrapper.network
    const child = new ParserChild(parserCommand(wrapper, tokenizer, HEAP_MEGABYTES))
    try {
      await child.ready(startMs)
      log.info({ sandbox: wrapper.name }, 'parsers start')
      if (wrapper.network)
        log.warn({ sandbox: wrapper.name }, 'the network could not be taken away from the parsers')
      return new Pool(options, wrapper, child)
    } catch (err) {
      await child.close()
      cause = err
      log.warn({ err, sandbox: wrapper.name }, 'no parser starts in this sandbox')
    }
  }
  throw new Error(`no parser could be started${canCutOff ? ' without network' : ''}`, { cause })
}

class Pool implements ParserPool {
  readonly sandbox: Wrapper
  readonly #options: ParserPoolOptions
  readonly #limits: ParserLimits
  readonly #all = new Set<ParserChild>()
  readonly #idle: ParserChild[] = []
  readonly #waiting: ((child: ParserChild | Error) => void)[] = []
  #starting = 0
  #closed = false

  constructor(options: ParserPoolOptions, sandbox: Wrapper, first: ParserChild) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.sandbox = sandbox
    this.#all.add(first)
    this.#idle.push(first)
  }

  pids(which?: 'busy'): number[] {
    return [...this.#all].flatMap((child) =>
      child.alive && child.pid !== undefined && (which === undefined || child.busy) ? [child.pid] : [],
    )
  }

  async parse(
    file: FileToParse & { readonly body: () => Promise<Readable> },
    hooks: ParseHooks,
    signal: AbortSignal,
  ): Promise<ParseResult> {
    const child = await this.#take(signal)
    try {
      return await child.parse({ ...file, body: await file.body() }, hooks, this.#limits, signal)
    } finally {
      this.#giveBack(child)
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const waiting of this.#waiting.splice(0))
      waiting(new AppError('UNAVAILABLE', { reason: 'the parsers are stopping' }))
    await Promise.all([...this.#all].map((child) => child.close()))
    this.#all.clear()
  }

  async #take(signal: AbortSignal): Promise<ParserChild> {
    signal.throwIfAborted()
    for (let child = this.#idle.pop(); child !== undefined; child = this.#idle.pop()) {
      if (child.alive) return child
      this.#all.delete(child)
    }
    return await new Promise<ParserChild>((resolve, reject) => {
      const settle = (child: ParserChild | Error) => {
        signal.removeEventListener('abort', abort)
        if (child instanceof Error) reject(child)
        else resolve(child)
      }
      const abort = () => {
        const place = this.#waiting.indexOf(settle)
        if (place >= 0) this.#waiting.splice(place, 1)
        reject(signal.reason)
      }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.push(settle)
      this.#fill()
    })
  }

  /** Starts as many as are waited for, and at least one to be warm. */
  #fill(): void {
    while (
      !this.#closed &&
      this.#all.size < this.#options.size &&
      this.#starting + this.#idle.length < Math.max(1, this.#waiting.length)
    )
      this.#start()
  }

  #start(): void {
    const child = new ParserChild(parserCommand(this.sandbox, this.#options.tokenizer, HEAP_MEGABYTES))
    this.#all.add(child)
    this.#starting++
    child.ready(START_MS).then(
      () => {
        this.#starting--
        this.#offer(child)
      },
      async (err: unknown) => {
        this.#starting--
        this.#all.delete(child)
        await child.close()
        if (this.#closed) return
        // Whoever waits goes on waiting: this is the machine's trouble, not the file's.
        this.#options.log.warn({ err }, 'a parser did not start and is started again')
        setTimeout(() => this.#fill(), RESTART_MS)
      },
    )
  }

  #giveBack(child: ParserChild): void {
    if (this.#closed) return
    if (child.alive && child.files < FILES && child.memory < GROWN_BYTES) {
      this.#offer(child)
      return
    }
    this.#all.delete(child)
    child.kill()
    this.#fill()
  }

  #offer(child: ParserChild): void {
    const next = this.#waiting.shift()
    if (next !== undefined) {
      next(child)
      return
    }
    this.#idle.push(child)
    if (this.#idle.length === 1) return
    // The one that idles longest is let go, unless it got a file meanwhile.
    const [spare] = this.#idle
    const files = spare?.files
    setTimeout(() => {
      if (spare === undefined || spare.files !== files || this.#idle.length < 2) return
      const place = this.#idle.indexOf(spare)
      if (place < 0) return
      this.#idle.splice(place, 1)
      this.#all.delete(spare)
      spare.kill()
    }, SPARE_MS).unref()
  }
}
