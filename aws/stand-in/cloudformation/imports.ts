// Resources that are there already and become a stack's: `ImportExistingResources`. Only buckets here.
import type { Change } from '@aws-sdk/client-cloudformation'
import type { Buckets } from '../s3.ts'
import type { Template } from './template.ts'

/** What is added, and is there under the name that the template gives it, is imported. */
export function importing(changes: readonly Change[], template: Template, buckets: Buckets): Change[] {
  return changes.map((change) => {
    const { Action, LogicalResourceId: id = '' } = change.ResourceChange ?? {}
    const resource = template.Resources[id]
    const name = resource?.Type === 'AWS::S3::Bucket' ? resource.Properties?.BucketName : undefined
    // A name that CloudFormation would have to find out first is none, and what it may delete it does not take.
    const isOffered = typeof name === 'string' && /^Retain/.test(resource?.DeletionPolicy ?? '')
    if (Action !== 'Add' || !isOffered || !buckets.has(name)) return change
    return {
      ...change,
      ResourceChange: { ...change.ResourceChange, Action: 'Import', PhysicalResourceId: name },
    }
  })
}

/** Called when the change set is carried out. */
export function takeOver(changes: readonly Change[], buckets: Buckets): void {
  for (const { ResourceChange: change } of changes)
    if (change?.Action === 'Import') buckets.takenOver.add(change.PhysicalResourceId ?? '')
}
