// Which segment files a checkpoint has: large ones are kept as they are, small ones and the tail become one; and a
// segment with many dead vectors is written anew. So there are few of them (each costs every search a call), and a
// vector is written again a few times in its life, not at every checkpoint. A kept file is hashed once.
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { Pace } from '../pace.ts'
import { HEADER_BYTES, segmentHeader } from '../vectors/segment-file.ts'
import { NOBODY, type SealedVectors, segmentName, type VectorStore } from '../vectors/store.ts'
import type { ManifestFile } from './checkpoint.ts'
import type { NewFiles } from './files.ts'

const ROWS = 512
const DEAD_SHARE = 0.2
const SMALL_SHARE = 0.25

/** A range of vector numbers that becomes one file, `kept` when it is one already. */
export interface Part {
  readonly kept: SealedVectors | null
  readonly first: number
  /** By number − first: the new place, or NOBODY. */
  readonly owner: Uint32Array
}

export interface LiveVectors {
  readonly parts: readonly Part[]
}

export function planSegments(store: VectorStore | null, moved: Uint32Array): LiveVectors | null {
  if (store === null) return null
  const owners = store.owner.values
  const ownersOf = (first: number, end: number) => {
    const places = new Uint32Array(end - first)
    for (let number = first; number < end; number++) {
      const place = owners[number] ?? NOBODY
      places[number - first] = place === NOBODY ? NOBODY : (moved[place] ?? NOBODY)
    }
    return places
  }
  const { segments, count } = store
  const kept = keptSegments(store)
  const parts = segments.slice(0, kept).map((sealed): Part => {
    const { first, segment } = sealed
    const owner = ownersOf(first, first + segment.count)
    const dead = owner.reduce((sum, place) => sum + (place === NOBODY ? 1 : 0), 0)
    return { kept: dead > owner.length * DEAD_SHARE ? null : sealed, first, owner }
  })
  const start = segments[kept]?.first ?? store.tail.first
  if (start < count) parts.push({ kept: null, first: start, owner: ownersOf(start, count) })
  return { parts }
}

/**
 * How many segments stay by themselves. From the newest back: what is a small part of all, or not much larger than
 * all that is newer, is merged with it; the first segment that is neither stays, and those before it.
 */
function keptSegments({ segments, count, tail }: VectorStore): number {
  let merged = tail.count
  for (let kept = segments.length; kept > 0; kept--) {
    const size = segments[kept - 1]?.segment.count ?? 0
    if (size > 2 * merged && size >= count * SMALL_SHARE) return kept
    merged += size
  }
  return 0
}

/** @returns null for a part without live vectors */
export async function writeSegment(
  store: VectorStore,
  made: NewFiles,
  part: Part,
  known: ReadonlyMap<string, ManifestFile>,
): Promise<{ file: ManifestFile | null; owner: Uint32Array }> {
  const { kept, owner } = part
  if (kept !== null) {
    const { name } = kept
    if (name === null) return { file: await newlyKept(store, made, kept), owner }
    return { file: known.get(name) ?? (await hashed(kept.path, name, made.pace)), owner }
  }
  const live = owner.filter((place) => place !== NOBODY)
  if (live.length === 0) return { file: null, owner: live }
  const writer = await made.create(segmentName())
  await writer.write(segmentHeader(store.dimensions, live.length))
  const buffer = new Float32Array(ROWS * store.dimensions)
  for (let at = 0; at < part.owner.length; ) {
    let used = 0
    while (used < ROWS && at < part.owner.length) {
      const end = runEnd(part.owner, at, Math.min(part.owner.length, at + ROWS - used))
      if (part.owner[at] !== NOBODY) {
        store.read(part.first + at, end - at, buffer.subarray(used * store.dimensions))
        used += end - at
      }
      at = end
    }
    await writer.write(buffer.subarray(0, used * store.dimensions))
  }
  return { file: await writer.finish(), owner: live }
}

/** Where the run of live, or of dead, vectors that begins at `from` ends. */
function runEnd(owner: Uint32Array, from: number, limit: number): number {
  const dead = owner[from] === NOBODY
  let end = from + 1
  while (end < limit && (owner[end] === NOBODY) === dead) end++
  return end
}

/** Of what was only this process's so far: it gets its name together with the new files. */
async function newlyKept(store: VectorStore, made: NewFiles, kept: SealedVectors): Promise<ManifestFile> {
  const file = await hashed(kept.path, segmentName(), made.pace)
  made.beforeManifest(() => store.settle(kept, made.dir, file.name))
  return file
}

/** Hashes a file that is here already, and syncs it. */
async function hashed(file: string, name: string, pace: Pace): Promise<ManifestFile> {
  const handle = await open(file, 'r')
  try {
    await handle.sync()
    const hash = createHash('sha256')
    const slice = Buffer.alloc(1 << 20)
    let bytes = 0
    for (;;) {
      const { bytesRead } = await handle.read(slice, 0, slice.length, bytes)
      if (bytesRead === 0) break
      hash.update(slice.subarray(0, bytesRead))
      bytes += bytesRead
      if (pace.due) await pace.pause()
    }
    if (bytes < HEADER_BYTES) throw new Error(`${name} is cut short`)
    return { name, bytes, sha256: hash.digest('hex') }
  } finally {
    await handle.close()
  }
}
