// Entries of the log, applied to one index in the cluster. Searches see what was written only after `show`, which comes
// between two entries: a document all at once, its old version gone in the same step (promise P7; of a document that
// changes its collection the two steps are those of two shards). An entry that failed half-way is applied again as a
// whole, by whoever is the writer then: everything it writes has its place in the log as version.
import type { Logger } from 'pino'
import { z } from 'zod'
import { FIRST_READING } from '../../../ingest/reading.ts'
import { furthest, type LogRow, RebuildNeeded } from '../../apply.ts'
import type { Analysers } from '../../lexical/analysis.ts'
import { Pace } from '../../pace.ts'
import type { Generation, PassageRow, Source } from '../../source.ts'
import type { LogPosition } from '../../state.ts'
import { isFiniteVector } from '../../vectors/port.ts'
import { Bulk } from './bulk.ts'
import type { Cluster } from './cluster.ts'
import { countPassages, type IndexFacts, type PassageDocument, writeFacts } from './documents.ts'
import { addGeneration } from './mapping.ts'
import { Counting } from './statistics.ts'
import { floats, numbers } from './vectors.ts'

const PAGE = 1_000

/** What the tables say of a document: the version and the reading that searches see. */
export interface Held {
  readonly collectionKey: number
  readonly versionId: string
  readonly readingId: number
  /** Whether its vectors are published. */
  readonly embedded: boolean
}

export interface WriterOptions {
  readonly cluster: Cluster
  /** Its own name. */
  readonly index: string
  readonly generation: Generation | null
  readonly position: LogPosition
  readonly analysers: Analysers
  readonly log: Logger
  readonly signal: AbortSignal
}

export class IndexWriter {
  readonly index: string
  position: LogPosition
  generation: Generation | null
  /** Of what searches see. */
  #shown: LogPosition
  readonly #options: WriterOptions
  readonly #bulk: Bulk
  readonly #counting: Counting
  /** Documents that have changed since `show`: what is searched does not tell how. */
  readonly #touched = new Set<number>()

