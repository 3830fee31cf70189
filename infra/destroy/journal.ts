// What a run that takes a stage down has found out and decided, kept in the state bucket until it is done: once the stack
// is gone, nothing else says which buckets were its.
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { stateBucket } from '../bootstrap/names.ts'
import { plainName as plain } from '../plain-text.ts'
import type { Stage } from '../stage-schema.ts'
import type { StageName } from '../stages.ts'
import { DestroyFailure } from './failure.ts'

const part = z.object({ id: plain, type: plain, name: plain })
/** What a stack leaves that is deleted. */
const remainsSchema = z.object({
  stackId: plain,
  kept: z.array(part),
  /** Databases whose snapshots stay. */
  databases: z.array(plain),
})
export type Remains = z.infer<typeof remainsSchema>

const groupSchema = z.object({ name: plain, min: z.int(), max: z.int(), desired: z.int() })
/** An Auto Scaling group as it was before it was drained. */
export type GroupSizes = z.infer<typeof groupSchema>

const schema = remainsSchema.extend({
  deletesData: z.boolean(),
  /** Name of the final snapshot; it may not have been made yet. Without one, none is to be. */
  snapshot: plain.optional(),
  groups: z.array(groupSchema),
  /** Whether the stack could not be deleted before. */
  isProtected: z.boolean(),
  /** Of stacks that the stage had before this one, whose end nobody has seen: not told of yet, or not removed. */
  earlier: z.array(remainsSchema),
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

/**
 * @returns undefined when nobody is taking the stage down
 * @throws DestroyFailure for one that is no journal: what it says is kept must not be passed over
 */
export async function readJournal(aws: Aws, place: JournalPlace): Promise<Journal | undefined> {
  let text: string
  try {
    const { Body } = await aws.s3.send(new GetObjectCommand(at(place)))
    text = (await Body?.transformToString('utf8')) ?? ''
  } catch (error) {
    // Without a bucket there is no stage that was deployed from here; that is found out by who looks for its stack.
    if (error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NoSuchBucket'))
      return undefined
    throw error
  }
  try {
    return schema.parse(JSON.parse(text))
  } catch (cause) {
    const { Bucket, Key } = at(place)
    throw new DestroyFailure(
      `s3://${Bucket}/${Key} is not the journal of a stage that is being taken down: it was changed, or another version of this program wrote it. Nothing was changed.`,
      'look there for what an earlier run kept, then restore an earlier version of it (they are kept for 90 days), or remove it.',
      cause,
    )
  }
}

export async function writeJournal(aws: Aws, place: JournalPlace, journal: Journal): Promise<void> {
  await aws.s3.send(
    new PutObjectCommand({ ...at(place), Body: JSON.stringify(journal), ContentType: 'application/json' }),
  )
}

export async function endJournal(aws: Aws, place: JournalPlace): Promise<void> {
  try {
    await aws.s3.send(new DeleteObjectCommand(at(place)))
  } catch (error) {
    // Nor is there a journal where there is no bucket.
    if (!(error instanceof Error) || error.name !== 'NoSuchBucket') throw error
  }
}

/** Everything that is left of a stage: what this run leaves, and what earlier ones did. */
export const allRemains = ({ earlier, ...last }: Journal): readonly Remains[] => [...earlier, last]

/** Of what an earlier run has written down, what another stack's run has to go on keeping: `stackId` is that one's. */
export function earlierThan(begun: Journal | undefined, stackId: string): Remains[] {
  if (begun === undefined) return []
  if (begun.stackId === stackId) return begun.earlier
  const { kept, databases } = begun
  return [...begun.earlier, { stackId: begun.stackId, kept, databases }]
}
