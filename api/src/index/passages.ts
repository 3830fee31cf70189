// Which passages the index holds. Inside the process a passage is a number ("place") given in order of arrival and
// never used again until a checkpoint renumbers; words and vectors are kept by place.
// A document's passages are neighbours and appear, and go, in one step (promise P7): they are written first and
// counted only when the document is published. Everything is append-only except `alive`, so that a checkpoint can be
// written from a remembered length while new passages arrive.
import { Growing } from './growing.ts'

export interface DocumentEntry {
  readonly key: number
  readonly collectionKey: number
  readonly versionId: string
  /** Its first place, and how many it has. */
  readonly first: number
  readonly count: number
  /** Passages of it that have a vector. */
  vectors: number
}

export interface CollectionCount {
  readonly documents: Set<number>
  passages: number
  vectors: number
}

/** The most places: a posting keeps the place in 24 bits. */
export const MAX_PLACES = 2 ** 24

export const NO_VECTOR = -1

export class Passages {
  readonly ids: Growing<Float64Array>
  /** Terms of the passage with repetition, at most 65,535. */
  readonly lengths: Growing<Uint16Array>
  /** An index into `languages`. */
  readonly language: Growing<Uint8Array>
  /** An index into `documentAt`. */
  readonly slot: Growing<Uint32Array>
  /** 1 while the passage is part of a published document. */
  readonly alive: Growing<Uint8Array>
  /** The number of its vector (vectors/store.ts), or NO_VECTOR. */
  readonly vector: Growing<Int32Array>

  readonly languages: string[]
  /** Live passages by language. */
  readonly perLanguage: number[]
  /** By slot; undefined once retracted. */
  readonly documentAt: (DocumentEntry | undefined)[]
  readonly documents = new Map<number, number>()
  readonly collections = new Map<number, CollectionCount>()
  /** The collection of each slot, kept after its document is gone. */
  readonly slotCollection: Growing<Int32Array>

  live = 0
  liveVectors = 0
  /** Sum of `lengths` over live passages. */
  liveLength = 0

  constructor(saved?: SavedPassages) {
    this.ids = new Growing(Float64Array, saved?.ids)
    this.lengths = new Growing(Uint16Array, saved?.lengths)
    this.language = new Growing(Uint8Array, saved?.language)
    this.slot = new Growing(Uint32Array, saved?.slot)
    this.vector = new Growing(Int32Array, saved?.ids === undefined ? undefined : filled(saved.ids.length))
    this.alive = new Growing(
      Uint8Array,
      saved?.ids === undefined ? undefined : new Uint8Array(saved.ids.length),
    )
    this.slotCollection = new Growing(Int32Array)
    this.languages = [...(saved?.languages ?? [])]
    this.perLanguage = this.languages.map(() => 0)
    this.documentAt = []
    for (const document of saved?.documents ?? []) {
      this.slotCollection.push(document.collectionKey)
      this.documentAt.push(undefined)
      this.publish(this.documentAt.length - 1, document)
    }
  }

  get count(): number {
    return this.ids.length
  }

  /** Some places are not alive: counts by place are not counts of live passages. */
  get hasDead(): boolean {
    return this.live !== this.ids.length
  }

  languageNumber(code: string): number {
    const known = this.languages.indexOf(code)
    if (known >= 0) return known
    if (this.languages.length === 256) return 0
    this.perLanguage.push(0)
    return this.languages.push(code) - 1
  }

  /** A slot for a document whose passages are being written. */
  newSlot(collectionKey: number): number {
    this.slotCollection.push(collectionKey)
    return this.documentAt.push(undefined) - 1
  }

  /** Writes a passage that is not counted yet. Returns its place. */
  add(id: number, slot: number, language: number, length: number): number {
    if (this.ids.length >= MAX_PLACES) throw new Error(`this index holds at most ${MAX_PLACES} passages`)
    this.ids.push(id)
    this.slot.push(slot)
    this.language.push(language)
    this.lengths.push(Math.min(length, 65_535))
    this.alive.push(0)
    this.vector.push(NO_VECTOR)
    return this.ids.length - 1
  }

  /** Makes a written document count, in place of an earlier version of it. */
  publish(slot: number, document: Omit<DocumentEntry, 'vectors'>): void {
    this.retract(document.key)
    this.documentAt[slot] = { ...document, vectors: 0 }
    this.documents.set(document.key, slot)
    const collection = this.collections.get(document.collectionKey) ?? {
      documents: new Set(),
      passages: 0,
      vectors: 0,
    }
    this.collections.set(document.collectionKey, collection)
    collection.documents.add(slot)
    collection.passages += document.count
    this.#count(document, 1)
  }

  /** Takes a document out. Nothing happens when it is not there. */
  retract(documentKey: number): void {
    const slot = this.documents.get(documentKey)
    const document = slot === undefined ? undefined : this.documentAt[slot]
    if (slot === undefined || document === undefined) return
    this.documents.delete(documentKey)
    this.documentAt[slot] = undefined
    const collection = this.collections.get(document.collectionKey)
    if (collection !== undefined) {
      collection.documents.delete(slot)
      collection.passages -= document.count
      collection.vectors -= document.vectors
      if (collection.documents.size === 0) this.collections.delete(document.collectionKey)
    }
    this.liveVectors -= document.vectors
    this.#count(document, -1)
  }

  retractCollection(collectionKey: number): void {
    for (const slot of [...(this.collections.get(collectionKey)?.documents ?? [])]) {
      const document = this.documentAt[slot]
      if (document !== undefined) this.retract(document.key)
    }
  }

  /** Gives live passages their vectors, all in one step. @returns the numbers of vectors that were replaced */
  setVectors(places: readonly number[], firstVector: number): number[] {
    const replaced: number[] = []
    for (const [i, place] of places.entries()) {
      const before = this.vector.values[place] ?? NO_VECTOR
      this.vector.values[place] = firstVector + i
      if (before !== NO_VECTOR) replaced.push(before)
      else this.#countVector(place)
    }
    return replaced
  }

  #countVector(place: number): void {
    const document = this.documentAt[this.slot.values[place] ?? 0]
    if (document === undefined) return
    document.vectors++
    this.liveVectors++
    const collection = this.collections.get(document.collectionKey)
    if (collection !== undefined) collection.vectors++
  }

  #count({ first, count }: { first: number; count: number }, by: 1 | -1): void {
    const [alive, lengths, language] = [this.alive.values, this.lengths.values, this.language.values]
    for (let place = first; place < first + count; place++) {
      alive[place] = by === 1 ? 1 : 0
      this.liveLength += by * (lengths[place] ?? 0)
      const number = language[place] ?? 0
      this.perLanguage[number] = (this.perLanguage[number] ?? 0) + by
    }
    this.live += by * count
  }
}

/** What a checkpoint keeps: only live passages, so every place belongs to a document. */
export interface SavedPassages {
  readonly ids: Float64Array
  readonly lengths: Uint16Array
  readonly language: Uint8Array
  readonly slot: Uint32Array
  readonly languages: readonly string[]
  readonly documents: readonly Omit<DocumentEntry, 'vectors'>[]
}

function filled(length: number): Int32Array {
  return new Int32Array(length).fill(NO_VECTOR)
}
