// The same calls, one after the other, of the stand-in (aws/stand-in) and of an emulator that is not ours: what each of
// them says, in words that can be compared.
import type { Aws } from '../../../../aws/port.ts'
import { AwsProblem } from '../../../../aws/problems.ts'

/** What later calls need of the answers to earlier ones: versions, tags, ids. */
export type Kept = Map<string, string>

export interface Call {
  /** Unique among all. */
  readonly what: string
  /** @returns of the answer, what has to be the same everywhere: no ids, no times */
  readonly ask: (aws: Aws, kept: Kept) => Promise<unknown>
}

export interface Answer {
  readonly what: string
  /** `{"Version":1}`, or `refused: ParameterNotFound (400)`. */
  readonly says: string
}

/** Asks everything, in order; what is refused ends nothing. */
export async function askAll(aws: Aws, calls: readonly Call[]): Promise<Answer[]> {
  const kept: Kept = new Map()
  const answers: Answer[] = []
  for (const { what, ask } of calls) {
    const says = await ask(aws, kept).then((part) => JSON.stringify(part ?? {}), refusal)
    answers.push({ what, says })
  }
  return answers
}

function refusal(error: unknown): string {
  if (!(error instanceof Error)) throw error
  if (error instanceof AwsProblem) return `refused: ${error.kind}`
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
  // Not an answer: the stand-in does not know the call, nobody is there, or a call of this list is wrong.
  if ($metadata === undefined) throw error
  return `refused: ${error.name} (${$metadata.httpStatusCode})`
}

/** A call to which both answer something else, on purpose. */
export interface Difference {
  readonly what: string
  readonly standIn: string
  readonly emulator: string
  /** Who is right, by AWS's reference, and why it stays. */
  readonly why: string
}

/** @returns a line for each difference that nobody has explained, and for each that is none any more */
export function unexplained(
  standIn: readonly Answer[],
  emulator: readonly Answer[],
  known: readonly Difference[],
): string[] {
  const theirs = new Map(emulator.map(({ what, says }) => [what, says]))
  const explained = new Map(known.map((one) => [one.what, one]))
  const lines = standIn.flatMap(({ what, says }) => {
    const other = theirs.get(what)
    const row = explained.get(what)
    if (row === undefined)
      return says === other ? [] : [`${what}: the stand-in says ${says}, the emulator ${other}`]
    if (says === other) return [`${what}: no difference any more, both say ${says}`]
    return row.standIn === says && row.emulator === other
      ? []
      : [`${what}: another difference now: the stand-in says ${says}, the emulator ${other}`]
  })
  const gone = known.filter(({ what }) => !standIn.some((answer) => answer.what === what))
  return [...lines, ...gone.map(({ what }) => `${what}: nobody asks that any more`)]
}
