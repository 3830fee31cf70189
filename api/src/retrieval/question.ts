// A question and its vector. It is embedded by the embedder of the generation that this server's index holds, which for a
// while after a switch is still the one before. That one is known from the last search, so embedding begins before the
// database has said anything; when it turns out to be another, the question is embedded once more.
import { PersonSlots } from '../access/person-slots.ts'
import type { Viewer } from '../access/port.ts'
import { AppError } from '../errors.ts'
import type { Index } from '../index/port.ts'
import type { Embedders } from '../models/embedders.ts'
import type { Embedder } from '../models/port.ts'

/** By the index's generation as it is now. */
export interface Aim {
  /** Id of the vector's generation; undefined where there is none of it. */
  readonly generation: number | undefined
  /** Null where the index's vectors can't be compared with anything that is made here, and when the embedder failed. */
  readonly vector: Promise<Float32Array | null>
}

const NO_VECTOR = Promise.resolve(null)

export class Question {
  readonly #index: Index
  readonly #embedders: Embedders
  readonly #known: Map<number, string>
  readonly #viewer: Viewer
  readonly #text: string
  readonly #signal: AbortSignal | undefined
  readonly #vectors = new Map<Embedder, Promise<Float32Array | null>>()

  constructor(
    deps: { readonly index: Index; readonly embedders: Embedders },
    viewer: Viewer,
    text: string,
    signal: AbortSignal | undefined,
  ) {
    this.#index = deps.index
    this.#embedders = deps.embedders
    this.#viewer = viewer
    this.#text = text
    this.#signal = signal
    this.#known = digestsOf(deps.embedders)
    const held = this.#index.status().generation
    const digest = held === null ? undefined : this.#known.get(held)
    const embedder = digest === undefined ? onlyOne(this.#embedders) : this.#embedders.ofDigest(digest)
    if (embedder !== undefined) this.#vector(embedder)
  }

  /** @param generations their embedders' digests by id, as the database has them now */
  aim(generations: ReadonlyMap<number, string>): Aim {
    for (const [id, digest] of generations) this.#known.set(id, digest)
    const held = this.#index.status().generation
    const generation = held ?? this.#usable(generations)
    const digest = generation === undefined ? undefined : generations.get(generation)
    const embedder = digest === undefined ? undefined : this.#embedders.ofDigest(digest)
    if (embedder !== undefined) return { generation, vector: this.#vector(embedder) }
    // Nothing was ever embedded: that the words alone count is then no fault.
    const first = generations.size === 0 ? this.#embedders.first : null
    return { generation: undefined, vector: first === null ? NO_VECTOR : this.#vector(first) }
  }

  /** For an index without vectors: one that it could have some of. */
  #usable(generations: ReadonlyMap<number, string>): number | undefined {
    for (const [id, digest] of generations) if (this.#embedders.ofDigest(digest) !== undefined) return id
    return undefined
  }

  #vector(embedder: Embedder): Promise<Float32Array | null> {
    let vector = this.#vectors.get(embedder)
    if (vector === undefined) {
      vector = embed(embedder, this.#viewer, this.#text, this.#signal)
      // Whoever awaits it last hears of a failure; until then it must not count as unhandled.
      vector.catch(() => {})
      this.#vectors.set(embedder, vector)
    }
    return vector
  }
}

/** Questions are embedded one after the other: of one person's, only so many stand in that row. */
const EMBEDDING = { atOnce: 4, waiting: 300, waitMs: 60_000 }
const rows = new WeakMap<Embedder, PersonSlots>()

async function embed(
  embedder: Embedder,
  viewer: Viewer,
  text: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array | null> {
  const slots = rows.get(embedder) ?? new PersonSlots(EMBEDDING)
  rows.set(embedder, slots)
  const release = await slots.take(viewer.userId)
  try {
    return await embedder.embed(text, 'query', signal)
  } catch (error) {
    // An endpoint that is away takes the meaning from a search, not the words.
    if (error instanceof AppError && error.code.startsWith('EMBEDDER_')) return null
    throw error
  } finally {
    release()
  }
}

/** An id's digest never changes in one database; what a restored one says is heard with every search. */
const known = new WeakMap<Embedders, Map<number, string>>()

function digestsOf(embedders: Embedders): Map<number, string> {
  const digests = known.get(embedders) ?? new Map<number, string>()
  known.set(embedders, digests)
  return digests
}

function onlyOne({ offered }: Embedders): Embedder | undefined {
  const usable = offered.flatMap(({ embedder }) => embedder ?? [])
  return usable.length === 1 ? usable[0] : undefined
}
