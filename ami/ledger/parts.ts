// What lies beside the records of image sets and no set needs any more: lists of packages, SBOMs, static files, and which set's
// static files images carry. Records are always read after these were listed: what a bake has named meanwhile stays.
import type { Aws } from '../../aws/port.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import type { ImageSet } from '../../infra/images.ts'
import { type Kept, parseBase } from '../image-set/previous.ts'
import { listObjects, type Read, readObject, removeAsRead, writeObject } from '../image-set/record.ts'
import { BakeFailure } from './failure.ts'
import { recordedSets } from './survey.ts'

/** What may lie there. */
type Kind = 'part' | 'base' | 'unknown'

export interface Listed {
  readonly key: string
  /** When it was used last. */
  readonly at: Date
  readonly kind: Kind
  /** Of a base; undefined when it can't be read, too. */
  readonly kept: Kept | undefined
}

export interface JudgedPart {
  readonly part: Listed
  /** Whether a set that stays needs it. */
  readonly isNamed: boolean
  /** Why it stays; undefined: it may go. */
  readonly because: string | undefined
}

const PARTS = [LAYOUT.packages, LAYOUT.sbom, LAYOUT.staticFiles] as const
/** `image-packages/` */
const folderOf = (keyOf: (name: string) => string): string => keyOf('').replace(/[^/]*$/, '')

/**
 * Everything in the four folders.
 * @throws AwsProblem when one of them can't be listed
 */
export async function listParts(aws: Aws, home: Home): Promise<readonly Listed[]> {
  const listed: Listed[] = []
  for (const keyOf of [...PARTS, LAYOUT.base])
    for (const { key, at } of await listObjects(aws, home, folderOf(keyOf))) {
      const text = kindOf(key) === 'base' ? await readObject(aws, home, key) : undefined
      // A base that went meanwhile.
      if (kindOf(key) === 'base' && text === undefined) continue
      listed.push(listedAs(key, at, text))
    }
  return listed
}

const hashIn = (key: string): string | undefined => /\/([0-9a-f]{64})\.json$/.exec(key)?.[1]

function kindOf(key: string): Kind {
  const hash = hashIn(key)
  if (hash === undefined) return 'unknown'
  if (key === LAYOUT.base(hash)) return 'base'
  return PARTS.some((keyOf) => keyOf(hash) === key) ? 'part' : 'unknown'
}

function listedAs(key: string, at: Date, read: Read | undefined): Listed {
  const kind = kindOf(key)
  const kept = kind === 'base' && read !== undefined ? parseBase(hashIn(key) ?? '', read.text) : undefined
  return { key, at, kind, kept }
}

/** @param oldest what was used later stays, whoever names it */
export function judgeParts(
  parts: readonly Listed[],
  sets: readonly ImageSet[],
  oldest: Date,
): readonly JudgedPart[] {
  const recorded = new Set(sets.map(({ inputs }) => inputs))
  const named = new Set(
    sets.flatMap(({ packages, sbom, pages }) => [
      ...(packages === undefined ? [] : [LAYOUT.packages(packages)]),
      ...(sbom === undefined ? [] : [LAYOUT.sbom(sbom)]),
      ...(pages === undefined ? [] : [LAYOUT.staticFiles(pages.files)]),
    ]),
  )
  return parts.map((part) => {
    const { key, at, kind, kept } = part
    const judged = (isNamed: boolean, because?: string): JudgedPart => ({ part, isNamed, because })
    if (kind === 'unknown') return judged(false, 'its name is none that a bake gives')
    if (kind === 'base' && kept === undefined)
      return judged(false, 'it does not say which set’s static files images carry')
    // A bake of these inputs finds its set by it, also when the other one, whose files that has already, is gone.
    if (kept === undefined ? named.has(key) : recorded.has(kept.leadsTo))
      return judged(true, 'an image set names it')
    // It would stop the next bake: that set's static files can't be had. A bake that made its set writes it anew.
    if (kept?.previous !== undefined && !recorded.has(kept.previous)) return judged(false)
    return at > oldest ? judged(false, 'its bake may still be running, or be continued') : judged(false)
  })
}

export const isOldPart = ({ because }: JudgedPart): boolean => because === undefined

export const partLine = ({ part: { key, at }, because }: JudgedPart): string =>
  `${because === undefined ? 'not needed' : 'stays     '}  ${key}  used ${at.toISOString()}` +
  `${because === undefined ? '' : `: ${because}`}`

export interface RemovingParts {
  /** Keys that a person has seen: nothing else goes. */
  readonly shown: ReadonlySet<string>
  readonly oldest: Date
  readonly say: (line: string) => void
}

/**
 * Removes what is still not needed.
 * @returns keys of what went
 */
export async function removeParts(
  aws: Aws,
  home: Home,
  { shown, oldest, say }: RemovingParts,
): Promise<readonly string[]> {
  const known = new Map<string, ImageSet>()
  const listed = await listParts(aws, home)
  let sets = await recordedSets(aws, home, known)
  const removed: string[] = []
  for (const { part } of judgeParts(listed, sets, oldest).filter(isOldPart)) {
    const { key } = part
    const was = shown.has(key) ? await readObject(aws, home, key) : undefined
    if (was === undefined) continue
    // It may have been used again since it was listed, or say something else.
    const now = listedAs(key, was.at ?? aws.clock.now(), was)
    if (!judgeParts([now], sets, oldest).every(isOldPart)) continue
    const outcome = await removePart(aws, home, now, was, known)
    if (outcome === 'removed') removed.push(key)
    // It names others, too.
    if (outcome === 'named') sets = await recordedSets(aws, home, known)
    say(SAID[outcome](key))
  }
  return removed
}

const SAID: Readonly<Record<Outcome, (key: string) => string>> = {
  removed: (key) => `removed ${key}`,
  changed: (key) => `${key} was written or removed by somebody else at this moment`,
  named: (key) => `${key} stays: an image set has named it at this moment`,
}

type Outcome = 'removed' | 'changed' | 'named'

/** Puts it back when a record names it by now, or nobody can tell. A record that is written later is its bake's care. */
async function removePart(
  aws: Aws,
  home: Home,
  part: Listed,
  was: Read,
  known: Map<string, ImageSet>,
): Promise<Outcome> {
  const { key } = part
  const putBack = () => writeObject(aws, home, key, was.text, undefined)
  try {
    if (!(await removeAsRead(aws, home, key, was.etag))) return 'changed'
    const sets = await recordedSets(aws, home, known)
    if (!judgeParts([part], sets, part.at).some(({ isNamed }) => isNamed)) return 'removed'
  } catch (error) {
    // It may have gone although no answer came. What is there already is left as it is.
    await putBack().catch(() => false)
    throw error
  }
  try {
    await putBack()
  } catch (cause) {
    throw new BakeFailure(
      `An image set has named s3://${stateBucket(home)}/${key} as it was removed, and it could not be put back ` +
        `(${cause instanceof Error ? cause.message : cause}): its last version but the marker is to be restored.`,
      { cause },
    )
  }
  return 'named'
}
