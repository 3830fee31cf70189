// How every command ends that a person has called: what can go wrong is said in words, and the process knows it by a code.
import { AwsProblem, refusalOf } from '../aws/problems.ts'
import { errorCode } from '../local/problem.ts'
import { Unasked } from './ask.ts'
import { InvalidSettings } from './bootstrap/settings.ts'
import { DestroyFailure } from './destroy/failure.ts'
import { UnusableImages } from './images.ts'
import { printable } from './plain-text.ts'
import { BlockedChange, StackFailure } from './release/failure.ts'
import { Interrupted } from './release/interrupt.ts'
import { InvalidStage } from './stages.ts'

/** Their messages are for a person. Everything else that is thrown is a mistake of this program's, or AWS's words. */
const FOR_A_PERSON = [
  AwsProblem,
  BlockedChange,
  DestroyFailure,
  Interrupted,
  InvalidSettings,
  InvalidStage,
  StackFailure,
  Unasked,
  UnusableImages,
]
/** What this machine's own files refuse. */
const OF_FILES: Readonly<Record<string, string>> = {
  EACCES: 'This user may not read or write a file that the command needs',
  EDQUOT: 'There is no room left on this machine for what the command writes',
  ENOSPC: 'There is no room left on this machine for what the command writes',
  EROFS: 'The command writes into a folder that can only be read',
}
function ofFiles(error: unknown): string | undefined {
  const what = OF_FILES[errorCode(error) ?? '']
  return what && error instanceof Error ? `${what}. (${error.message})` : undefined
}

/** The gate's, of which nothing was changed; `npm run plan` has the same for a plan that the gate would stop. */
const BLOCKED = 2

/**
 * @param command returns the process's exit code
 * @param complain is told what went wrong, in lines that end
 * @param signal whose coming has a code of its own, whatever went wrong because of it
 * @param own errors of the command's room that are for a person too
 * @returns the command's code; 130 or 143 after a signal, 2 when the gate stopped it, 1 for everything else that a person is told of
 * @throws what no person is to be told of: a mistake of this program's, with its stack
 */
export async function told(
  command: () => Promise<number>,
  complain: (text: string) => void,
  signal?: AbortSignal,
  own: readonly (abstract new (...args: never[]) => Error)[] = [],
): Promise<number> {
  try {
    return await command()
  } catch (error) {
    const isOurs = [...FOR_A_PERSON, ...own].some((kind) => error instanceof kind)
    const text = isOurs && error instanceof Error ? error.message : (refusalOf(error) ?? ofFiles(error))
    if (text === undefined) throw error
    complain(printable(`${text}\n`))
    if (signal?.reason instanceof Interrupted) return signal.reason.exitCode
    return error instanceof BlockedChange ? BLOCKED : 1
  }
}
