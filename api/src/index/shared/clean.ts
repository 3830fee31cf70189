// What no kept manifest names goes, manifests first. Only of this term and earlier ones: a builder that was paused
// must not remove what its successor has just stored. Terms that the database has not come to are nobody's.
import type { Logger } from 'pino'
import type { Queryable } from '../../database/pool.ts'
import {
  type CheckpointStore,
  FILES,
  fileKey,
  listManifests,
  type ManifestName,
  manifestKey,
  type SharedManifest,
  termOfFile,
} from './shared.ts'
import { newestKnown } from './term.ts'

export interface CleanDeps {
  readonly pool: Queryable
  readonly store: CheckpointStore
  readonly log: Logger
  readonly signal: AbortSignal
}

export interface Kept {
  readonly kept: readonly SharedManifest[]
  /** Manifests that may be good and could not be read: they stay, and whatever has the term that their files have. */
  readonly unknown: readonly ManifestName[]
}

/** What can not be removed is left for the next time. @throws what the store or the database say when they are asked */
export async function clean(deps: CleanDeps, term: number, { kept, unknown }: Kept): Promise<void> {
  const keep = new Set([
    ...kept.flatMap(({ term: of, checkpoint: { position, state, segments } }) => [
      manifestKey({ seq: position.seq, term: of }),
      ...[state, ...segments].map((file) => fileKey(of, file)),
    ]),
    ...unknown.map(({ key }) => key),
  ])
  const unsure = new Set(unknown.map((name) => name.term))
  const manifests = await listManifests(deps.store)
  const files: { key: string; term: number }[] = []
  for await (const { key } of deps.store.list(FILES)) {
    const of = termOfFile(key)
    if (of !== null && !unsure.has(of)) files.push({ key, term: of })
  }
  // Asked after the lists: whoever has stored any of it had his term by then.
  const newest = (await newestKnown(deps.pool)).term
  const superfluous = [...manifests, ...files].filter(
    ({ key, term: of }) => !keep.has(key) && (of <= term || of > newest),
  )
  await remove(
    deps,
    superfluous.map(({ key }) => key),
  )
}

async function remove({ store, log, signal }: CleanDeps, keys: readonly string[]): Promise<void> {
  let left = 0
  let why: unknown
  for (const key of keys) {
    signal.throwIfAborted()
    try {
      await store.delete(key)
    } catch (error) {
      left++
      why ??= error
    }
  }
  if (left > 0) log.warn({ err: why, left }, 'superfluous blobs of shared checkpoints were not removed')
}
