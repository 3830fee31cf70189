// Publishing this server's newest checkpoint: files first, then the manifest, then what it makes superfluous goes.
// Killed at any point, it leaves files that no manifest names; the next publication removes them.
import { Readable } from 'node:stream'
import type { Logger } from 'pino'
import type { Pool } from '../../database/pool.ts'
import type { Manifest } from '../checkpoint/checkpoint.ts'
import { readLog } from '../database-source.ts'
import { checkHistory, HistoryChanged } from '../tail.ts'
import { clean } from './clean.ts'
import { linkNewest, newest, oldestKept } from './local.ts'
import { cutLog } from './log-cut.ts'
import {
  type CheckpointStore,
  isConflict,
  listManifests,
  type ManifestName,
  manifestKey,
  openManifest,
  type SharedManifest,
  sealManifest,
  Unusable,
} from './shared.ts'
import { storeFiles } from './store-files.ts'
import { newestKnown, renewTerm, takeTerm } from './term.ts'

/** The newest and, should one of its bytes be bad, the one before. */
const KEPT = 2
const RENEW_MS = 60_000

export interface PublishDeps {
  readonly pool: Pool
  readonly store: CheckpointStore
  readonly macKey: Buffer
  /** The index process's folder. */
  readonly dir: string
  /** This server's name as builder. */
  readonly owner: string
  readonly log: Logger
  readonly signal: AbortSignal
}

/** `not-builder`: another server is. `nothing`: there is no checkpoint here, or a shared one is as new. */
export type Published = 'published' | 'nothing' | 'not-builder'

/** @throws whatever the store or the database says; it may be tried again at any time */
export async function publishCheckpoint(deps: PublishDeps): Promise<Published> {
  await using linked = await linkNewest(deps.dir)
  if (linked === null) return 'nothing'
  const term = await takeTerm(deps.pool, deps.owner)
  if (term === null) return 'not-builder'
  const { position } = linked.manifest
  // A database that was restored is no reason to offer a checkpoint of what it has lost.
  checkHistory(position, await readLog(deps.pool, position))
  using held = holdTerm(deps, term)
  return await publish({ ...deps, signal: held.signal }, linked, term)
}

/** Where checkpoints stay on this disk and no other server could begin with one: only the log is cut, by one server. */
export async function cutByOwn(deps: Omit<PublishDeps, 'store' | 'macKey' | 'signal'>): Promise<void> {
  const own = await newest(deps.dir)
  if (own === null || (await takeTerm(deps.pool, deps.owner)) === null) return
  checkHistory(own.position, await readLog(deps.pool, own.position))
  await cut(deps, await oldestKept(deps.dir, own.position.seq))
}

async function publish(
  deps: PublishDeps,
  { manifest, dir }: { manifest: Manifest; dir: string },
  term: number,
): Promise<Published> {
  const { seq } = manifest.position
  const [before] = (await survey(deps, term, 1)).usable
  const newer = before === undefined || before.checkpoint.position.seq < seq
  if (newer) {
    const files = [manifest.state, ...manifest.segments]
    // Where not even a manifest could be read, it says nothing of a file that it can not be.
    await storeFiles({ ...deps, readable: before !== undefined }, dir, files, term)
    // Asked once more at the last moment. Should it be lost right after, the manifest names nothing but files of this
    // term, which only a later one removes, and is as true as ever.
    if (!(await renewTerm(deps.pool, deps.owner, term))) throw new Error(`term ${term} is over`)
    await putManifest(deps, { term, builtAt: new Date().toISOString(), checkpoint: manifest })
  }
  const { usable, unknown } = await survey(deps, term, KEPT)
  if (usable.length === 0) throw new Error('no shared checkpoint can be read, not even what was just stored')
  await clean(deps, term, { kept: usable, unknown })
  const positions = [...usable.map(({ checkpoint }) => checkpoint.position), ...unknown]
  await cut(deps, Math.min(...positions.map((position) => position.seq)))
  return newer ? 'published' : 'nothing'
}

async function putManifest({ store, macKey, signal }: PublishDeps, manifest: Omit<SharedManifest, 'format'>) {
  const key = manifestKey({ seq: manifest.checkpoint.position.seq, term: manifest.term })
  const put = () => store.put(key, Readable.from([sealManifest(manifest, macKey)]), { signal })
  try {
    await put()
  } catch (error) {
    if (!isConflict(error)) throw error
    // Of a time that a restored database has forgotten, terms included: it was not usable, or we would not be here. Or it
    // could not be asked for; then ours, of the same term and position, is as good.
    await store.delete(key)
    await put()
  }
}

/**
 * The newest manifests that continue in this database's log, at most so many; and those among them that can not be asked
 * for just now, which is no reason to give up a checkpoint: only what was read and is wrong. Neither keeps a new one
 * from being stored. A later term's are none of this builder's business.
 */
async function survey(
  { pool, store, macKey, log, signal }: PublishDeps,
  term: number,
  most: number,
): Promise<{ usable: SharedManifest[]; unknown: ManifestName[] }> {
  const usable: SharedManifest[] = []
  const unknown: ManifestName[] = []
  const names = await listManifests(store)
  const end = (await newestKnown(pool)).seq
  for (const name of names) {
    if (usable.length === most) break
    if (name.term > term || name.seq > end) continue
    try {
      const manifest = await openManifest(store, name, macKey)
      const { position } = manifest.checkpoint
      checkHistory(position, await readLog(pool, position))
      usable.push(manifest)
    } catch (error) {
      signal.throwIfAborted()
      log.warn({ err: error, key: name.key }, 'this shared checkpoint can not be used')
      if (!(error instanceof Unusable || error instanceof HistoryChanged)) unknown.push(name)
    }
  }
  return { usable, unknown }
}

async function cut({ pool, log }: Pick<PublishDeps, 'pool' | 'log'>, seq: number): Promise<void> {
  const removed = await cutLog(pool, 'embedded', seq)
  if (removed > 0) log.info({ removed, before: seq }, 'the log was cut')
}

/** Renewed while work goes on; the signal aborts when another server has begun a term. */
function holdTerm({ pool, owner, log, signal }: PublishDeps, term: number) {
  const lost = new AbortController()
  const timer = setInterval(() => {
    renewTerm(pool, owner, term).then(
      (ours) => ours || lost.abort(new Error(`term ${term} is over`)),
      (err: unknown) => log.warn({ err }, 'the lease of the index builder could not be renewed'),
    )
  }, RENEW_MS)
  return {
    signal: AbortSignal.any([signal, lost.signal]),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}
