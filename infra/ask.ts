// Asking a person to type a name, where a slip of the finger must not be enough.
import { createInterface } from 'node:readline/promises'

/** There is nobody to ask. Nothing has been done. */
export class Unasked extends Error {
  override readonly name = 'Unasked'
}

/**
 * @returns whether exactly that was typed
 * @throws Unasked when standard input is no terminal
 */
export async function typed(question: string, expected: string): Promise<boolean> {
  if (process.stdin.isTTY !== true)
    throw new Unasked(`${question.trim()}\nThere is no terminal to ask on: run it on one, or with --yes.`)
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  try {
    return (await terminal.question(question)).trim() === expected
  } finally {
    terminal.close()
  }
}
