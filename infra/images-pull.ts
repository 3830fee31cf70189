// Fetches the record of what a stage runs, or is to run next, from the state bucket into the local copy that
// infra/images.ts reads. Everything that can be wrong with it is found here, before anyone plans with it.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { z } from 'zod'
import type { Aws } from '../aws/port.ts'
import { stateBucket } from './bootstrap/names.ts'
import { hashOf, LAYOUT, pointerSchema } from './image-sets.ts'
import { type ImageChoice, type ImageSet, imageSetSchema, imagesFor, UnusableImages } from './images.ts'
import { issueLines } from './plain-text.ts'
import type { Stage } from './stage-schema.ts'
import { architectureOf, type StageName } from './stages.ts'

export interface Pulled {
  readonly choice: ImageChoice
  /** Undefined when the stage has none: a local copy is gone then, too. */
  readonly set: ImageSet | undefined
  readonly file: string
}

/**
 * @param folder where `STAGE-CHOICE.json` is put; made if it is not there
 * @throws UnusableImages when there is no state bucket, a pointer leads nowhere, or a record is not what its name says,
 *   or not this stage's; AwsProblem when AWS can't be asked. The local copy is then as it was.
 */
export async function pullImages(
  aws: Aws,
  name: StageName,
  stage: Stage,
  choice: ImageChoice,
  folder: string,
): Promise<Pulled> {
  const file = path.join(folder, `${name}-${choice}.json`)
  const set = await publishedSet(aws, name, stage, choice)
  if (set === undefined) {
    // What it says is not so any more.
    rmSync(file, { force: true })
    return { choice, set, file }
  }
  mkdirSync(folder, { recursive: true })
  const unfinished = `${file}.${process.pid}.tmp`
  try {
    writeFileSync(unfinished, `${JSON.stringify(set, null, 2)}\n`)
    renameSync(unfinished, file)
  } finally {
    rmSync(unfinished, { force: true })
  }
  return { choice, set, file }
}

/**
 * What the state bucket says a stage runs, or is to run next.
 * @returns undefined when it points at nothing
 * @throws like pullImages
 */
export async function publishedSet(
  aws: Aws,
  name: StageName,
  stage: Stage,
  choice: ImageChoice,
): Promise<ImageSet | undefined> {
  const bucket = stateBucket(stage)
  const pointerKey = LAYOUT.pointer(name, choice)
  const pointerText = await readObject(aws, stage, pointerKey)
  if (pointerText === undefined) return undefined
  const pointer = parse(
    pointerSchema,
    pointerText,
    `s3://${bucket}/${pointerKey} is not a pointer to an image set`,
  )

  const recordKey = LAYOUT.record(pointer.inputs)
  const recordText = await readObject(aws, stage, recordKey)
  if (recordText === undefined)
    throw new UnusableImages(
      `What is ${choice} in ${name} should stand in s3://${bucket}/${recordKey}, and does not: it was removed. ` +
        'Its versions are kept for 90 days; or bake again, which makes the same record.',
    )
  const set = parse(
    imageSetSchema,
    recordText,
    `s3://${bucket}/${recordKey} is not the record of an image set`,
  )
  if (set.inputs !== pointer.inputs)
    throw new UnusableImages(`s3://${bucket}/${recordKey} is the record of another image set: ${set.inputs}.`)
  if (hashOf(set) !== pointer.sha256)
    throw new UnusableImages(
      `s3://${bucket}/${recordKey} has been changed since it became ${choice} in ${name}: ` +
        'a record never changes. Its versions tell who did that.',
    )
  imagesFor(name, stage, set)
  return set
}

/** @returns undefined when there is no such object */
async function readObject(aws: Aws, stage: Stage, key: string): Promise<string | undefined> {
  const bucket = stateBucket(stage)
  try {
    const { Body } = await aws.s3.send(
      // A bucket of that name which belongs to somebody else is not read.
      new GetObjectCommand({ Bucket: bucket, Key: key, ExpectedBucketOwner: stage.account }),
    )
    return (await Body?.transformToString('utf8')) ?? ''
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (error.name === 'NoSuchKey') return undefined
    if (error.name === 'NoSuchBucket')
      throw new UnusableImages(
        `There is no bucket ${bucket}: npm run bootstrap makes it, once for account ${stage.account} and ${stage.region}.`,
        { cause: error },
      )
    throw error
  }
}

function parse<T extends z.ZodType>(schema: T, text: string, otherwise: string): z.output<T> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new UnusableImages(`${otherwise}: it is not JSON.`, { cause })
  }
  const result = schema.safeParse(value)
  if (!result.success) throw new UnusableImages([`${otherwise}:`, ...issueLines(result.error)].join('\n  '))
  return result.data
}

/** What was pulled, in a line for a person. */
export function saysPulled(name: StageName, stage: Stage, { choice, set, file }: Pulled): string {
  if (set === undefined)
    return (
      `${name} has no ${choice} images yet: a bake of api and web for ${architectureOf(stage)} in ${stage.region} ` +
      'makes a set, a release points at it.'
    )
  return `${file}: release ${set.release}, image set ${set.inputs.slice(0, 12)}, made ${set.madeAt}`
}
