// What IAM makes of policies, as far as ours go: a call is allowed when a statement allows it and none denies it. For tests:
// what a right reaches is asked in calls, not read off its text.
import { at, list } from '../reading.ts'

/** A call on one resource; a call on several is one for each. */
export interface Call {
  readonly action: string
  /** ARN; `*` for calls that know no resources. */
  readonly on: string
  /** Condition keys that AWS would know then. */
  readonly given?: Readonly<Record<string, string>>
}

export function allows(statements: readonly unknown[], call: Call): boolean {
  const meant = statements.filter((statement) => applies(statement, call))
  const has = (effect: string) => meant.some((statement) => at(statement, 'Effect') === effect)
  return has('Allow') && !has('Deny')
}

/** `*` stands for anything, slashes and colons included; `?` for one character. */
export const matches = (pattern: string, text: string): boolean =>
  new RegExp(
    `^${pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}$`,
    's',
  ).test(text)

/** What this understands of a statement: anything else could turn its meaning round. */
const ELEMENTS: ReadonlySet<string> = new Set(['Sid', 'Effect', 'Action', 'Resource', 'Condition'])

/** @throws Error for a statement that this can't read: a "may not" would prove nothing */
function applies(statement: unknown, { action, on, given = {} }: Call): boolean {
  const unknown = Object.keys(Object(statement)).filter((key) => !ELEMENTS.has(key))
  if (unknown.length > 0) throw new Error(`nobody has said what ${unknown.join(', ')} means`)
  // IAM knows no case in actions.
  const isMeant = texts(statement, 'Action').some((one) => matches(one.toLowerCase(), action.toLowerCase()))
  if (!isMeant || !texts(statement, 'Resource').some((one) => matches(one, on))) return false
  return Object.entries(at(statement, 'Condition') ?? {}).every(([operator, keys]) =>
    Object.entries(keys as object).every(([key, wanted]) =>
      holds(operator, given[key], list(wanted).map(String)),
    ),
  )
}

function texts(statement: unknown, key: string): string[] {
  return list(at(statement, key)).map((one) => {
    if (typeof one !== 'string') throw new Error(`what ${JSON.stringify(one)} is, only AWS knows`)
    return one
  })
}

/** @throws Error for an operator that none of our policies has yet */
function holds(operator: string, value: string | undefined, wanted: readonly string[]): boolean {
  switch (operator) {
    case 'StringEquals':
    case 'Bool':
      return value !== undefined && wanted.includes(value)
    case 'StringLike':
      return value !== undefined && wanted.some((pattern) => matches(pattern, value))
    case 'StringNotEquals':
      return value === undefined || !wanted.includes(value)
    case 'ForAllValues:StringEquals':
      return value === undefined || value.split(',').every((one) => wanted.includes(one))
    case 'Null':
      return wanted.includes(String(value === undefined))
    default:
      throw new Error(`nobody has said what ${operator} means`)
  }
}
