// A server that starts takes the newest shared checkpoint that this database's log continues, unless one of its own
// is about as new. Files are hashed while they arrive; one that is not what its manifest says, or is gone, means the
// checkpoint before. What is taken becomes a checkpoint of the local folder, which the index process loads like any.
import { createHash, randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import type { Pool } from '../../database/pool.ts'
import { type Manifest, type ManifestFile, writeManifest } from '../checkpoint/checkpoint.ts'
import { activeGeneration, readLog, switchedSince } from '../database-source.ts'
import { checkHistory, HistoryChanged } from '../tail.ts'
import { newest } from './local.ts'
import { type CheckpointStore, fileKey, listManifests, openManifest, read, Unusable } from './shared.ts'

/** Entries that are sooner read from the log than a checkpoint is from the store. */
const NEAR = 1_000
const AT_ONCE = 3

export interface FetchDeps {
  readonly pool: Pool
  readonly store: CheckpointStore
  readonly macKey: Buffer
  readonly dir: string
  readonly log: Logger
  readonly signal: AbortSignal
}

export interface Fetched {
  readonly seq: number
  /** Files that were hashed on the way here, and need not be again by who loads them now. */
  readonly verified: readonly string[]
}

/**
 * @returns null when there is nothing better than what is here
 * @throws what the database, the store or the disk says when it can't be used
 */
export async function fetchCheckpoint(deps: FetchDeps): Promise<Fetched | null> {
  const { pool, store, dir, log } = deps
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const own = await ownSeq(deps)
  const generation = await activeGeneration(pool)
  for (const name of await listManifests(store)) {
    if (own !== null && name.seq <= own + NEAR) return null
    try {
      const { checkpoint, term } = await openManifest(store, name, deps.macKey)
      checkHistory(checkpoint.position, await readLog(pool, checkpoint.position.seq))
      if (checkpoint.generation !== null && checkpoint.generation.id !== generation?.id)
        throw new Unusable('it is of another generation')
      if (await switchedSince(pool, checkpoint.position.seq))
        throw new Unusable('another generation was active since')
      const verified = await fetchFiles(deps, checkpoint, term)
      await writeManifest(dir, checkpoint)
      return { seq: name.seq, verified }
    } catch (error) {
      if (!(error instanceof Unusable || error instanceof HistoryChanged)) throw error
      log.warn({ err: error, key: name.key }, 'this shared checkpoint can not be used')
    }
  }
  return null
}

/** Of the newest checkpoint here that this log continues. */
async function ownSeq({ pool, dir }: FetchDeps): Promise<number | null> {
  const own = await newest(dir)
  if (own === null) return null
  const reading = await readLog(pool, own.position.seq)
  try {
    checkHistory(own.position, reading)
    return own.position.seq
  } catch {
    return null
  }
}

async function fetchFiles(deps: FetchDeps, { state, segments }: Manifest, term: number): Promise<string[]> {
  const waiting = [state, ...segments]
  const verified: string[] = []
  const stop = new AbortController()
  const signal = AbortSignal.any([deps.signal, stop.signal])
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      // Names are random: what has this name and size is this file, from an earlier start. Who loads it hashes it.
      if ((await sizeOf(path.join(deps.dir, file.name))) === file.bytes) continue
      await fetchFile(deps, fileKey(term, file), file, signal)
      verified.push(file.name)
    }
  }
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  } catch (error) {
    stop.abort()
    throw error
  }
  return verified
}

async function fetchFile({ store, dir }: FetchDeps, key: string, file: ManifestFile, signal: AbortSignal) {
  // The name begins like the file's, so that the index process clears it away should this process be killed.
  const part = path.join(dir, `${file.name}.${randomBytes(4).toString('hex')}`)
  const hash = createHash('sha256')
  let bytes = 0
  const hashing = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length
      if (bytes > file.bytes) return done(new Unusable(`${key} is damaged`))
      hash.update(chunk)
      done(null, chunk)
    },
  })
  try {
    const to = createWriteStream(part, { flags: 'wx', mode: 0o600, highWaterMark: 1024 * 1024 })
    await pipeline(await read(store, key), hashing, to, { signal })
    if (bytes !== file.bytes || hash.digest('hex') !== file.sha256) throw new Unusable(`${key} is damaged`)
    // Not synced: what a crash takes of it fails the hash at the next start, and costs nothing but time.
    await rename(part, path.join(dir, file.name))
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

async function sizeOf(file: string): Promise<number | null> {
  try {
    return (await stat(file)).size
  } catch {
    return null
  }
}
