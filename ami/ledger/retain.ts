// Which image sets are kept. An old one that nobody names goes: its record first, so that nobody takes it up any more,
// then its images, by the sweeper, which asks everything once more. Killed in between, the sweeper finds them by their tags.
// What lay beside its record goes last, by itself: also what an earlier run, or a bake that was never ended, has left.
import { DescribeImagesCommand } from '@aws-sdk/client-ec2'
import { type Aws, callerIn } from '../../aws/port.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import type { ImageSet } from '../../infra/images.ts'
import { readObject, removeAsRead, writeObject } from '../image-set/record.ts'
import { BakeFailure } from './failure.ts'
import { isOldPart, judgeParts, listParts, partLine, removeParts } from './parts.ts'
import { pointers, recordedSets, startedFrom } from './survey.ts'
import { sweep } from './sweep.ts'

const DAY_MS = 86_400_000

export interface Retaining {
  /** So many of the newest sets stay, whoever names them. */
  readonly keep: number
  /** Days that every set stays, and what bakes have left beside records since its last use. */
  readonly days: number
  /** Without it nothing is removed. */
  readonly removes: boolean
  /** Asked once everything has been shown, when there is something to remove. */
  readonly agrees: (what: NotNeeded) => Promise<boolean>
  readonly say: (line: string) => void
}

export interface NotNeeded {
  readonly sets: readonly ImageSet[]
  /** Keys in the state bucket. */
  readonly parts: readonly string[]
}

interface Judged {
  readonly set: ImageSet
  /** Why it stays; undefined: it may go. */
  readonly because: string | undefined
}

export interface Retained {
  /** Inputs. */
  readonly removed: readonly string[]
  /** Keys of what lay beside records. */
  readonly parts: readonly string[]
  readonly outcome: 'shown' | 'declined' | 'removed'
}

/**
 * @throws AwsProblem `wrong-account` before anything is looked at; BakeFailure when something can't be read that may
 *   name a set, or somebody has named one at this moment: it is put back then
 */
export async function retain(aws: Aws, home: Home, retaining: Retaining): Promise<Retained> {
  const { keep, days, removes, agrees, say } = retaining
  await callerIn(aws, home.account, `What is to be kept in ${home.region}`)
  if (aws.region !== home.region) throw new Error(`asked in ${aws.region} for ${home.region}`)
  const oldest = new Date(aws.clock.now().getTime() - days * DAY_MS)
  // Before the records that may name them.
  const listed = await listParts(aws, home)
  const all = await judge(aws, home, keep, days)
  for (const one of all) say(line(one))
  const old = all.filter(isOld)
  const staying = all.filter((one) => !isOld(one)).map(({ set }) => set)
  const beside = judgeParts(listed, staying, oldest)
  for (const one of beside) if (!one.isNamed) say(partLine(one))
  const parts = beside.filter(isOldPart).map(({ part: { key } }) => key)
  const isNothing = old.length === 0 && parts.length === 0
  say(
    `Account ${home.account}, ${home.region}: ${all.length} image sets, ${old.length} of them not needed; ` +
      `beside them ${listed.length} objects, ${parts.length} of them not needed.` +
      (removes || isNothing ? '' : ' Nothing was removed: --remove does it.'),
  )
  if (!removes || isNothing) return { removed: [], parts: [], outcome: 'shown' }
  if (!(await agrees({ sets: old.map(({ set }) => set), parts })))
    return { removed: [], parts: [], outcome: 'declined' }

  const shown = new Set(old.map(({ set }) => set.inputs))
  const still = (await judge(aws, home, keep, days)).filter((one) => isOld(one) && shown.has(one.set.inputs))
  const removed: string[] = []
  for (const { set } of still) {
    const only = await idsOf(aws, set)
    await forget(aws, home, set)
    removed.push(set.inputs)
    say(`removed the record of image set ${set.inputs.slice(0, 12)}`)
    await sweep(aws, home, { removes: true, agrees: async () => true, say, only })
  }
  const gone = await removeParts(aws, home, { shown: new Set(parts), oldest, say })
  return { removed, parts: gone, outcome: 'removed' }
}

