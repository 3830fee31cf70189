// The same calls, one after the other, of the stand-in (aws/stand-in) and of emulators that are not ours: what each of
// them says, in words that can be compared.
import { type Aws, SERVICES } from '../../../../aws/port.ts'
import { AwsProblem, operationOf } from '../../../../aws/problems.ts'

/** What later calls need of the answers to earlier ones, or of what was there before: versions, tags, ids. */
export type Kept = Map<string, string>

export interface Call {
  /** Unique among all. */
  readonly what: string
  /** @returns of the answer, what has to be the same everywhere: no ids, no times */
  readonly ask: (aws: Aws, kept: Kept) => Promise<unknown>
}

export interface Answer {
  readonly what: string
  /** `{"Version":1}`, or `refused: ParameterNotFound (400)`, or NO_ANSWER. */
  readonly says: string
  /** Operations, in their order: the last one is the one that was refused, if any was. */
  readonly asked: readonly string[]
}

/** What an emulator says that has no such operation, or falls over it. */
export const NO_ANSWER = 'no answer'

/** Asks everything, in order; what is refused ends nothing. */
export async function askAll(aws: Aws, calls: readonly Call[], kept: Kept = new Map()): Promise<Answer[]> {
  const answers: Answer[] = []
  for (const { what, ask } of calls) {
    const asked: string[] = []
    const says = await ask(heard(aws, asked), kept).then((part) => JSON.stringify(part ?? {}), refusal)
    answers.push({ what, says, asked })
  }
  return answers
}

/** The same, which notes what is asked: `ec2 RunInstances`. */
function heard(aws: Aws, asked: string[]): Aws {
  const clients = SERVICES.map((service) => {
    const { send } = aws[service] as { send: (...args: unknown[]) => unknown }
    const noted = (command: unknown, ...more: unknown[]) => {
      asked.push(`${service} ${operationOf(command)}`)
      return send.call(aws[service], command, ...more)
    }
    return [service, { send: noted }]
  })
  return { ...aws, ...Object.fromEntries(clients) }
}

function refusal(error: unknown): string {
  if (!(error instanceof Error)) throw error
  if (error instanceof AwsProblem) return `refused: ${error.kind}`
  const { $metadata, $response } = error as Sent
  const status = $metadata?.httpStatusCode ?? $response?.statusCode
  // Not an answer: the stand-in does not know the call, nobody is there, or a call of this list is wrong.
  if (status === undefined) throw error
  return isLacking(error.name, status) ? NO_ANSWER : `refused: ${error.name} (${status})`
}
interface Sent {
  readonly $metadata?: { readonly httpStatusCode?: number }
  readonly $response?: { readonly statusCode?: number }
}
/** It fell over it, says so, or gives a page that is no error of AWS's at all (which the SDK calls `Unknown`). */
const isLacking = (name: string, status: number) =>
  status === 500 || name === 'InvalidAction' || (name === 'Unknown' && status === 400)

export const EMULATORS = ['ministack', 'moto'] as const
export type Emulator = (typeof EMULATORS)[number]

/** A call to which they answer something else, on purpose. Whoever is not named says the same as the stand-in. */
export interface Difference {
  readonly what: string
  readonly standIn: string
  readonly ministack?: string
  readonly moto?: string
  /** Who is right, and why it stays. */
  readonly why: string
  /** The page of AWS's documents that says so. */
  readonly source: string
}

/**
 * @param absent operations that the emulator has not: what ends there is compared with nothing
 * @returns a line for each difference that nobody has explained, and for each that is none any more
 */
export function unexplained(
  emulator: Emulator,
  standIn: readonly Answer[],
  theirs: readonly Answer[],
  known: readonly Difference[],
  absent: readonly string[],
): string[] {
  const others = new Map(theirs.map((answer) => [answer.what, answer]))
  const rows = new Map(known.filter((one) => one[emulator] !== undefined).map((one) => [one.what, one]))
  const lines = standIn.flatMap(({ what, says }) => {
    const other = others.get(what)
    const row = rows.get(what)
    rows.delete(what)
    if (row === undefined && other?.says === NO_ANSWER) {
      const operation = other.asked.at(-1) ?? ''
      return absent.includes(operation) ? [] : [`${what}: ${emulator} has no ${operation}`]
    }
    if (row === undefined)
      return says === other?.says ? [] : [`${what}: the stand-in says ${says}, ${emulator} ${other?.says}`]
    if (says === other?.says) return [`${what}: no difference any more, both say ${says}`]
    return row.standIn === says && row[emulator] === other?.says
      ? []
      : [`${what}: another difference now: the stand-in says ${says}, ${emulator} ${other?.says}`]
  })
  return [
    ...lines,
    ...[...rows.keys()].map((what) => `${what}: nobody asks that any more`),
    ...answered(theirs, absent).map((operation) => `${operation}: ${emulator} has it now`),
  ]
}

/** Of these operations, those that something was said to. */
function answered(theirs: readonly Answer[], operations: readonly string[]): string[] {
  return operations.filter((operation) =>
    theirs.some(({ asked, says }) => asked.slice(0, says === NO_ANSWER ? -1 : undefined).includes(operation)),
  )
}
