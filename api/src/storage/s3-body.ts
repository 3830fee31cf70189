// A blob on its way from S3: what came is counted, so that a connection that broke is an error and never a short blob;
// destroying it, when whoever reads has gone, ends the request at S3's end too.
import { Readable } from 'node:stream'
import { noAnswer } from './s3-errors.ts'

/** Without a byte, while somebody waits for one. A reader that is slow itself is not counted. */
const STALL_MS = 30_000

export class S3Body extends Readable {
  readonly #source: Readable
  readonly #expected: number
  readonly #what: string
  #received = 0
  #stall: NodeJS.Timeout | undefined

  /** @param what for the log */
  constructor(source: Readable, expectedBytes: number, what: string) {
    super({ highWaterMark: 256 * 1024 })
    this.#source = source
    this.#expected = expectedBytes
    this.#what = what
    source.on('data', this.#take).on('end', this.#end).on('error', this.#fail).on('close', this.#closed)
    source.pause()
  }

  readonly #take = (chunk: Buffer) => {
    this.#received += chunk.length
    this.#stall?.refresh()
    if (this.push(chunk)) return
    this.#source.pause()
    this.#waitNoMore()
  }

  readonly #end = () => {
    this.#waitNoMore()
    if (this.#received === this.#expected) this.push(null)
    else this.#fail(new Error('the connection ended early'))
  }

  readonly #fail = (cause: unknown) => {
    const got = `${this.#received} of ${this.#expected} bytes`
    this.destroy(noAnswer(cause, `${this.#what}: ${got}: ${cause instanceof Error ? cause.message : ''}`))
  }

  readonly #closed = () => {
    if (!this.#source.readableEnded) this.#fail(new Error('the connection was lost'))
  }

  #waitNoMore(): void {
    clearTimeout(this.#stall)
    this.#stall = undefined
  }

  override _read(): void {
    this.#stall ??= setTimeout(() => this.#fail(new Error('nothing came any more')), STALL_MS)
    this.#source.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waitNoMore()
    this.#source
      .off('data', this.#take)
      .off('end', this.#end)
      .off('error', this.#fail)
      .off('close', this.#closed)
      .on('error', () => {})
      .destroy()
    done(error)
  }
}
