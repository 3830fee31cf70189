// How a test leaves an account: with nothing of the stage, the data that a stage keeps included.

import { ListStackResourcesCommand, type StackResourceSummary } from '@aws-sdk/client-cloudformation'
import {
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3'
import type { Aws } from '../../../aws/port.ts'
import type { Template, TemplateResource } from '../../cfn.ts'

/** The same stack, of which nothing stays: no bucket, no secret, no snapshot. */
export function keepingNothing(template: Template): Template {
  const resources = Object.entries(template.Resources).map(([id, resource]): [string, TemplateResource] => {
    if ((resource.DeletionPolicy ?? 'Delete') === 'Delete') return [id, resource]
    // CloudFormation does not take a policy for a change of its own.
    const changed = { ...resource, DeletionPolicy: 'Delete', Metadata: { Kept: 'nothing' } }
    return [id, changed]
  })
  return { ...template, Resources: Object.fromEntries(resources) }
}

export async function resourcesOf(aws: Aws, stack: string): Promise<StackResourceSummary[]> {
  const all: StackResourceSummary[] = []
  let token: string | undefined
  do {
    const page = await aws.cloudformation.send(
      new ListStackResourcesCommand({ StackName: stack, ...(token && { NextToken: token }) }),
    )
    all.push(...(page.StackResourceSummaries ?? []))
    token = page.NextToken
  } while (token !== undefined)
  return all
}

/** @param resources of a stack @returns the names of its buckets */
export const bucketsOf = (resources: readonly StackResourceSummary[]): string[] =>
  resources.flatMap(({ ResourceType, PhysicalResourceId }) =>
    ResourceType === 'AWS::S3::Bucket' && PhysicalResourceId !== undefined ? [PhysicalResourceId] : [],
  )

/** Every version of every object. */
export async function emptyBucket(aws: Aws, bucket: string): Promise<void> {
  for (;;) {
    const { Versions = [], DeleteMarkers = [] }: ListObjectVersionsCommandOutput = await aws.s3.send(
      new ListObjectVersionsCommand({ Bucket: bucket }),
    )
    const found = [...Versions, ...DeleteMarkers].flatMap(({ Key, VersionId }) =>
      Key === undefined ? [] : [{ Key, VersionId }],
    )
    if (found.length === 0) return
    await aws.s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: found, Quiet: true } }))
  }
}
