// One parser's process, seen from the ingest process: it is given one file at a time and is believed nothing.
// A parser that dies, grows too large or stops making progress takes down nothing but itself.
import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { childEnvironment } from '../../config.ts'
import { AppError } from '../../errors.ts'
import { DEFAULT_PASSAGE_TOKENS } from '../reading.ts'
import { type FileKind, mostText, type ParseRequest, type ParserMessage, parserMessage } from './port.ts'
import type { ParserCommand } from './sandbox.ts'

/** A page as it comes from a parser, its ranges checked. */
export interface PageOutput {
  readonly number: number
  readonly text: string
  /** gzip of the page's layout. */
  readonly layout: Buffer | null
  readonly passages: readonly {
    readonly start: number
    readonly end: number
    readonly tokens: number
    readonly heading: string
  }[]
}

export interface ParseResult {
  readonly kind: FileKind
  readonly pages: number
  readonly passages: number
  readonly tokens: number
  readonly language: string
}

export interface FileToParse {
  readonly filename: string
  readonly bytes: number
  /** Tokens that a passage should have. Default 200. */
  readonly passageTokens?: number
}

export interface ParseHooks {
  readonly onProgress: (pages: number, total: number | null) => void
  readonly onSplitting: (pages: number) => void
  readonly onPage: (page: PageOutput) => void
}

export interface ParserLimits {
  /** Milliseconds without any progress. */
  readonly idleMs: number
  /** Milliseconds for one file in all. */
  readonly totalMs: number
  /** Of the whole process. */
  readonly memoryBytes: number
}

/** The process died under a file, of itself or because it grew too large. Counted on the file's version. */
export class ParserCrash extends Error {
  readonly reason: string

  constructor(reason: string) {
    super(`a parser stopped: ${reason}`)
    this.name = 'ParserCrash'
    this.reason = reason
  }
}

const WATCH_MS = 500
const PAGE_BYTES = 4096

export class ParserChild {
  readonly #process: ChildProcess
  readonly #exited: Promise<string>
  #exit: string | null = null
  #onMessage: ((message: ParserMessage) => void) | undefined
  #onBroken: ((error: Error) => void) | undefined
  #nextId = 1
  files = 0
  busy = false
  /** Of the process, as it said after its last file. */
  memory = 0

  constructor(command: ParserCommand) {
    // Its output goes nowhere: a library's warning may quote the document.
    this.#process = spawn(command.file, command.args, {
      stdio: ['pipe', 'ignore', 'ignore', 'ipc'],
      env: childEnvironment(),
      cwd: '/',
    })
    this.#exited = new Promise((resolve) => {
      const end = (reason: string) => {
        this.#exit ??= reason
        resolve(this.#exit)
      }
      this.#process.once('exit', (code, signal) => end(signal ?? `exit code ${code}`))
      this.#process.once('error', (error) => end(`it could not be started (${error.name})`))
    })
    // EPIPE of a child that died: its exit tells more.
    this.#process.stdin?.on('error', () => {})
    this.#process.on('message', (raw) => {
      const message = parserMessage.safeParse(raw)
      if (message.success) this.#onMessage?.(message.data)
      else this.#onBroken?.(new ParserCrash('it sent something that is no message'))
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  get alive(): boolean {
    return this.#exit === null
  }

  /** Resolves once it can take a file. @throws ParserCrash when it died before, or after `timeoutMs` */
  async ready(timeoutMs: number): Promise<void> {
    await this.#until(timeoutMs, (resolve) => {
      this.#onMessage = (message) => {
        if (message.type === 'ready') resolve(undefined)
      }
    })
  }

  /**
   * Gives it a file. When this rejects, the process is gone.
   * @throws AppError with the file's code; ParserCrash; whatever reading `body` throws; the signal's reason
   */
  async parse(
    file: FileToParse & { readonly body: Readable },
    hooks: ParseHooks,
    limits: ParserLimits,
    signal: AbortSignal,
  ): Promise<ParseResult> {
    this.files++
    this.busy = true
    let touched = Date.now()
    const checks = new PageChecks(mostText(file.bytes))
    const stop = new AbortController()
    const stopped = AbortSignal.any([signal, stop.signal])
    const onAbort = () => this.#onBroken?.(asError(signal.reason))
    signal.addEventListener('abort', onAbort, { once: true })
    const watch = setInterval(async () => {
      if (Date.now() - touched > limits.idleMs) this.#onBroken?.(new AppError('FILE_PARSE_TIMEOUT'))
      const memory = await residentBytes(this.pid)
      if (memory !== null && memory > limits.memoryBytes)
        this.#onBroken?.(new ParserCrash('it used too much memory'))
    }, WATCH_MS)
    try {
      signal.throwIfAborted()
      return await this.#until(limits.totalMs, (resolve, reject) => {
        const written = Promise.withResolvers<void>()
        this.#onMessage = (message) => {
          touched = Date.now()
          try {
            // What `body` says at its end counts, however fast the parser was: the file may not be what was stored.
            const done = (result: ParseResult) => void written.promise.then(() => resolve(result))
            this.#hear(message, hooks, checks, done, reject)
          } catch (error) {
            this.kill()
            reject(error)
          }
        }
        const { filename, bytes, passageTokens = DEFAULT_PASSAGE_TOKENS } = file
        this.#process.send({ id: this.#nextId++, filename, bytes, passageTokens } satisfies ParseRequest)
        this.#write(file.body, file.bytes, stopped, () => {
          touched = Date.now()
        }).then(written.resolve, (error: unknown) => {
          this.kill()
          reject(error)
        })
      })
    } catch (error) {
      // A file's failure is an answer like any other: the process goes on. Anything else ends it.
      if (!(error instanceof AppError) || error.code === 'FILE_PARSE_TIMEOUT') this.kill()
      throw error
    } finally {
      clearInterval(watch)
      signal.removeEventListener('abort', onAbort)
      stop.abort()
      file.body.destroy()
      this.busy = false
      this.#onMessage = undefined
      this.#onBroken = undefined
    }
  }

  kill(): void {
    this.#exit ??= 'killed'
    this.#process.kill('SIGKILL')
  }

  /** Ends it and waits until it is gone. */
  async close(): Promise<void> {
    this.kill()
    await this.#exited
  }

  #hear(
    message: ParserMessage,
    hooks: ParseHooks,
    checks: PageChecks,
    resolve: (result: ParseResult) => void,
    reject: (error: Error) => void,
  ): void {
    switch (message.type) {
      case 'progress':
        hooks.onProgress(message.pages, message.total)
        break
      case 'splitting':
        hooks.onSplitting(message.pages)
        break
      case 'page':
        hooks.onPage(checks.page(message))
        break
      case 'done':
        checks.done(message)
        this.memory = message.memory
        resolve(message)
        break
      case 'failed':
        reject(new AppError(message.code, message.detail))
        break
      case 'ready':
        throw new ParserCrash('it said it was ready in the middle of a file')
    }
  }

  async #write(body: Readable, bytes: number, signal: AbortSignal, onChunk: () => void): Promise<void> {
    const stdin = this.#process.stdin
    if (stdin === null) throw new ParserCrash('it has no stdin')
    let sent = 0
    for await (const chunk of body) {
      signal.throwIfAborted()
      sent += chunk.length
      if (sent > bytes) break
      onChunk()
      if (!stdin.write(chunk))
        await new Promise<void>((resolve) => {
          const go = () => {
            stdin.off('drain', go)
            signal.removeEventListener('abort', go)
            resolve()
          }
          stdin.on('drain', go)
          signal.addEventListener('abort', go)
        })
    }
    if (sent !== bytes && !signal.aborted)
      throw new Error('the stored file has not the length it was stored with')
  }

  /** Whatever comes first: the work, a break, the process' end, the time limit. */
  async #until<T>(
    timeoutMs: number,
    work: (resolve: (value: T) => void, reject: (error: unknown) => void) => void,
  ): Promise<T> {
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#onBroken = reject
        timer = setTimeout(() => reject(new AppError('FILE_PARSE_TIMEOUT')), timeoutMs)
        this.#exited.then((reason) => reject(new ParserCrash(reason)))
        work(resolve, reject)
      })
    } finally {
      clearTimeout(timer)
    }
  }
}

