// The whole searchable state of one process, and its place in the log.
import { Lexical } from './lexical/lexical.ts'
import type { SavedPostings } from './lexical/postings.ts'
import { Passages, type SavedPassages } from './passages.ts'
import type { Position } from './port.ts'
import type { Searchable } from './search.ts'
import type { Generation } from './source.ts'
import type { VectorEngine } from './vectors/port.ts'
import { NOBODY, VectorStore } from './vectors/store.ts'

/** A position with the id of its entry: what tells whether a log is still the one that was applied. */
export interface LogPosition extends Position {
  /** Null at the beginning of the log. */
  readonly entryId: string | null
  /**
   * The log's end when rows were read for this state, where that was further on: an entry's rows are read as they are
   * by then. Only a log that still leads there is this state's (tail.ts: checkHistory).
   */
  readonly seen?: LogEnd | undefined
}

export interface LogEnd {
  readonly seq: number
  readonly id: string
}

export interface SavedState {
  readonly position: LogPosition
  readonly generation: Generation | null
  readonly passages: SavedPassages
  readonly postings: SavedPostings
  /** Segment files in order, and the place of each vector's passage. */
  readonly vectors: { readonly dir: string; readonly files: readonly string[]; readonly owner: Uint32Array }
}

export class IndexState implements Searchable {
  readonly engine: VectorEngine
  readonly passages: Passages
  readonly lexical: Lexical
  position: LogPosition
  #generation: Generation | null = null
  #vectors: VectorStore | null = null

  private constructor(engine: VectorEngine, position: LogPosition, saved?: SavedState) {
    this.engine = engine
    this.position = position
    this.passages = new Passages(saved?.passages)
    this.lexical = new Lexical(this.passages, saved?.postings)
  }

  static empty(engine: VectorEngine, position: LogPosition, generation: Generation | null): IndexState {
    const state = new IndexState(engine, position)
    if (generation !== null) state.adopt(generation)
    return state
  }

  /** @throws Error when a segment can not be opened or the parts do not fit together */
  static async restore(engine: VectorEngine, saved: SavedState): Promise<IndexState> {
    const state = new IndexState(engine, saved.position, saved)
    for (const language of saved.passages.languages) await state.lexical.load(language)
    if (saved.generation === null) return state
    state.#generation = saved.generation
    const store = new VectorStore(engine, saved.generation.dimensions, saved.vectors)
    state.#vectors = store
    const { owner } = store
    for (let number = 0; number < owner.length; number++) {
      const place = owner.values[number] ?? NOBODY
      if (place !== NOBODY) state.passages.setVectors([place], number)
    }
    return state
  }

  get generation(): Generation | null {
    return this.#generation
  }

  get vectors(): VectorStore | null {
    return this.#vectors
  }

  /** The first generation. Changing from one to another is a rebuild. */
  adopt(generation: Generation): VectorStore {
    this.#generation = generation
    this.#vectors = new VectorStore(this.engine, generation.dimensions)
    return this.#vectors
  }

  close(): void {
    this.#vectors?.close()
  }
}
