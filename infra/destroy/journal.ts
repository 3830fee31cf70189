// What a run that takes a stage down has found out and decided, kept in the state bucket until it is done: once the stack
// is gone, nothing else says which buckets were its.
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { stateBucket } from '../bootstrap/names.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'

const part = z.object({ id: z.string(), type: z.string(), name: z.string() })
const schema = z.object({
  stackId: z.string(),
  deletesData: z.boolean(),
  kept: z.array(part),
  primary: z.string().optional(),
  /** Name of the final snapshot; it may not have been made yet. */
  snapshot: z.string(),
})
export type Journal = z.infer<typeof schema>

export interface JournalPlace {
  readonly name: StageName
  readonly stage: Stage
}

const at = ({ name, stage }: JournalPlace) => ({
  Bucket: stateBucket(stage),
  Key: `stages/${name}/destroy.json`,
  ExpectedBucketOwner: stage.account,
})

/** @returns undefined when nobody is taking the stage down */
export async function readJournal(aws: Aws, place: JournalPlace): Promise<Journal | undefined> {
  try {
    const { Body } = await aws.s3.send(new GetObjectCommand(at(place)))
    return schema.parse(JSON.parse((await Body?.transformToString('utf8')) ?? ''))
  } catch (error) {
    // Without a bucket there is no stage that was deployed from here; that is found out by who looks for its stack.
    if (error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NoSuchBucket'))
      return undefined
    throw error
  }
}

export async function writeJournal(aws: Aws, place: JournalPlace, journal: Journal): Promise<void> {
  await aws.s3.send(
    new PutObjectCommand({ ...at(place), Body: JSON.stringify(journal), ContentType: 'application/json' }),
  )
}

export async function endJournal(aws: Aws, place: JournalPlace): Promise<void> {
  await aws.s3.send(new DeleteObjectCommand(at(place)))
}
