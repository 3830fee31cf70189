// The searchable state: what the API asks of it, whoever keeps it (embedded index process; OpenSearch later).
// It holds no permissions: the caller says which collections or documents count, and every text that leaves
// the API is fetched from PostgreSQL with a permission check of its own (promise P5).
// Every adapter runs the cases of index/port.cases.ts.
//
// The room, from the outside in: engines/ (this port on a process of its own: embedded.ts, which keeps a child.ts and
// hands it batches.ts) → process.ts and service.ts (that process and its life) → tail.ts, apply.ts, source.ts (following
// the log.ts), rebuild-from.ts and rebuild.ts (from the tables), checkpoint/, making.ts and maintenance.ts (to and from disk) → state.ts with
// passages.ts, lexical/ and vectors/ (what is known) → search.ts (what is found). Around an engine that is elsewhere: words/. For tests: fixtures.ts, oracle.ts.

import type { LogPlace } from '../../../contract/position.ts'

/** A place in the one log. Positions of different epochs can't be compared. */
export type Position = LogPlace

/** Which passages count. Selective filters must stay exact: recall 1.0, whatever the share they leave. */
export type IndexFilter =
  | { readonly kind: 'collections'; readonly keys: readonly number[] }
  | { readonly kind: 'documents'; readonly keys: readonly number[] }

/** A passage that the index has not applied yet, read from the database by whoever has to find it all the same. */
export interface ExtraPassage {
  readonly id: number
  readonly language: string
  readonly heading: string
  readonly text: string
  /** Null while it has none. */
  readonly vector: Float32Array | null
}

/** What ranks: cosine and words in one score, or one of them by itself, with the best by it as candidates. */
export type SearchMethod = 'fused' | 'words' | 'meaning'

export interface IndexQuery {
  /** What the person asked; analysed for words by the index. */
  readonly text: string
  /** What was asked before, when `text` leans on it: its rarest words count for half, beside those of `text`. */
  readonly previous?: string
  /** Unit length, of the generation's dimensions; null searches by words only. */
  readonly vector: Float32Array | null
  /** Id of the vector's generation; an index of another one searches by words. Default: its own. */
  readonly generation?: number
  readonly filter: IndexFilter
  /** Best passages wanted, 1 to 200. */
  readonly limit: number
  /** Passages that are in no vector yet get up to this many places, after the ranked ones. Default 2. */
  readonly reserved?: number
  /** Ranked with the others, by the statistics of what is applied; they replace passages of the same ids. */
  readonly extra?: readonly ExtraPassage[]
  /** Default fused. By words alone the vector has no say; by meaning alone nothing without a vector is found. */
  readonly method?: SearchMethod
}

export interface Candidate {
  readonly passageId: number
  /**
   * Fused: cosine + beta · bm25 / bm25_max(query). By words, and when there is no query vector: bm25 / bm25_max(query).
   * By meaning: the cosine.
   */
  readonly score: number
  /** Null when the query or the passage has no vector, and by words alone. */
  readonly cosine: number | null
  /** BM25 over its maximum for this query, 0 to 1. */
  readonly words: number
  /** True while the passage can be found by words only. */
  readonly withoutVector: boolean
}

export interface IndexAnswer {
  /** Descending by score; ties by ascending passage id. */
  readonly candidates: readonly Candidate[]
  readonly position: Position
  /** Searched by words alone, whatever was asked, since the engine can't be used for now. Absent: it was not. */
  readonly wordsOnly?: WordsOnly
}

/** Why an answer goes by words alone though more was asked. */
export type WordsOnly = 'engine-away'

export interface IndexStatus {
  /** Loaded, and caught up once with the log's head as it was at start. */
  readonly ready: boolean
  readonly position: Position | null
  /** Milliseconds since this index last knew that it had everything the log held; null before that. */
  readonly behindMs: number | null
  /**
   * Of behindMs, what went by without anything being applied: the rest went into entries that every server has to
   * apply, of which one with a book in it takes half a minute.
   */
  readonly stalledMs: number | null
  /** Milliseconds since an engine that is elsewhere has last answered anything at all; absent where there is none. */
  readonly silentMs?: number
  readonly passages: number
  readonly vectors: number
  /** Where the engine knows it at once. */
  readonly documents?: number
  /** Id of the generation that its vectors are of; null while nothing was ever embedded. */
  readonly generation: number | null
  /** "faiss" or "exact" (the TypeScript scan), as shown at start-up. */
  readonly engine: string
  /** Why it is not ready, where the operator has something to do about it; a sentence. */
  readonly trouble?: string
}

/** To be disposed of when the search is over. */
export interface HeldIndex extends Disposable {
  readonly index: Index
}

export interface Index {
  /**
   * A promised question is one that is still being embedded: what knows of it may hold others back for a moment,
   * since many at once are cheaper.
   * @throws AppError UNAVAILABLE while the index is loading or being restarted for longer than 5 s.
   */
  search(query: IndexQuery | Promise<IndexQuery>, signal?: AbortSignal): Promise<IndexAnswer>
  /** Resolves when this position is applied; rejects with UNAVAILABLE after `timeoutMs`. The log is read at once. */
  waitFor(position: Position, timeoutMs: number): Promise<void>
  status(): IndexStatus
  /**
   * For one search from its beginning to its end: the index that answers now, also when another one takes its place meanwhile.
   * Only where several stand behind one (switch/switching-index.ts); by `holdIndex`.
   */
  hold?(): HeldIndex
  close(): Promise<void>
}

/** What a search asks, however often: never two that have not the same of the log, of vectors or of candidates. */
export function holdIndex(index: Index): HeldIndex {
  return index.hold?.() ?? { index, [Symbol.dispose]() {} }
}
