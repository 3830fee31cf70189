// Where applying an entry gets its passages and vectors from: PostgreSQL (database-source.ts), memory in tests.
// Portions are a few hundred rows, in order of the passages in their document.

import type { LogEnd } from './state.ts'

export interface PassageRow {
  readonly id: number
  readonly language: string
  readonly heading: string
  readonly text: string
}

export interface VectorRow {
  readonly passageId: number
  /** Little-endian float32. */
  readonly vector: Uint8Array
}

export interface Generation {
  readonly id: number
  readonly dimensions: number
}

export interface Source {
  /** The log's end when rows were read last; null where there is no log behind them. */
  seen(): LogEnd | null
  /** Those that this reading made of it. Nothing when they are gone: a later entry says so. */
  passages(versionId: string, readingId: number): AsyncIterable<readonly PassageRow[]>
  /** Of the passages of the generation's reading. */
  vectors(versionId: string, generationId: number): AsyncIterable<readonly VectorRow[]>
  /** Null while nothing was ever embedded. */
  activeGeneration(): Promise<Generation | null>
}
