// Asking a person to type a name, where a slip of the finger must not be enough.
import { answerAt, TERMINAL } from './terminal.ts'

/** There is nobody to ask. Nothing has been done. */
export class Unasked extends Error {
  override readonly name = 'Unasked'
}

/**
 * @param signal ends the asking; without one, Ctrl-C ends the process
 * @returns whether exactly that was typed
 * @throws Unasked when standard input is no terminal
 */
export async function typed(
  question: string,
  expected: string,
  signal = new AbortController().signal,
): Promise<boolean> {
  if (process.stdin.isTTY !== true)
    throw new Unasked(`${question.trim()}\nThere is no terminal to ask on: run it on one, or with --yes.`)
  return (await answerAt(TERMINAL, question, signal)).trim() === expected
}
