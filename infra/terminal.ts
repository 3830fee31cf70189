// Asking at a terminal, where people answer with Ctrl-C and Ctrl-D as well.
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import type { Readable, Writable } from 'node:stream'
import { reasonOf } from './release/interrupt.ts'

interface Terminal {
  readonly input: Readable
  readonly output: Writable
  /** Ctrl-C: while it is asked at, a terminal sends no signal by itself. */
  readonly interrupt: () => void
}

/**
 * @returns what was typed; nothing when the input ends (Ctrl-D)
 * @throws the signal's reason, when that comes before an answer
 */
export async function answerAt(
  { input, output, interrupt }: Terminal,
  question: string,
  signal: AbortSignal,
): Promise<string> {
  if (signal.aborted) throw reasonOf(signal)
  const terminal = createInterface({ input, output, terminal: true })
  terminal.on('SIGINT', interrupt)
  const ended = once(terminal, 'close').then(() => '')
  try {
    return await Promise.race([terminal.question(question, { signal }), ended])
  } catch (error) {
    if (signal.aborted) throw reasonOf(signal)
    if (error instanceof Error && error.name === 'AbortError') return ''
    throw error
  } finally {
    terminal.close()
  }
}

/** Where this process was started; Ctrl-C ends it as a signal does. */
export const TERMINAL: Terminal = {
  input: process.stdin,
  output: process.stdout,
  interrupt: () => process.kill(process.pid, 'SIGINT'),
}
