// What one stage has proved becomes what another one is to run next: a pointer moves, and nothing is baked, copied or
// deployed. A release takes it from there.
import type { Aws } from '../../aws/port.ts'
import { stateBucket } from '../../infra/bootstrap/names.ts'
import { hashOf, type ImagePointer, LAYOUT, pointerSchema } from '../../infra/image-sets.ts'
import { type ImageSet, imagesFor, parseJson } from '../../infra/images.ts'
import type { Stage } from '../../infra/stage-schema.ts'
import type { StageName } from '../../infra/stages.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { type Read, readObject, readSet, removeAsRead, setNamed, writeObject } from './record.ts'

export interface StageAt {
  readonly name: StageName
  readonly stage: Stage
}

export interface Promoted {
  readonly set: ImageSet
  /** False: it was there already. */
  readonly moved: boolean
}

/** A set of this name, or one that a stage runs. */
export type From = StageAt | { readonly set: string }

/**
 * The set that `from` runs, or one that was baked, becomes the candidate of `to`.
 * @throws BakeFailure when there is none, or somebody else moved the pointer meanwhile; UnusableImages when `to` can’t
 *   run it. The pointer is then as it was.
 */
export async function promote(aws: Aws, from: From, to: StageAt): Promise<Promoted> {
  const set = 'set' in from ? await recorded(aws, from.set, to) : await provedBy(aws, from, to)
  imagesFor(to.name, to.stage, set)

  const key = LAYOUT.pointer(to.name, 'candidate')
  const pointer: ImagePointer = { inputs: set.inputs, sha256: hashOf(set) }
  const was = await readObject(aws, to.stage, key)
  if (was !== undefined && isSame(was.text, pointer)) return { set, moved: false }
  const moved = await writeObject(aws, to.stage, key, `${JSON.stringify(pointer)}\n`, was?.etag)
  // An answer that was lost looks the same as somebody who was faster with the same.
  const now = moved ? undefined : await readObject(aws, to.stage, key)
  if (!moved && (now === undefined || !isSame(now.text, pointer)))
    throw new BakeFailure(
      `Somebody else has moved what ${to.name} is to run next, at this moment: it is as they left it. Look at it, and run this again.`,
    )
  await stillRecorded(aws, to, set, was)
  return { set, moved: true }
}

/**
 * Retention reads the pointers after it has removed a record, and this reads the record after it has moved the pointer: whatever the
 * order, one of the two sees what the other did. A pointer to nothing would also stop every later retention.
 */
async function stillRecorded(aws: Aws, { name, stage }: StageAt, set: ImageSet, was: Read | undefined) {
  if ((await readSet(aws, stage, set.inputs)) !== undefined) return
  const key = LAYOUT.pointer(name, 'candidate')
  const now = await readObject(aws, stage, key)
  const isOurs = now !== undefined && isSame(now.text, { inputs: set.inputs, sha256: hashOf(set) })
  if (isOurs && was !== undefined) await writeObject(aws, stage, key, was.text, now.etag)
  if (isOurs && was === undefined) await removeAsRead(aws, stage, key, now.etag)
  throw new BakeFailure(
    `Image set ${set.inputs.slice(0, 12)} was removed at this moment, since nobody had named it (npm run bake:retain): what ${name} is to ` +
      'run next is as it was. Run this again; if the set is gone, bake again.',
  )
}

/** What another stage runs. */
async function provedBy(aws: Aws, from: StageAt, to: StageAt): Promise<ImageSet> {
  if (from.name === to.name) throw new BakeFailure(`${from.name} can’t be promoted to itself.`)
  if (stateBucket(from.stage) !== stateBucket(to.stage))
    throw new BakeFailure(
      `${from.name} is in ${place(from)}, ${to.name} in ${place(to)}: images are not copied between accounts and regions. ` +
        `Bake there as well. Nothing was changed.`,
    )
  return runBy(aws, from)
}

/** What a bake has recorded, and perhaps no stage has run yet. */
async function recorded(aws: Aws, begin: string, { stage }: StageAt): Promise<ImageSet> {
  const inputs = await setNamed(aws, stage, begin)
  const set = await readSet(aws, stage, inputs)
  if (set === undefined)
    throw new BakeFailure(`Image set ${inputs.slice(0, 12)} went at this moment. Nothing was changed.`)
  return set
}

const place = ({ stage }: StageAt): string => `account ${stage.account}, ${stage.region}`

function isSame(text: string, { inputs, sha256 }: ImagePointer): boolean {
  const parsed = pointerSchema.safeParse(parseJson(text))
  return parsed.success && parsed.data.inputs === inputs && parsed.data.sha256 === sha256
}

/** What a stage runs, checked: a record that was changed since proves nothing. */
async function runBy(aws: Aws, { name, stage }: StageAt): Promise<ImageSet> {
  const key = LAYOUT.pointer(name, 'live')
  const found = await readObject(aws, stage, key)
  if (found === undefined)
    throw new BakeFailure(
      `${name} runs no images yet: there is nothing that it has proved. Nothing was changed.`,
    )
  const pointer = pointerSchema.safeParse(parseJson(found.text))
  if (!pointer.success)
    throw new BakeFailure(
      `s3://${stateBucket(stage)}/${key} is not a pointer to an image set. Nothing was changed.`,
    )
  const set = await readSet(aws, stage, pointer.data.inputs)
  if (set === undefined)
    throw new BakeFailure(
      `What ${name} runs should stand in s3://${stateBucket(stage)}/${LAYOUT.record(pointer.data.inputs)}, and does not. Nothing was changed.`,
    )
  if (hashOf(set) !== pointer.data.sha256)
    throw new BakeFailure(
      `The record of image set ${set.inputs.slice(0, 12)} has been changed since ${name} runs it: a record never changes. Nothing was changed.`,
    )
  return set
}
