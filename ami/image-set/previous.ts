// Whose static files a web image carries beside its own: one set's, and only that set's own, so that images don't grow.
import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import { z } from 'zod'
import type { Aws } from '../../aws/port.ts'
import { type Home, stateBucket } from '../../infra/bootstrap/names.ts'
import { LAYOUT } from '../../infra/image-sets.ts'
import { type ImageSet, parseJson, UNCOMMITTED } from '../../infra/images.ts'
import { BakeFailure } from '../ledger/failure.ts'
import { newestFirst, readObject, readSet, setNamed, writeObject } from './record.ts'

/** `usual`: what images of these inputs carry already, else `latest`. `set`: inputs in hex, or how they begin. */
export type Which = 'usual' | 'latest' | 'none' | { readonly set: string }

export interface Choice {
  readonly which: Which
  /** Inputs of the images without this choice. */
  readonly base: string
  /** What the pages' build is called. */
  readonly build: string
  /** Whether sets of files that nobody has committed count. */
  readonly allowDirty: boolean
}

const schema = z.object({
  previous: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
})

/**
 * The newest set whose pages are others than these. A stage that runs an older one than that is who `set` is for.
 * @returns its inputs; undefined: there is none, or none is wanted
 * @throws BakeFailure when the set that is named is not there, or is several
 */
export async function choosePrevious(aws: Aws, home: Home, choice: Choice): Promise<string | undefined> {
  const { which, base } = choice
  if (which === 'none') return undefined
  if (typeof which === 'object') return setNamed(aws, home, which.set)
  // Otherwise a set that somebody else has baked meanwhile would make others of the same sources, again and again.
  const known = which === 'usual' ? await readBase(aws, home, base) : undefined
  return known === undefined ? latest(aws, home, choice) : (known.previous ?? undefined)
}

/** Who is refused so often is not alone: somebody else has written it each time. */
const TRIES = 3

/**
 * For the next bake of the same inputs. What somebody else writes at this moment is as good. It is written also when it says
 * so already: its age, which retention asks for, counts from the last use.
 */
export async function keepChoice(
  aws: Aws,
  home: Home,
  { which, base }: Choice,
  previous: string | undefined,
): Promise<void> {
  if (which === 'none') return
  const text = JSON.stringify({ previous: previous ?? null })
  for (let left = TRIES; left > 0; left--) {
    const known = await readBase(aws, home, base)
    // Refused is also what retention has removed since it was read: then there is nothing to be met.
    if (await writeObject(aws, home, LAYOUT.base(base), text, known?.etag)) return
  }
}

/**
 * Inputs of images whose web tier carries another set's static files too.
 * @param base of the same without
 * @param previous inputs of that set; undefined: it carries none
 */
export function carrying(base: string, previous: string | undefined): string {
  if (previous === undefined) return base
  const text = canonicalize([base, { kind: 'previous', inputs: previous }])
  return createHash('sha256')
    .update(text ?? '')
    .digest('hex')
}

/** What a choice that was kept leads to. */
export interface Kept {
  /** Inputs of the set that it makes a bake find. */
  readonly leadsTo: string
  /** Inputs of the set whose static files that one carries; undefined: none's. */
  readonly previous: string | undefined
}

/** @returns undefined for a text that is no choice */
export function parseBase(base: string, text: string): Kept | undefined {
  const parsed = schema.safeParse(parseJson(text))
  if (!parsed.success) return undefined
  const previous = parsed.data.previous ?? undefined
  return { leadsTo: carrying(base, previous), previous }
}

async function readBase(aws: Aws, home: Home, base: string) {
  const key = LAYOUT.base(base)
  const found = await readObject(aws, home, key)
  if (found === undefined) return undefined
  const parsed = schema.safeParse(parseJson(found.text))
  if (!parsed.success)
    throw new BakeFailure(
      `s3://${stateBucket(home)}/${key} does not say which set’s static files images carry. Nothing was made. ` +
        'Remove it, and the newest set’s are taken.',
    )
  return { ...parsed.data, etag: found.etag }
}

async function latest(aws: Aws, home: Home, { build, allowDirty }: Choice): Promise<string | undefined> {
  for (const inputs of await newestFirst(aws, home)) {
    const set = await readSet(aws, home, inputs)
    // Sets from before static files were kept have none.
    if (set?.pages === undefined || set.pages.build === build) continue
    if (!set.release.endsWith(UNCOMMITTED) || allowDirty) return inputs
  }
  return undefined
}

/** In a sentence's middle. */
export const nameOf = ({ inputs, release }: ImageSet): string =>
  `image set ${inputs.slice(0, 12)} (release ${release})`
