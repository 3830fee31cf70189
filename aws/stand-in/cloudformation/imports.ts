// Resources that are there already and become a stack's: `ImportExistingResources`. Only buckets and their policies here.
// They become it as they are: what the template says of them is set by the next change of it.
import type { Change } from '@aws-sdk/client-cloudformation'
import type { Buckets } from '../s3.ts'
import { identifiers, type Template, type TemplateResource } from './template.ts'

/**
 * What is added, and is there under the name that the template gives it, is imported.
 * @throws Error for a resource of another type that AWS would look for: whether it is there is not known here
 */
export function importing(changes: readonly Change[], template: Template, buckets: Buckets): Change[] {
  return changes.map((change) => {
    const { Action, LogicalResourceId: id = '' } = change.ResourceChange ?? {}
    const resource = template.Resources[id]
    const name = Action === 'Add' && resource !== undefined ? offered(resource) : undefined
    if (name === undefined || !isThere(resource?.Type, id, name, buckets)) return change
    return {
      ...change,
      ResourceChange: { ...change.ResourceChange, Action: 'Import', PhysicalResourceId: name },
    }
  })
}

/** A name that CloudFormation would have to find out first is none, and what it may delete it does not take. */
function offered({ Type, Properties, DeletionPolicy = '' }: TemplateResource): string | undefined {
  if (!/^Retain/.test(DeletionPolicy)) return undefined
  const named = identifiers(Type).map((key) => Properties?.[key])
  return named.length > 0 && named.every((one) => typeof one === 'string') ? named.join('|') : undefined
}

function isThere(type: string | undefined, id: string, name: string, buckets: Buckets): boolean {
  if (type === 'AWS::S3::Bucket') return buckets.has(name)
  if (type === 'AWS::S3::BucketPolicy')
    return buckets.has(name) && buckets.settings(name).policy !== undefined
  throw new Error(
    `The stand-in for AWS imports only buckets and their policies: whether there is ${name} (${id}, ${type}) it can’t tell`,
  )
}

/** Called when the change set is carried out. */
export function takeOver(changes: readonly Change[], buckets: Buckets): void {
  for (const { ResourceChange: change } of changes)
    if (change?.Action === 'Import' && change.ResourceType === 'AWS::S3::Bucket')
      buckets.takenOver.add(change.PhysicalResourceId ?? '')
}
