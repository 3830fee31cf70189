// All vectors of the index by number, in order of arrival: sealed segments first, then a tail in memory. Sealing
// writes the tail's full chunks to a segment file and changes who serves those numbers, nothing else.
// A number's owner is the place of its passage, or NOBODY: before its document's vectors are published, and after
// the passage got another vector. Whether the passage is alive is for passages.ts to say.
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { open, unlink } from 'node:fs/promises'
import path from 'node:path'
import { Growing } from '../growing.ts'
import { newFile, settle } from '../making.ts'
import { dot, type VectorEngine, type VectorSegment } from './port.ts'
import { segmentHeader } from './segment-file.ts'

export const NOBODY = 0xffffffff
/** Vectors in a chunk of the tail. */
const CHUNK = 1_024
/** A tail of this size is sealed: scanning it costs 0.3 µs a vector, FAISS a third of that. */
export const SEAL_AT = 2 * CHUNK

export interface SealedVectors {
  /** In the index's folder; null as long as no checkpoint was to have it, and nobody but this process knows of it. */
  readonly name: string | null
  readonly path: string
  readonly first: number
  readonly segment: VectorSegment
}

export class VectorStore {
  readonly dimensions: number
  readonly engine: VectorEngine
  readonly owner: Growing<Uint32Array>
  readonly segments: SealedVectors[] = []
  #tail: Float32Array[] = []
  #tailFirst = 0
  readonly #scratch: Float32Array

  constructor(
    engine: VectorEngine,
    dimensions: number,
    saved?: { dir: string; files: readonly string[]; owner: Uint32Array },
  ) {
    this.engine = engine
    this.dimensions = dimensions
    this.owner = new Growing(Uint32Array, saved?.owner)
    this.#scratch = new Float32Array(dimensions)
    for (const name of saved?.files ?? []) {
      const file = path.join(saved?.dir ?? '', name)
      const segment = engine.open(file, dimensions)
      this.segments.push({ name, path: file, first: this.#tailFirst, segment })
      this.#tailFirst += segment.count
    }
    if (this.#tailFirst !== this.owner.length) {
      this.close()
      throw new Error(`${this.#tailFirst} vectors in segments, ${this.owner.length} in the table`)
    }
  }

  get count(): number {
    return this.owner.length
  }

  get tail(): { first: number; count: number } {
    return { first: this.#tailFirst, count: this.count - this.#tailFirst }
  }

  /** What scanning everything costs, in single vectors that are read and scored (VectorSegment.scanCost). */
  get scanCost(): number {
    return this.segments.reduce((sum, { segment }) => sum + segment.scanCost, this.tail.count / 4)
  }

  /** Adds a vector that belongs to nobody yet. Returns its number. */
  append(vector: Float32Array): number {
    const row = this.tail.count
    if (row % CHUNK === 0) this.#tail.push(new Float32Array(CHUNK * this.dimensions))
    this.#tail[Math.floor(row / CHUNK)]?.set(vector, (row % CHUNK) * this.dimensions)
    this.owner.push(NOBODY)
    return this.count - 1
  }

  own(number: number, place: number): void {
    this.owner.values[number] = place
  }

  disown(number: number): void {
    this.owner.values[number] = NOBODY
  }

  /** The exact inner product of a query and vector `number`. */
  score(query: Float32Array, number: number): number {
    const row = number - this.#tailFirst
    const chunk = this.#tail[Math.floor(row / CHUNK)]
    if (chunk !== undefined) return dot(query, chunk, (row % CHUNK) * this.dimensions)
    this.read(number, 1, this.#scratch)
    return dot(query, this.#scratch, 0)
  }

  /** Copies vectors [first, first + count), wherever they lie. */
  read(first: number, count: number, into: Float32Array): void {
    for (let done = 0; done < count; ) {
      const number = first + done
      const place = into.subarray(done * this.dimensions, count * this.dimensions)
      const sealed = number < this.#tailFirst ? this.#segmentOf(number) : undefined
      if (sealed !== undefined) {
        const label = number - sealed.first
        const some = Math.min(count - done, sealed.segment.count - label)
        sealed.segment.read(label, some, place)
        done += some
        continue
      }
      const row = number - this.#tailFirst
      const chunk = this.#tail[Math.floor(row / CHUNK)]
      if (chunk === undefined) throw new RangeError(`no vector ${number}`)
      const from = row % CHUNK
      const some = Math.min(count - done, CHUNK - from)
      place.set(chunk.subarray(from * this.dimensions, (from + some) * this.dimensions))
      done += some
    }
  }

  #segmentOf(number: number): SealedVectors | undefined {
    let [low, high] = [0, this.segments.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if ((this.segments[middle]?.first ?? 0) <= number) low = middle
      else high = middle - 1
    }
    return this.segments[low]
  }

  /**
   * Seals the tail's full chunks. Vectors may be appended meanwhile; one call at a time.
   * The file is not synced: until a checkpoint names it, losing it loses nothing.
   */
  async seal(dir: string): Promise<void> {
    const chunks = this.#tail.slice(0, Math.floor(this.tail.count / CHUNK))
    if (chunks.length === 0) return
    const file = await newFile(dir)
    const segment = await this.#writeAndOpen(file, chunks)
    this.segments.push({ name: null, path: file, first: this.#tailFirst, segment })
    this.#tail = this.#tail.slice(chunks.length)
    this.#tailFirst += segment.count
  }

  /** Gives a sealed segment a name, for a manifest to say. */
  async settle(sealed: SealedVectors, dir: string, name: string): Promise<void> {
    await settle(sealed.path, dir, name)
    this.segments[this.segments.indexOf(sealed)] = { ...sealed, name, path: path.join(dir, name) }
  }

  /** Leaves nothing behind when the disk is full. */
  async #writeAndOpen(file: string, chunks: readonly Float32Array[]): Promise<VectorSegment> {
    const handle = await open(file, 'wx', 0o600)
    try {
      await handle.writeFile(segmentHeader(this.dimensions, chunks.length * CHUNK))
      for (const chunk of chunks) await handle.writeFile(new Uint8Array(chunk.buffer))
      return this.engine.open(file, this.dimensions)
    } catch (error) {
      await unlink(file)
      throw error
    } finally {
      await handle.close()
    }
  }

  /** What no checkpoint was to have goes with it. */
  close(): void {
    for (const { name, path: file, segment } of this.segments) {
      segment.close()
      try {
        if (name === null) rmSync(file, { force: true })
      } catch {
        // whoever comes after this process removes it
      }
    }
  }
}

/** A name no other process takes. */
export function segmentName(): string {
  return `vectors-${randomBytes(8).toString('hex')}.faiss`
}