const isOld = ({ because }: Judged): boolean => because === undefined

const line = ({ set: { inputs, release, madeAt }, because }: Judged): string =>
  `${because === undefined ? 'not needed' : 'stays     '}  ${inputs.slice(0, 12)}  made ${madeAt}, release ${release}` +
  `${because === undefined ? '' : `: ${because}`}`

async function judge(aws: Aws, home: Home, keep: number, days: number): Promise<Judged[]> {
  const sets = (await recordedSets(aws, home)).toSorted((a, b) => (a.madeAt < b.madeAt ? 1 : -1))
  const pointed = await pointers(aws, home)
  for (const [inputs, key] of pointed)
    if (!sets.some((set) => set.inputs === inputs)) throw pointsNowhere(home, key)
  const named = await startedFrom(aws)
  const oldest = aws.clock.now().getTime() - days * DAY_MS
  const because = (set: ImageSet, place: number): string | undefined => {
    const key = pointed.get(set.inputs)
    if (key !== undefined) return `${key} names it`
    const elsewhere = Object.keys(set.regions).filter((region) => region !== home.region)
    if (elsewhere.length > 0)
      return `it has images in ${elsewhere.join(', ')} too, which are not looked at here`
    for (const { api, web } of Object.values(set.regions))
      for (const id of [api, web]) if (named.has(id)) return `${id}: ${named.get(id)}`
    if (place < keep) return `it is one of the newest ${keep}`
    return Date.parse(set.madeAt) > oldest ? `it is younger than ${days} days` : undefined
  }
  const judged = sets.map((set, place) => ({ set, because: because(set, place) }))
  // Whose pages a set that stays carries on: whoever bakes that one again takes them from there.
  const carried = new Map(
    judged.flatMap(({ set, because: stays }): [string, string][] =>
      stays === undefined || set.previous === undefined ? [] : [[set.previous, set.inputs]],
    ),
  )
  return judged.map(({ set, because: stays }) => {
    const by = carried.get(set.inputs)
    return { set, because: stays ?? (by && `image set ${by.slice(0, 12)} carries its pages`) }
  })
}

const pointsNowhere = (home: Home, key: string) =>
  new BakeFailure(
    `s3://${stateBucket(home)}/${key} names an image set that has no record. Nothing was removed: ` +
      'the versions of that record tell who removed it; once it is right again, run this again.',
  )

/** Images of a set, and their snapshots. */
async function idsOf(aws: Aws, { regions }: ImageSet): Promise<ReadonlySet<string>> {
  const { api, web } = regions[aws.region] ?? {}
  const ids = [api, web].filter((id) => id !== undefined)
  if (ids.length === 0) return new Set()
  const { Images = [] } = await aws.ec2.send(
    // By a filter: one that is gone is no error.
    new DescribeImagesCommand({
      Owners: ['self'],
      Filters: [{ Name: 'image-id', Values: ids }],
      IncludeDeprecated: true,
      IncludeDisabled: true,
    }),
  )
  const snapshots = Images.flatMap(({ BlockDeviceMappings = [] }) =>
    BlockDeviceMappings.flatMap(({ Ebs }) => Ebs?.SnapshotId ?? []),
  )
  return new Set([...ids, ...snapshots])
}

/** Removes a record, and puts it back when somebody has named the set between the look and that. */
async function forget(aws: Aws, home: Home, { inputs }: ImageSet): Promise<void> {
  const Key = LAYOUT.record(inputs)
  const was = await readObject(aws, home, Key)
  if (was === undefined) return
  // What somebody has written in its place was not judged.
  if (!(await removeAsRead(aws, home, Key, was.etag)))
    throw new BakeFailure(
      `The record of image set ${inputs.slice(0, 12)} was written anew at this moment: it stays, with its images. Run this again.`,
    )
  const key = (await pointers(aws, home)).get(inputs)
  if (key === undefined) return
  await writeObject(aws, home, Key, was.text, undefined)
  throw new BakeFailure(
    `Somebody has named image set ${inputs.slice(0, 12)} at this moment (${key}): its record was put back, and its images are there.`,
  )
}