  constructor(options: WriterOptions) {
    const { cluster, index, log, signal } = options
    this.#options = options
    this.index = index
    this.position = options.position
    this.#shown = options.position
    this.generation = options.generation
    this.#counting = new Counting(() => countPassages(cluster, index))
    this.#bulk = new Bulk(cluster, index, signal, ({ id, why }) =>
      log.error({ passage: id }, `a passage can not be found by searches: ${why}`),
    )
  }

  /**
   * @returns the generation that is active from here on, of a switch
   * @throws Trouble; RebuildNeeded: the log can't be followed any further
   */
  async apply(entry: LogRow, source: Source): Promise<number | undefined> {
    if (entry.seq <= this.position.seq) return undefined
    let switchedTo: number | undefined
    switch (entry.op) {
      case 'publish-words':
        await this.#publishWords(entry, source)
        break
      case 'publish-vectors':
        await this.#publishVectors(entry, source)
        break
      case 'retract':
        await this.#retract('documentKey', required(entry, entry.documentKey), entry.seq)
        break
      case 'retract-collection':
        await this.#retract('collectionKey', required(entry, entry.collectionKey), entry.seq)
        break
      case 'session':
        break
      case 'switch-generation':
        switchedTo = required(entry, entry.generationId)
        break
      default:
        throw new RebuildNeeded(`entry ${entry.seq} is a ${entry.op}, which this build does not know`)
    }
    this.#reached({ epoch: entry.epoch, seq: entry.seq, entryId: entry.id }, source)
    return switchedTo
  }

  /** A document as the tables have it, at the place where the index is; null: they have none. Seen whole from `show` on; by words only it may be seen before. @throws Trouble */
  async correct(documentKey: number, held: Held | null, source: Source): Promise<void> {
    const { epoch, seq, entryId } = this.position
    if (held === null) await this.#retract('documentKey', documentKey, seq)
    else {
      const { embedded, ...version } = held
      const entry = { ...version, seq, epoch, documentKey, userId: null, id: entryId ?? '' }
      const generationId = embedded ? (this.generation?.id ?? null) : null
      await this.#publishWords({ ...entry, op: 'publish-words', generationId: null }, source)
      if (generationId !== null)
        await this.#publishVectors({ ...entry, op: 'publish-vectors', generationId }, source)
    }
    this.#reached({ epoch, seq, entryId }, source)
  }

  #reached(at: Omit<LogPosition, 'seen'>, source: Source): void {
    const seen = furthest(this.position.seen, source.seen())
    this.position = { ...at, ...(seen === undefined || seen.seq <= at.seq ? {} : { seen }) }
  }

  /** What was added is in the index, and seen by nobody yet. @throws Trouble */
  flush(): Promise<void> {
    return this.#bulk.flush()
  }

  /**
   * Whether nothing in the index is from a later place of the log than `position`: only then is it what the tables held at
   * some moment.
   */
  get isWhole(): boolean {
    const { seq, seen } = this.position
    return seen === undefined || seen.seq <= seq
  }

  /** Searches see everything up to `position` from here on. @throws Trouble */
  async show(): Promise<IndexFacts> {
    const { cluster } = this.#options
    await this.#refresh()
    const { position, generation } = this
    const facts = { ...(await this.#counting.statistics()), position, generation }
    await writeFacts(cluster, this.index, facts)
    this.#shown = position
    return facts
  }

  /** Scores go by statistics that are behind what searches see, and could be counted: `show` does. */
  get countIsDue(): boolean {
    return this.#counting.due
  }

  /**
   * After anything failed: back to what searches see, from where the log is applied again. Nothing is refreshed before
   * that, so that nobody sees half of it.
   */
  rewind(): void {
    this.position = this.#shown
    this.#touched.clear()
    this.#bulk.clear()
  }

  /** One passage of a document that is published as a whole by the next `show`. */
  async add(passage: PassageDocument, vector: Float32Array | null, version: number): Promise<void> {
    const fits = vector !== null && vector.length === this.generation?.dimensions && isDirection(vector)
    const bytes = fits ? Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength) : null
    const document =
      bytes === null
        ? { ...passage, embedded: false }
        : {
            ...passage,
            embedded: true,
            vector: bytes.toString('base64'),
            embedding: numbers(vector ?? new Float32Array()),
          }
    const { passageId: id, collectionKey: routing } = passage
    this.#counting.wrote(passage.language)
    await this.#bulk.add({ id, routing, document }, version)
  }

  /** The terms of a passage as both engines count them. */
  async analyse({ language, heading, text }: PassageRow): Promise<{ words: string; length: number }> {
    const analyser = await this.#options.analysers.load(language)
    const terms = heading === '' ? [] : analyser.terms(heading)
    analyser.analyse(text, (term) => terms.push(term))
    return { words: terms.join(' '), length: terms.length }
  }

  async #refresh(): Promise<void> {
    const { cluster, signal } = this.#options
    await this.#bulk.flush()
    const path = `/${this.index}/_refresh`
    await cluster.send({ method: 'POST', path, idempotent: true, timeoutMs: 60_000, signal })
    this.#touched.clear()
  }

  async #publishWords(entry: LogRow, source: Source): Promise<void> {
    const collectionKey = required(entry, entry.collectionKey)
    const documentKey = required(entry, entry.documentKey)
    const versionId = required(entry, entry.versionId)
    await this.#settle(documentKey)
    const old = new Set<number>()
    for await (const { id, routing } of this.#written('documentKey', documentKey, false))
      if (routing === collectionKey) old.add(id)
      // Of another collection. Before all else: in the same shard it is the very passage that is written below.
      else await this.#bulk.add({ id, routing, document: null }, entry.seq)
    const pace = new Pace(this.#options.signal)
    for await (const rows of source.passages(versionId, entry.readingId ?? FIRST_READING))
      for (const row of rows) {
        const { id: passageId, language } = row
        const place = { passageId, documentKey, collectionKey, versionId, language }
        await this.add({ ...place, ...(await this.analyse(row)), embedded: false }, null, entry.seq)
        old.delete(passageId)
        if (pace.due) await pace.pause()
      }
    for (const id of old) await this.#bulk.add({ id, routing: collectionKey, document: null }, entry.seq)
  }

  async #publishVectors(entry: LogRow, source: Source): Promise<void> {
    const generationId = required(entry, entry.generationId)
    const versionId = required(entry, entry.versionId)
    const documentKey = required(entry, entry.documentKey)
    if (this.generation === null) await this.#adopt(await source.activeGeneration())
    if (this.generation?.id !== generationId) return
    await this.#settle(documentKey)
    const written = new Map<number, PassageDocument>()
    for await (const { id, document } of this.#written('documentKey', documentKey, true))
      if (document?.versionId === versionId) written.set(id, document)
    // Of a version that a later one has replaced.
    if (written.size === 0) return
    const pace = new Pace(this.#options.signal)
    for await (const rows of source.vectors(versionId, generationId))
      for (const { passageId, vector } of rows) {
        const passage = written.get(passageId)
        if (passage !== undefined) await this.add(passage, floats(vector), entry.seq)
        if (pace.due) await pace.pause()
      }
  }

  async #adopt(generation: Generation | null): Promise<void> {
    if (generation === null) return
    await addGeneration(this.#options.cluster, this.index, generation)
    this.generation = generation
  }

  async #retract(field: 'documentKey' | 'collectionKey', key: number, version: number): Promise<void> {
    if (field === 'documentKey') await this.#settle(key)
    else if (this.#touched.size > 0) await this.#refresh()
    for await (const { id, routing, documentKey } of this.#written(field, key, false)) {
      await this.#bulk.add({ id, routing, document: null }, version)
      this.#touched.add(documentKey)
    }
  }

  /** What is about to be read of this document has to be all that was written of it. */
  async #settle(documentKey: number): Promise<void> {
    if (this.#touched.has(documentKey)) await this.#refresh()
    this.#touched.add(documentKey)
  }

  /** Passages as they were at the last refresh, whatever is written meanwhile. */
  async *#written(
    field: 'documentKey' | 'collectionKey',
    key: number,
    whole: boolean,
  ): AsyncGenerator<z.infer<typeof passage>> {
    const { cluster, signal } = this.#options
    const path = `/${this.index}/_search`
    for (let after: number | undefined; ; ) {
      const body = {
        ...{ size: PAGE, query: { term: { [field]: key } }, sort: [{ passageId: 'asc' }] },
        ...{ _source: whole ? { excludes: ['vector'] } : ['documentKey'], track_total_hits: false },
        ...(after === undefined ? {} : { search_after: [after] }),
      }
      const query = { allow_partial_search_results: false }
      const request = { method: 'POST', path, query, body, signal, idempotent: true } as const
      const found = page.parse(await cluster.send(request))
      yield* found.hits.hits
      if (found.hits.hits.length < PAGE) return
      after = found.hits.hits.at(-1)?.id
    }
  }
}

const document = z.object({
  ...{ passageId: z.number(), documentKey: z.number(), collectionKey: z.number(), versionId: z.string() },
  ...{ language: z.string(), words: z.string(), length: z.number(), embedded: z.boolean() },
})
const passage = z
  .object({ _id: z.string(), _routing: z.string(), _source: z.unknown() })
  .transform(({ _id, _routing, _source }) => ({
    id: Number(_id),
    routing: Number(_routing),
    documentKey: z.object({ documentKey: z.number() }).parse(_source).documentKey,
    document: document.safeParse(_source).data,
  }))
const page = z.object({ hits: z.object({ hits: z.array(passage) }) })

function required<T>(entry: LogRow, value: T | null): T {
  if (value === null) throw new RebuildNeeded(`entry ${entry.seq} (${entry.op}) is incomplete`)
  return value
}

/** The cluster refuses vectors that point nowhere. */
function isDirection(vector: Float32Array): boolean {
  return isFiniteVector(vector) && vector.some((value) => value !== 0)
}
