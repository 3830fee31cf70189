// Reading a template: what stands where in it, and what refers to what.
import type { Template, TemplateResource } from './cfn.ts'

export const ofType = (template: Template, type: string): [string, TemplateResource][] =>
  Object.entries(template.Resources).filter(([, { Type }]) => Type === type)

/** What stands at `A.0.B` below a value; undefined where there is nothing. */
export function at(value: unknown, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>(
      (found, key) =>
        typeof found === 'object' && found !== null ? (found as Record<string, unknown>)[key] : undefined,
      value,
    )
}
/** The same in a resource's properties. */
export const property = (resource: TemplateResource | undefined, path: string): unknown =>
  at(resource?.Properties, path)
export const list = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value]

/** The logical id that a value refers to: `Ref`, `Fn::GetAtt`. */
export function refersTo(value: unknown): string | undefined {
  const found = at(value, 'Ref') ?? at(value, 'Fn::GetAtt.0')
  return typeof found === 'string' ? found : undefined
}
