// A request's body as a stream of its own: destroying it, when a file is refused, leaves the request alive, so that
// the refusal can still be answered. A sender that stands still is given up; one that waits for us is not.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { AppError } from '../errors.ts'

export interface UploadLimits {
  /** Without a byte, while we are ready to read. */
  readonly stallMs: number
  /** From the first byte to the last. */
  readonly totalMs: number
}

export class UploadBody extends Readable {
  readonly #source: IncomingMessage
  readonly #stallMs: number
  readonly #deadline: NodeJS.Timeout
  #stall: NodeJS.Timeout | undefined

  constructor(source: IncomingMessage, limits: UploadLimits) {
    super({ highWaterMark: 256 * 1024 })
    this.#source = source
    this.#stallMs = limits.stallMs
    this.#deadline = setTimeout(this.#giveUp, limits.totalMs)
    source.on('data', this.#take).on('end', this.#end).on('error', this.#lost).on('close', this.#lost)
    source.pause()
    // It can end before anybody reads it: the reader is told when it comes, until then nobody is hurt.
    this.on('error', () => {})
    // It may have gone while the upload waited for its turn.
    if (source.destroyed && !source.complete) this.#lost()
  }

  readonly #take = (chunk: Buffer) => {
    this.#stall?.refresh()
    if (this.push(chunk)) return
    this.#source.pause()
    this.#waitNoMore()
  }

  readonly #end = () => {
    this.#waitNoMore()
    this.push(null)
  }

  readonly #lost = () => {
    if (this.#source.readableEnded) return
    this.destroy(new AppError('UPLOAD_INCOMPLETE'))
  }

  readonly #giveUp = () => {
    this.destroy(new AppError('UPLOAD_STALLED'))
  }

  #waitNoMore(): void {
    clearTimeout(this.#stall)
    this.#stall = undefined
  }

  override _read(): void {
    this.#stall ??= setTimeout(this.#giveUp, this.#stallMs)
    this.#source.resume()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#waitNoMore()
    clearTimeout(this.#deadline)
    this.#source
      .off('data', this.#take)
      .off('end', this.#end)
      .off('error', this.#lost)
      .off('close', this.#lost)
      .on('error', () => {})
      .pause()
    done(error)
  }
}

/**
 * To be called before an answer that comes before the body's end. A sender whose connection is reset while it still
 * writes never sees the answer: so the rest is read and thrown away for a moment, and then the connection goes,
 * whatever the sender still has to say.
 */
export function answerBeforeEnd(request: IncomingMessage, response: ServerResponse, lingerMs: number): void {
  if (request.complete || request.destroyed) return
  // Node closes at once after the answer when the sender had asked for `Connection: close`.
  const closes = !response.shouldKeepAlive
  response.shouldKeepAlive = true
  response.once('finish', () => {
    const timer = setTimeout(() => request.socket.destroy(), lingerMs)
    request.once('close', () => clearTimeout(timer))
    request.once('end', () => {
      clearTimeout(timer)
      if (closes) request.socket.end()
    })
    request.resume()
  })
}
