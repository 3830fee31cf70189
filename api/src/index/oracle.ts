// For tests: what a search should answer, worked out from the definition over plain objects, and a source in memory.
import { FIRST_READING } from '../ingest/reading.ts'
import type { Analyser } from './lexical/analysis.ts'
import type { IndexFilter, IndexQuery } from './port.ts'
import type { Generation, PassageRow, Source, VectorRow } from './source.ts'
import type { LogEnd } from './state.ts'
import { dot } from './vectors/port.ts'

export interface ModelPassage {
  readonly id: number
  readonly text: string
  readonly vector: Float32Array | null
}

export interface ModelDocument {
  readonly key: number
  readonly collectionKey: number
  readonly versionId: string
  readonly passages: readonly ModelPassage[]
  /** Whether its vectors are published. */
  embedded: boolean
}

type Readings = ReadonlyMap<number, readonly ModelPassage[]>

/** What readings made of versions, by their ids; what was deleted may be taken out, as a purge does. */
export class MemorySource implements Source {
  readonly versions = new Map<string, Readings>()
  /** The active one. */
  generation: Generation
  /** Of generations; of one that is not here the first. */
  readonly readingIds = new Map<number, number>()

  constructor(generation: Generation) {
    this.generation = generation
  }

  /** Beside what other readings made of it. */
  keep(versionId: string, passages: readonly ModelPassage[], readingId = FIRST_READING): void {
    this.versions.set(versionId, new Map([...this.#of(versionId), [readingId, passages]]))
  }

  #of(versionId: string): Readings {
    return this.versions.get(versionId) ?? new Map()
  }

  /** A test with a log says where it ends. */
  seen(): LogEnd | null {
    return null
  }

  async *passages(versionId: string, readingId: number): AsyncGenerator<PassageRow[]> {
    for (const { id, text } of this.#of(versionId).get(readingId) ?? [])
      yield [{ id, text, heading: '', language: 'en' }]
  }

  async *vectors(versionId: string, generationId: number): AsyncGenerator<VectorRow[]> {
    const readingId = this.readingIds.get(generationId) ?? FIRST_READING
    const rows = (this.#of(versionId).get(readingId) ?? []).flatMap(({ id, vector }) =>
      vector === null
        ? []
        : [{ passageId: id, vector: new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength) }],
    )
    yield rows
  }

  async activeGeneration(): Promise<Generation> {
    return this.generation
  }
}

export interface Expected {
  readonly id: number
  readonly score: number
  readonly withoutVector: boolean
}

/** Everything that the question matches, best first, without places reserved or cut off. */
export function expectedOrder(
  documents: readonly ModelDocument[],
  query: Pick<IndexQuery, 'text' | 'vector' | 'filter' | 'method'>,
  analyser: Analyser,
): Expected[] {
  const all = documents.flatMap((document) =>
    document.passages.map((passage) => ({ document, passage, terms: analyser.terms(passage.text) })),
  )
  const average = all.reduce((sum, { terms }) => sum + terms.length, 0) / Math.max(1, all.length)
  const weights = new Map<string, number>()
  for (const term of new Set(analyser.terms(query.text))) {
    const holding = all.filter(({ terms }) => terms.includes(term)).length
    weights.set(term, Math.log(1 + (all.length - holding + 0.5) / (holding + 0.5)))
  }
  const maximum = [...weights.values()].reduce((sum, idf) => sum + idf * 2.2, 0)
  return all
    .filter(({ document }) => matches(document, query.filter))
    .flatMap(({ document, passage, terms }): Expected[] => {
      let bm25 = 0
      for (const [term, idf] of weights) {
        const frequency = terms.filter((found) => found === term).length
        bm25 += (idf * frequency * 2.2) / (frequency + 1.2 * (0.25 + (0.75 * terms.length) / (average || 1)))
      }
      const words = maximum === 0 ? 0 : bm25 / maximum
      const vector = document.embedded ? passage.vector : null
      const withoutVector = vector === null
      if (query.method === 'meaning')
        return query.vector === null || vector === null
          ? []
          : [{ id: passage.id, score: dot(query.vector, vector, 0), withoutVector }]
      if (query.vector === null || query.method === 'words')
        return words > 0 ? [{ id: passage.id, score: words, withoutVector }] : []
      if (vector !== null)
        return [{ id: passage.id, score: dot(query.vector, vector, 0) + 0.3 * words, withoutVector }]
      return words > 0 ? [{ id: passage.id, score: 0.3 * words, withoutVector }] : []
    })
    .sort((a, b) => b.score - a.score || a.id - b.id)
}

function matches(document: ModelDocument, filter: IndexFilter): boolean {
  return filter.keys.includes(filter.kind === 'documents' ? document.key : document.collectionKey)
}
