// A template on its way to CloudFormation: what is sent, where it lies, and whether that is what was read.
import { createHash } from 'node:crypto'
import { GetTemplateCommand } from '@aws-sdk/client-cloudformation'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import type { Aws } from '../../aws/port.ts'
import { noBucket, StackFailure } from './failure.ts'

/** Bytes of a template that go with the call; larger ones are read from a bucket, up to 1 MB. */
const BODY_LIMIT = 51_200
const CONFLICT = 'ConditionalRequestConflict'
const TRIES = 5
const AGAIN_MS = 1_000

export interface Upload {
  readonly bucket: string
  readonly folder: string
  /** Whose bucket it has to be. */
  readonly account: string
}

/**
 * The same JSON without any other characters: GetTemplate gives back a question mark for each of them
 * (aws-cloudformation/cloudformation-coverage-roadmap#814), so that nothing could be compared with what is deployed.
 */
export const inAscii = (json: string): string =>
  json.replaceAll(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

export const hashOf = (template: string): string => createHash('sha256').update(template).digest('hex')

/**
 * @param template as `inAscii` has it
 * @returns what tells CloudFormation where it is
 */
export async function place(
  aws: Aws,
  { upload, stackName }: { readonly upload?: Upload; readonly stackName: string },
  template: string,
): Promise<{ TemplateBody: string } | { TemplateURL: string }> {
  if (upload === undefined) {
    const bytes = Buffer.byteLength(template)
    if (bytes > BODY_LIMIT)
      throw new Error(`the template of ${stackName} has ${bytes} bytes; ${BODY_LIMIT} go without a bucket`)
    return { TemplateBody: template }
  }
  const key = `${upload.folder}/${hashOf(template)}.json`
  for (let tries = 1; !(await isPut(aws, upload, key, template)); tries++) {
    if (tries === TRIES)
      throw new StackFailure(`The template of ${stackName} could not be put into ${upload.bucket}.`, {
        status: CONFLICT,
        next: 'something else writes there again and again: see what it is, and run the same command again.',
      })
    await aws.clock.sleep(AGAIN_MS)
  }
  return { TemplateURL: `https://s3.${aws.region}.${suffixOf(aws.region)}/${upload.bucket}/${key}` }
}
const suffixOf = (region: string) => (region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com')

/** @returns false when S3 can't tell whether it is there, because somebody else writes the same at this moment */
async function isPut(aws: Aws, { bucket, account }: Upload, key: string, template: string): Promise<boolean> {
  try {
    await aws.s3.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: template,
        ContentType: 'application/json',
        // What is named by its hash never changes.
        IfNoneMatch: '*',
        ExpectedBucketOwner: account,
      }),
    )
    return true
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (error.name === 'NoSuchBucket') throw noBucket(bucket, account)
    if (error.name === 'PreconditionFailed') return true
    if (error.name === CONFLICT) return false
    throw error
  }
}

/** Whether it is this template, byte for byte, that a change set was made of. */
export async function isWhatWasRead(
  aws: Aws,
  { changeSet, stackId }: { readonly changeSet: string; readonly stackId: string },
  template: string,
): Promise<boolean> {
  const { TemplateBody } = await aws.cloudformation.send(
    new GetTemplateCommand({ ChangeSetName: changeSet, StackName: stackId, TemplateStage: 'Original' }),
  )
  return TemplateBody === template
}
