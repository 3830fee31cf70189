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

/** `*` stands for anything, slashes and colons included. */
export const matches = (pattern: string, text: string): boolean =>
  new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(text)

function applies(statement: unknown, { action, on, given = {} }: Call): boolean {
  const some = (key: string, text: string) =>
    list(at(statement, key)).some((pattern) => typeof pattern === 'string' && matches(pattern, text))
  if (!some('Action', action) || !some('Resource', on)) return false
  return Object.entries(at(statement, 'Condition') ?? {}).every(([operator, keys]) =>
    Object.entries(keys as object).every(([key, wanted]) =>
      holds(operator, given[key], list(wanted).map(String)),
    ),
  )
}

/** @throws Error for an operator that none of our policies has yet */
function holds(operator: string, value: string | undefined, wanted: readonly string[]): boolean {
  switch (operator) {
    case 'StringEquals':
    case 'Bool':
      return value !== undefined && wanted.includes(value)
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