/** What is kept beside the text (layouts, headings, the passages themselves) may be this many times as much. */
const BESIDE_TEXT = 4
/** What a page or a passage costs, however short it is. */
const OVERHEAD = 100

/** A parser's pages come in order and end, their passages are ranges of their text, in order and apart. */
class PageChecks {
  readonly #mostText: number
  #pages = 0
  #passages = 0
  #text = 0
  #beside = 0

  constructor(most: number) {
    this.#mostText = most
  }

  page(message: Extract<ParserMessage, { type: 'page' }>): PageOutput {
    if (message.number !== ++this.#pages) throw new ParserCrash('its pages are not in order')
    // What PostgreSQL would refuse has no business here either.
    if (message.text.includes('\0') || !message.text.isWellFormed())
      throw new ParserCrash('its text is not text')
    this.#weigh(message)
    let before = 0
    const passages = message.passages.map(([start, end, tokens, index]) => {
      const heading = message.headings[index]
      if (start < before || end <= start || end > message.text.length || heading === undefined)
        throw new ParserCrash('its passages are no ranges of its text')
      before = end
      this.#passages++
      return { start, end, tokens, heading: heading.replaceAll('\0', '').toWellFormed() }
    })
    return {
      number: message.number,
      text: message.text,
      layout: message.layout === null ? null : Buffer.from(message.layout, 'base64'),
      passages,
    }
  }

  /** An honest parser counts by itself and never comes here. */
  #weigh({ text, layout, headings, passages }: Extract<ParserMessage, { type: 'page' }>): void {
    this.#text += text.length
    this.#beside += (layout?.length ?? 0) + OVERHEAD * (1 + passages.length)
    for (const heading of headings) this.#beside += heading.length
    if (this.#text > this.#mostText || this.#beside > BESIDE_TEXT * this.#mostText)
      throw new AppError('FILE_TOO_COMPLEX')
  }

  done(message: Extract<ParserMessage, { type: 'done' }>): void {
    if (message.pages !== this.#pages || message.passages !== this.#passages)
      throw new ParserCrash('its counts do not add up')
  }
}

/** Null where the system does not tell. */
async function residentBytes(pid: number | undefined): Promise<number | null> {
  if (pid === undefined || process.platform !== 'linux') return null
  try {
    const statm = await readFile(`/proc/${pid}/statm`, 'latin1')
    return Number(statm.split(' ')[1]) * PAGE_BYTES
  } catch {
    return null
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}
