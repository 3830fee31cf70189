// Promises about the bootstrap's template: what must hold of it, beyond what AWS itself refuses. Each comes with ways to break
// it, so that the tests show that it can fail.
import type { Template } from '../cfn.ts'
import { at, list, property, refersTo } from '../reading.ts'
import type { Draft } from '../rules/rule.ts'

export interface Given {
  readonly id: string
  readonly statement: unknown
}
/** Every statement of every policy that a role of ours has. */
export const statements = (template: Template): Given[] =>
  Object.entries(template.Resources).flatMap(([id, resource]) => {
    const documents =
      resource.Type === 'AWS::IAM::ManagedPolicy'
        ? [property(resource, 'PolicyDocument')]
        : list(property(resource, 'Policies')).map((policy) => at(policy, 'PolicyDocument'))
    return documents
      .flatMap((document) => list(at(document, 'Statement')))
      .map((statement) => ({ id, statement }))
  })
/** Those that one role has: its own, and of the policies of this template that are given to it. */
export function statementsOf(template: Template, role: string): readonly unknown[] {
  const policies = list(property(template.Resources[role], 'ManagedPolicyArns')).map(refersTo)
  return statements(template).flatMap(({ id, statement }) =>
    id === role || policies.includes(id) ? [statement] : [],
  )
}
export const actionsOf = (statement: unknown): string[] => list(at(statement, 'Action')).map(String)

export interface Promised {
  readonly holds: string
  readonly wrong: (template: Template) => readonly string[]
  readonly breaks: Readonly<Record<string, (draft: Draft) => void>>
}
/**
 * To be changed: the statement of that name.
 * @param of the policy, or role, where several have one
 */
export function roleStatement(draft: Draft, sid: string, of?: string): Record<string, unknown> {
  const found = statements(draft as unknown as Template).find(
    ({ id, statement }) => at(statement, 'Sid') === sid && (of === undefined || id === of),
  )
  if (found === undefined) throw new Error(`no statement ${sid}`)
  return found.statement as Record<string, unknown>
}
