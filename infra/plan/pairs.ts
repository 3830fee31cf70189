// Pairs of templates for tests of the gate: one as production has it, and one with something changed.
import { expect } from 'vitest'
import type { Template } from '../cfn.ts'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { compare } from './changes.ts'

export const PROD = sample('prod').template
/** A copy of it, with changes. */
export const changed = (template: Template, edit: (draft: Draft) => void): Template => {
  const after = structuredClone(template)
  // Readonly for everyone but a test that breaks it.
  edit(after as unknown as Draft)
  return after
}
/** Why what changes is not made without being asked for by name, one line for each resource. */
export const reasons = (from: Template, to: Template): string[] =>
  compare(from, to).flatMap(({ id, blocked }) => (blocked === undefined ? [] : [`${id} ${blocked}`]))

/** `back`: what the other way round opens. */
export type Case = readonly [what: string, edit: Edit, reason: string, back?: string]
/** It opens that and nothing else; the other way round, what the case says. */
export function expectOpens(before: Template, [, edit, reason, back]: Case): void {
  const after = changed(before, edit)
  expect(reasons(before, after)).toEqual([reason])
  expect(reasons(after, before)).toEqual(back === undefined ? [] : [back])
}
export const att = (id: string, name = 'GroupId') => ({ 'Fn::GetAtt': [id, name] })

export type Edit = (draft: Draft) => void
/** Changes one property, at `A.0.B`. */
export const set =
  (id: string, path: string, value: unknown): Edit =>
  (draft) =>
    change(draft, id, path, value)
