// Project policy: what must hold of every stage's template, beyond what AWS itself refuses. Each rule comes with ways to
// break it, so that the tests show that it can fail.
import type { Template, TemplateResource } from '../cfn.ts'
import { at, list, ofType } from '../reading.ts'
import type { Stage } from '../stage-schema.ts'

export interface Rule {
  /** What holds, in a sentence. */
  readonly holds: string
  /** What does not hold, one line each; empty when all is well. */
  readonly violations: (template: Template, stage: Stage) => readonly string[]
  /** What `prod` has to be besides, for there to be something to break. */
  readonly in?: Partial<Stage>
  /** Changes to the template of `prod` that have to be noticed, each by this rule. */
  readonly breaks: Readonly<Record<string, (template: Draft) => void>>
}

/** A template that may be changed. */
export interface Draft {
  Resources: Record<string, DraftResource>
}
export interface DraftResource {
  Type: string
  DependsOn?: string[]
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
  UpdatePolicy?: unknown
  Properties: Record<string, unknown>
}

/** Changes one property of a resource, at `A.0.B`. */
export function change(draft: Draft, id: string, path: string, value: unknown): void {
  const keys = path.split('.')
  const last = keys.pop() ?? ''
  const properties = draft.Resources[id]?.Properties
  const holder = keys.length === 0 ? properties : at(properties, keys.join('.'))
  if (typeof holder !== 'object' || holder === null) throw new Error(`nothing at ${id} ${path}`)
  if (value === undefined) delete (holder as Record<string, unknown>)[last]
  else (holder as Record<string, unknown>)[last] = value
}

/** Attributes of a load balancer, target group or listener, as an object. */
export function attributes(resource: TemplateResource, name: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    list(resource.Properties[name]).map((entry) => [String(at(entry, 'Key')), at(entry, 'Value')]),
  )
}
/** Sets one of them, or adds it. */
export function setAttribute(draft: Draft, id: string, name: string, key: string, value: string): void {
  const entries = list(draft.Resources[id]?.Properties[name]).filter((entry) => at(entry, 'Key') !== key)
  change(draft, id, name, [...entries, { Key: key, Value: value }])
}

/** One line for each resource of which something does not hold. */
export function each(
  template: Template,
  type: string,
  wrong: (resource: TemplateResource, id: string) => string | false | undefined,
): string[] {
  return ofType(template, type).flatMap(([id, resource]) => {
    const what = wrong(resource, id)
    return what ? [`${id}: ${what}`] : []
  })
}
