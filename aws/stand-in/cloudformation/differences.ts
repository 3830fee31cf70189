// What a change set says: each resource that is added, changed or goes, whether it is made anew, and why.
import type { PolicyAction, ResourceChange, ResourceChangeDetail } from '@aws-sdk/client-cloudformation'
import type { Stack } from './stack.ts'
import { recreates, references, same, type Template, type TemplateResource } from './template.ts'

type Change = ResourceChange & { readonly LogicalResourceId: string }
const ATTRIBUTES = ['DeletionPolicy', 'UpdateReplacePolicy', 'UpdatePolicy'] as const

/** @param before undefined for a stack that is not there yet */
export function differences(before: Template | undefined, after: Template, stack: Stack): Change[] {
  const was = before?.Resources ?? {}
  const changes = new Map<string, Change>()
  for (const [id, { Type }] of Object.entries(after.Resources))
    if (was[id] === undefined)
      changes.set(id, { Action: 'Add', LogicalResourceId: id, ResourceType: Type, Scope: [], Details: [] })
  for (const [id, { Type, DeletionPolicy }] of Object.entries(was))
    if (after.Resources[id] === undefined)
      changes.set(id, {
        Action: 'Remove',
        LogicalResourceId: id,
        ResourceType: Type,
        PolicyAction: (DeletionPolicy ?? 'Delete') as PolicyAction,
        Scope: [],
        Details: [],
        ...physical(stack, id),
      })
  // Until nothing follows from anything any more.
  for (let before = -1; before !== size(changes); ) {
    before = size(changes)
    for (const [id, is] of Object.entries(after.Resources)) {
      const old = was[id]
      if (old === undefined) continue
      const details = [...direct(old, is), ...following(is, changes)]
      if (details.length > 0) changes.set(id, modification(id, is, details, stack))
    }
  }
  return [...changes.values()]
}

const size = (changes: ReadonlyMap<string, Change>) =>
  [...changes.values()].reduce(
    (sum, { Details = [], Replacement }) => sum + 1 + Details.length + (Replacement === 'False' ? 0 : 1),
    0,
  )

function direct(old: TemplateResource, is: TemplateResource): ResourceChangeDetail[] {
  const [a, b] = [old.Properties ?? {}, is.Properties ?? {}]
  const properties = [...new Set([...Object.keys(a), ...Object.keys(b)])]
    .filter((name) => !same(a[name], b[name]))
    .map(
      (Name): ResourceChangeDetail => ({
        Target: { Attribute: 'Properties', Name, RequiresRecreation: recreates(is.Type, Name) },
        Evaluation: 'Static',
        ChangeSource: 'DirectModification',
      }),
    )
  const attributes = ATTRIBUTES.filter((name) => !same(old[name], is[name])).map(
    (Attribute): ResourceChangeDetail => ({
      Target: { Attribute, RequiresRecreation: 'Never' },
      Evaluation: 'Static',
      ChangeSource: 'DirectModification',
    }),
  )
  return [...properties, ...attributes]
}

/** What may change because something that is referred to does: CloudFormation finds out when it gets there. */
function following(is: TemplateResource, changes: ReadonlyMap<string, Change>): ResourceChangeDetail[] {
  return Object.entries(is.Properties ?? {}).flatMap(([Name, value]) =>
    references(value).flatMap(({ id, attribute }): ResourceChangeDetail[] => {
      const cause = changes.get(id)
      if (cause?.Action !== 'Modify') return []
      // The id of a resource that stays does not change; what else there is of it may.
      if (attribute === undefined && cause.Replacement === 'False') return []
      return [
        {
          Target: { Attribute: 'Properties', Name, RequiresRecreation: recreates(is.Type, Name) },
          Evaluation: 'Dynamic',
          ChangeSource: attribute === undefined ? 'ResourceReference' : 'ResourceAttribute',
          CausingEntity: attribute === undefined ? id : `${id}.${attribute}`,
        },
      ]
    }),
  )
}

function modification(
  id: string,
  { Type, UpdateReplacePolicy = 'Delete' }: TemplateResource,
  details: ResourceChangeDetail[],
  stack: Stack,
): Change {
  const certain = details.some(
    ({ Evaluation, Target }) => Evaluation === 'Static' && Target?.RequiresRecreation === 'Always',
  )
  const perhaps = details.some(({ Target }) => Target?.RequiresRecreation !== 'Never')
  const forced = stack.saidReplacements.get(id)
  const Replacement = forced ?? (certain ? 'True' : perhaps ? 'Conditional' : 'False')
  return {
    Action: 'Modify',
    LogicalResourceId: id,
    ResourceType: Type,
    Replacement,
    ...(Replacement !== 'False' && { PolicyAction: `ReplaceAnd${UpdateReplacePolicy}` as PolicyAction }),
    Scope: [...new Set(details.flatMap(({ Target }) => Target?.Attribute ?? []))],
    Details: details,
    ...physical(stack, id),
  }
}

function physical(stack: Stack, id: string): { PhysicalResourceId?: string } {
  const live = stack.resources.get(id)
  return live === undefined ? {} : { PhysicalResourceId: live.physicalId }
}
