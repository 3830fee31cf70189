// A server that starts takes the newest shared checkpoint that this database's log continues, unless one of its own
// is about as new. Files are hashed while they arrive; one that is not what its manifest says, or can't be had, means
// the checkpoint before. What is taken becomes a checkpoint of the local folder, which the index process loads like any.
import { mkdir } from 'node:fs/promises'
import type { Pool } from '../../database/pool.ts'
import { isDiskFull, type Manifest, writeManifest } from '../checkpoint/checkpoint.ts'
import { activeGeneration, readLog, switchedSince } from '../database-source.ts'
import { sweepMaking } from '../making.ts'
import type { Generation } from '../source.ts'
import { checkHistory, HistoryChanged } from '../tail.ts'
import { type ArrivalDeps, Arrivals } from './arrivals.ts'
import { newest } from './local.ts'
import { listManifests, type ManifestName, openManifest, Unusable } from './shared.ts'
import { newestKnown } from './term.ts'

/** Entries that are sooner read from the log than a checkpoint is from the store. */
const NEAR = 1_000
/** A builder keeps two. Whoever puts more there should not keep a server from starting. */
const MOST_OPENED = 10

export interface FetchDeps extends ArrivalDeps {
  readonly pool: Pool
  readonly macKey: Buffer
}

export interface FetchOptions {
  /** Those in the local folder are damaged: none of them counts, and no file is taken for what its name says. */
  readonly whole: boolean
}

export interface Fetched {
  readonly seq: number
  /** Files that were hashed on the way here, and need not be again by who loads them now. */
  readonly verified: readonly string[]
}

/**
 * @returns null when there is nothing better than what is here
 * @throws what the database, the store or the disk says when it can't be used, and there was nothing else
 */
export async function fetchCheckpoint(deps: FetchDeps, options: FetchOptions): Promise<Fetched | null> {
  const { pool, dir, log, signal } = deps
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await sweepMaking(dir)
  const generation = await activeGeneration(pool)
  const own = options.whole ? null : await ownSeq(deps, generation)
  await using arrivals = new Arrivals(deps, options.whole)
  let failure: unknown
  const tried = new Set<string>()
  // The builder may remove what was listed while it is fetched: then there is a newer one, which is listed then.
  for (let names = await candidates(deps, own); names.length > 0; names = await unheardOf(deps, own, tried))
    for (const name of names) {
      tried.add(name.key)
      try {
        const { checkpoint, term } = await openManifest(deps.store, name, deps.macKey)
        await requireContinued(pool, checkpoint, generation)
        return { seq: name.seq, verified: await take(arrivals, checkpoint, term, dir) }
      } catch (error) {
        signal.throwIfAborted()
        if (isDiskFull(error)) throw error
        log.warn({ err: error, key: name.key }, 'this shared checkpoint can not be used')
        // One that can't be asked for says nothing of the others.
        if (!(error instanceof Unusable || error instanceof HistoryChanged)) failure ??= error
      }
    }
  if (failure !== undefined) throw failure
  return null
}

/** @throws Unusable, HistoryChanged when the index process would not go on from it */
async function requireContinued(
  pool: Pool,
  { position, generation }: Pick<Manifest, 'position' | 'generation'>,
  active: Generation | null,
): Promise<void> {
  checkHistory(position, await readLog(pool, position))
  if (generation !== null && generation.id !== active?.id) throw new Unusable('it is of another generation')
  if (await switchedSince(pool, position.seq)) throw new Unusable('another generation was active since')
}

async function take(arrivals: Arrivals, checkpoint: Manifest, term: number, dir: string): Promise<string[]> {
  const files = [checkpoint.state, ...checkpoint.segments]
  const verified = await arrivals.bring(files, term)
  await arrivals.settle(files)
  await writeManifest(dir, checkpoint)
  arrivals.complete(files)
  return verified
}

/** What was not there when it was listed last; never more than MOST_OPENED in all. */
async function unheardOf(
  deps: FetchDeps,
  own: number | null,
  tried: ReadonlySet<string>,
): Promise<ManifestName[]> {
  const names = (await candidates(deps, own)).filter(({ key }) => !tried.has(key))
  return names.slice(0, Math.max(0, MOST_OPENED - tried.size))
}

/** Newest first: what is worth the way, and can be of this database. Nothing is listed where nothing could be. */
async function candidates({ pool, store, log }: FetchDeps, own: number | null): Promise<ManifestName[]> {
  const worth = (seq: number) => own === null || seq > own + NEAR
  if (!worth((await newestKnown(pool)).seq)) return []
  const names = await listManifests(store)
  const most = await newestKnown(pool)
  const possible = names.filter(({ term, seq }) => term <= most.term && seq <= most.seq)
  const strange = names.length - possible.length
  if (strange > 0) log.warn({ strange }, 'shared checkpoints that this database can not have are left alone')
  return possible.filter(({ seq }) => worth(seq)).slice(0, MOST_OPENED)
}

/** Of the newest checkpoint here that the index process would continue from. */
async function ownSeq({ pool, dir }: FetchDeps, generation: Generation | null): Promise<number | null> {
  const own = await newest(dir)
  if (own === null) return null
  try {
    await requireContinued(pool, own, generation)
    return own.position.seq
  } catch (error) {
    if (error instanceof Unusable || error instanceof HistoryChanged) return null
    throw error
  }
}
