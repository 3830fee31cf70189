// Where log lines leave the process. A line that can not be written is lost, and that is all: on a full disk the
// server, which may need none of it, goes on. (pino's own destination ends the process there, and its last flush
// tries for ever.) Lines leave in the background, in their order; while something is slow they wait, up to a bound.
import { write, writeSync } from 'node:fs'

export interface LogOutput {
  write(line: string): void
  /** What still waits leaves now, if it can: before the process ends. */
  flushSync(): void
}

/** Bytes that may wait while a write is under way; lines beyond them are lost. */
const MOST_WAITING = 1024 * 1024
const RETRY_MS = 100

/** Writes to a file, a pipe or a terminal that stays open. */
export function createLogOutput(fd: number): LogOutput {
  let waiting: Buffer[] = []
  let bytes = 0
  let writing = false

  const take = () => {
    const all = Buffer.concat(waiting)
    waiting = []
    bytes = 0
    return all
  }
  const wait = (line: Buffer, place: 'first' | 'last') => {
    if (place === 'first') waiting.unshift(line)
    else waiting.push(line)
    bytes += line.length
  }
  const next = () => {
    if (writing || bytes === 0) return
    writing = true
    const all = take()
    write(fd, all, (error, written) => {
      writing = false
      // A pipe whose reader is behind; anything else is a loss.
      const full = error?.code === 'EAGAIN'
      if (full) wait(all, 'first')
      else if (error === null && written < all.length) wait(all.subarray(written), 'first')
      if (full) setTimeout(next, RETRY_MS).unref()
      else next()
    })
  }
  return {
    write(line) {
      const encoded = Buffer.from(line)
      if (bytes + encoded.length > MOST_WAITING) return
      wait(encoded, 'last')
      next()
    },
    flushSync() {
      try {
        for (let rest = take(); rest.length > 0; ) rest = rest.subarray(writeSync(fd, rest))
      } catch {
        // lost
      }
    },
  }
}
