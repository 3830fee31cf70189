// Texts that others have written, AWS's answers and objects of the state bucket, before they are shown at a terminal or
// stand in a command that a person is told to run: neither may move the cursor, hide what stands there, or be a command.
import { z } from 'zod'

/** What AWS's names, ids and ARNs are made of: they stand in commands that a person is told to run. */
export const plainName = z
  .string()
  .max(2048)
  .regex(/^[\w.:/+=@!-]+$/, 'is no name of AWS’s')

/** @param longest in characters: one line of printable ASCII */
export const plainLine = (longest: number) =>
  z
    .string()
    .min(1)
    .max(longest)
    .regex(/^[\x20-\x7e]+$/, 'is no plain text')

/** Any text, as `plainLine` takes it. @param longest in characters */
export const inPlain = (text: string, longest: number): string =>
  text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, longest) || '?'

/** AWS's words in one line: they may quote others', and must not look like the lines that come after them. */
export const inLine = (text: string): string => text.replaceAll(/\s*[\r\n]+\s*/g, ' ').trim()

/** AWS's name for something, in a command for a shell: what could be more than a name to the shell is quoted. */
export const inCommand = (name: string): string =>
  plainName.safeParse(name).success ? name : `'${inLine(name).replaceAll("'", String.raw`'\''`)}'`

/** What a reading found wrong, a line for each: places and messages may quote the keys of what was read. */
export const issueLines = ({ issues }: z.ZodError): string[] =>
  issues.map(({ path, message }) => inLine(`${path.join('.')}: ${message}`))

/** All that is not shown itself, but changes how the rest is: controls, directions, separators, surrogates. Lines end by \n. */
const UNSEEN = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** The same text, of which everything can be seen: `\u{1b}` for an escape. */
export const printable = (text: string): string =>
  text.replaceAll(UNSEEN, (unit) => `\\u{${unit.codePointAt(0)?.toString(16)}}`)
