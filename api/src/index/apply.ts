// What an entry of the log does to the state. Entries come one after the other, in order; one at or before the
// state's position does nothing. Searches run in between, and see a document all at once or not at all (promise P7).
// When applying fails half-way, the position is unchanged and the entry may be applied again: what was written so
// far counts for nobody and goes with the next checkpoint.

import { FIRST_READING } from '../ingest/reading.ts'
import { Pace } from './pace.ts'
import type { DocumentEntry } from './passages.ts'
import type { Source } from './source.ts'
import type { IndexState, LogEnd } from './state.ts'
import { isFiniteVector } from './vectors/port.ts'

/** An entry as the log's table has it. Ops that this build does not know are in it too. */
export interface LogRow {
  readonly seq: number
  readonly id: string
  readonly epoch: string
  readonly op: string
  readonly collectionKey: number | null
  readonly documentKey: number | null
  readonly versionId: string | null
  readonly generationId: number | null
  readonly readingId: number | null
  readonly userId: string | null
}

/** The state can't follow the log any further: it has to be built again from the tables. */
export class RebuildNeeded extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'RebuildNeeded'
  }
}

export interface Applied {
  /** Of a `session` entry. */
  readonly sessionOf?: string
  /** The generation that is active from here on. */
  readonly switchedTo?: number
  /** Passages that a checkpoint made before this does not have. */
  readonly changed: number
}

export async function applyEntry(
  state: IndexState,
  source: Source,
  entry: LogRow,
  signal?: AbortSignal,
): Promise<Applied> {
  if (entry.seq <= state.position.seq) return { changed: 0 }
  const applied = await change(state, source, entry, new Pace(signal))
  const seen = furthest(state.position.seen, source.seen())
  state.position = {
    ...{ epoch: entry.epoch, seq: entry.seq, entryId: entry.id },
    ...(seen === undefined || seen.seq <= entry.seq ? {} : { seen }),
  }
  return applied
}

/** Of two ends of the log that rows were read at. */
export function furthest(before: LogEnd | undefined, now: LogEnd | null): LogEnd | undefined {
  return now === null || (before !== undefined && before.seq >= now.seq) ? before : now
}

async function change(state: IndexState, source: Source, entry: LogRow, pace: Pace): Promise<Applied> {
  const before = state.passages.count
  switch (entry.op) {
    case 'publish-words':
      await publishWords(state, source, entry, pace)
      return { changed: state.passages.count - before }
    case 'publish-vectors':
      return { changed: await publishVectors(state, source, entry, pace) }
    case 'retract': {
      const live = state.passages.live
      state.passages.retract(required(entry, entry.documentKey))
      return { changed: live - state.passages.live }
    }
    case 'retract-collection': {
      const live = state.passages.live
      state.passages.retractCollection(required(entry, entry.collectionKey))
      return { changed: live - state.passages.live }
    }
    case 'session':
      return { changed: 0, sessionOf: required(entry, entry.userId) }
    case 'switch-generation':
      // Of another generation, these vectors go on answering, for questions embedded as they were, until a process that
      // holds the new ones takes over.
      return { changed: 0, switchedTo: required(entry, entry.generationId) }
    default:
      // A newer build's entry: what it means is in the tables.
      throw new RebuildNeeded(`entry ${entry.seq} is a ${entry.op}, which this build does not know`)
  }
}

function required<T>(entry: LogRow, value: T | null): T {
  if (value === null) throw new RebuildNeeded(`entry ${entry.seq} (${entry.op}) is incomplete`)
  return value
}

async function publishWords(state: IndexState, source: Source, entry: LogRow, pace: Pace): Promise<void> {
  const collectionKey = required(entry, entry.collectionKey)
  const versionId = required(entry, entry.versionId)
  const writer = new DocumentWriter(state, collectionKey)
  // A build that does not know readings names none: it has the first.
  for await (const rows of source.passages(versionId, entry.readingId ?? FIRST_READING))
    for (const row of rows) {
      await writer.add(row)
      if (pace.due) await pace.pause()
    }
  writer.publish(required(entry, entry.documentKey), versionId)
}

