// Which segment files a checkpoint has: large ones are kept as they are, small ones and the tail become one, so that
// a vector is written again only when what it lies in has doubled; and a segment with many dead vectors is written
// anew. A kept file is hashed once.
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import path from 'node:path'
import type { Pace } from '../pace.ts'
import { HEADER_BYTES, segmentHeader } from '../vectors/segment-file.ts'
import { NOBODY, segmentName, type VectorStore } from '../vectors/store.ts'
import { FileWriter } from './files.ts'
import type { ManifestFile } from './manifest.ts'

const ROWS = 512
const DEAD_SHARE = 0.2

/** A range of vector numbers that becomes one file, `kept` when it is one already. */
export interface Part {
  readonly kept: string | null
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
  const part = (first: number, end: number, kept: string | null): Part => {
    const owner = new Uint32Array(end - first)
    for (let number = first; number < end; number++) {
      const place = owners[number] ?? NOBODY
      owner[number - first] = place === NOBODY ? NOBODY : (moved[place] ?? NOBODY)
    }
    return { kept, first, owner }
  }
  const parts: Part[] = []
  // From the newest back: what is not much larger than all that is newer is merged with it.
  let start = store.tail.first
  const { segments } = store
  let index = segments.length - 1
  for (; index >= 0; index--) {
    const segment = segments[index]
    if (segment === undefined || segment.segment.count > 2 * (store.count - start)) break
    start = segment.first
  }
  for (const { file, first, segment } of segments.slice(0, index + 1)) {
    const whole = part(first, first + segment.count, file)
    const dead = whole.owner.reduce((sum, place) => sum + (place === NOBODY ? 1 : 0), 0)
    parts.push(dead > whole.owner.length * DEAD_SHARE ? { ...whole, kept: null } : whole)
  }
  const last = segments[index + 1]
  // The newest segment alone, with no tail behind it, is a file already.
  if (
    last !== undefined &&
    index + 2 === segments.length &&
    last.first + last.segment.count === store.count
  ) {
    const whole = part(last.first, store.count, last.file)
    const dead = whole.owner.reduce((sum, place) => sum + (place === NOBODY ? 1 : 0), 0)
    parts.push(dead > whole.owner.length * DEAD_SHARE ? { ...whole, kept: null } : whole)
  } else if (start < store.count) parts.push(part(start, store.count, null))
  return { parts }
}

/** @returns null for a part without live vectors */
export async function writeSegment(
  store: VectorStore,
  dir: string,
  part: Part,
  known: ReadonlyMap<string, ManifestFile>,
  pace: Pace,
): Promise<{ file: ManifestFile | null; owner: Uint32Array }> {
  if (part.kept !== null)
    return { file: known.get(part.kept) ?? (await hashed(dir, part.kept, pace)), owner: part.owner }
  const live = part.owner.filter((place) => place !== NOBODY)
  if (live.length === 0) return { file: null, owner: live }
  await using writer = await FileWriter.create(dir, segmentName(), pace)
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

/** Hashes a file that is here already, and syncs it. */
async function hashed(dir: string, name: string, pace: Pace): Promise<ManifestFile> {
  const handle = await open(path.join(dir, name), 'r')
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
