// What machines write is shown to people at a terminal, and whoever has got into one may write what he likes: it must not move
// the cursor there, or hide what stands above it.
import { stripVTControlCharacters } from 'node:util'
import { inLine, printable } from '../../infra/plain-text.ts'

const CONSOLE_END = 6_000
const LINE_LONGEST = 300

const seen = (text: string): string =>
  printable(stripVTControlCharacters(text).replaceAll(/\r+\n/g, '\n').replaceAll('\t', '  '))

/** For behind a sentence: the end of what a machine wrote to its console, without colours. */
export const endOfConsole = (console: string): string =>
  console === '' ? 'Its console is empty.' : `The end of its console:\n${seen(console).slice(-CONSOLE_END)}`

/** One line of a machine's, that everything of can be seen. */
export const lineOf = (text: string): string => inLine(seen(text)).slice(0, LINE_LONGEST)

/** Several of them: why something failed there, with what its programs said. */
export const linesOf = (text: string): string => seen(text).slice(0, CONSOLE_END)