/** Writes one document's passages, which count once it is published. Also used by the rebuild. */
export class DocumentWriter {
  readonly #state: IndexState
  readonly #collectionKey: number
  readonly #slot: number
  readonly #first: number
  #language = ''

  constructor(state: IndexState, collectionKey: number) {
    this.#state = state
    this.#collectionKey = collectionKey
    this.#slot = state.passages.newSlot(collectionKey)
    this.#first = state.passages.count
  }

  async add(row: { id: number; language: string; heading: string; text: string }): Promise<void> {
    const { passages, lexical } = this.#state
    if (row.language !== this.#language) {
      await lexical.load(row.language)
      this.#language = row.language
    }
    const { terms, length } = lexical.count(row.language, row.heading, row.text)
    const place = passages.add(row.id, this.#slot, passages.languageNumber(row.language), length)
    lexical.add(place, terms)
  }

  publish(documentKey: number, versionId: string): void {
    const { passages } = this.#state
    passages.publish(this.#slot, {
      key: documentKey,
      collectionKey: this.#collectionKey,
      versionId,
      first: this.#first,
      count: passages.count - this.#first,
    })
  }
}

async function publishVectors(state: IndexState, source: Source, entry: LogRow, pace: Pace): Promise<number> {
  const generationId = required(entry, entry.generationId)
  const versionId = required(entry, entry.versionId)
  if (state.generation === null) {
    const active = await source.activeGeneration()
    if (active !== null) state.adopt(active)
  }
  const document = documentOf(state, required(entry, entry.documentKey))
  // Of another generation, or of a version that a later one has replaced: nothing of this state.
  if (state.generation?.id !== generationId || document?.versionId !== versionId) return 0
  const writer = new VectorWriter(state, document)
  for await (const rows of source.vectors(versionId, generationId))
    for (const { passageId, vector } of rows) {
      writer.add(passageId, vector)
      if (pace.due) await pace.pause()
    }
  return writer.publish()
}

function documentOf(state: IndexState, key: number): DocumentEntry | undefined {
  const slot = state.passages.documents.get(key)
  return slot === undefined ? undefined : state.passages.documentAt[slot]
}

/** Writes the vectors of one document's passages, given in their order; they count once published. */
export class VectorWriter {
  readonly #state: IndexState
  readonly #end: number
  /** Where the next passage is looked for: both come in the document's order. */
  #next: number
  readonly #places: number[] = []
  readonly #numbers: number[] = []
  readonly #vector: Float32Array

  constructor(state: IndexState, { first, count }: DocumentEntry) {
    this.#state = state
    this.#next = first
    this.#end = first + count
    this.#vector = new Float32Array(state.generation?.dimensions ?? 0)
  }

  /** A vector of a passage that is not there, of other dimensions or with a NaN is left out. */
  add(passageId: number, bytes: Uint8Array): void {
    const ids = this.#state.passages.ids.values
    let place = this.#next
    while (place < this.#end && ids[place] !== passageId) place++
    if (place === this.#end || bytes.byteLength !== this.#vector.byteLength) return
    new Uint8Array(this.#vector.buffer).set(bytes)
    if (!isFiniteVector(this.#vector)) return
    this.#next = place + 1
    this.#places.push(place)
    this.#numbers.push(this.#state.vectors?.append(this.#vector) ?? 0)
  }

  /** @returns how many passages have one now */
  publish(): number {
    const { passages, vectors } = this.#state
    const [first] = this.#numbers
    if (vectors === null || first === undefined) return 0
    for (const number of passages.setVectors(this.#places, first)) vectors.disown(number)
    for (const [i, place] of this.#places.entries()) vectors.own(first + i, place)
    return this.#places.length
  }
}
