// Many passages through an embedder: as many under way as keep it busy, their vectors handed on in portions while the
// next are made. For documents (ingest/embed.ts) and whole generations (generations/fill.ts) alike.
import type { Embedder, EmbedKind } from './port.ts'

export interface PassageText {
  readonly id: string
  readonly heading: string
  readonly text: string
}

/** What is embedded of a passage. */
export function embeddedText(passage: { readonly heading: string; readonly text: string }): string {
  return passage.heading === '' ? passage.text : `${passage.heading}\n${passage.text}`
}

export interface EmbedPassagesOptions<Passage extends PassageText> {
  readonly embedder: Pick<Embedder, 'embed' | 'window'>
  readonly kind: Exclude<EmbedKind, 'query'>
  /** Undefined at the end. */
  readonly next: () => Promise<Passage | undefined>
  /** Keeps a portion; one at a time. Vectors are little-endian float32, as every platform that we run on has them. */
  readonly write: (ids: readonly string[], vectors: readonly Buffer[]) => Promise<void>
  /** A passage that could not be embedded: true goes on without it. Default: none does. */
  readonly passOver?: (error: unknown, passage: Passage) => boolean
}

/** Vectors in one portion; of a slow embedder as many as there are after a second: people see how far it is. */
const PORTION = 64
const PORTION_MS = 1_000

/** @throws what `next`, the embedder or `write` throw: then nothing of it goes on; what was written stays */
export async function embedPassages<Passage extends PassageText>(
  { embedder, kind, next, write, passOver }: EmbedPassagesOptions<Passage>,
  signal: AbortSignal,
): Promise<void> {
  const writer = new PortionWriter(write)
  // One lane's failure is all lanes' end: none may go on writing when the work is over.
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const vectorOf = async (passage: Passage): Promise<Float32Array | null> => {
    try {
      return await embedder.embed(embeddedText(passage), kind, either)
    } catch (error) {
      if (!either.aborted && passOver?.(error, passage) === true) return null
      throw error
    }
  }
  const lane = async () => {
    try {
      for (let passage = await next(); passage !== undefined; passage = await next()) {
        either.throwIfAborted()
        const vector = await vectorOf(passage)
        if (vector !== null) await writer.add(passage.id, vector)
      }
    } catch (error) {
      failed.abort(error)
      throw error
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: embedder.window }, lane))
  signal.throwIfAborted()
  if (ends.some(({ status }) => status === 'rejected')) throw failed.signal.reason
  await writer.end()
}

class PortionWriter {
  readonly #write: EmbedPassagesOptions<PassageText>['write']
  #ids: string[] = []
  #vectors: Buffer[] = []
  #writing: Promise<void> = Promise.resolve()
  #last = performance.now()

  constructor(write: EmbedPassagesOptions<PassageText>['write']) {
    this.#write = write
  }

  async add(id: string, vector: Float32Array): Promise<void> {
    this.#ids.push(id)
    this.#vectors.push(Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength))
    if (this.#ids.length >= PORTION || performance.now() - this.#last > PORTION_MS) await this.#flush()
  }

  async end(): Promise<void> {
    if (this.#ids.length > 0) await this.#flush()
    await this.#writing
  }

  /** Resolves once the portion before is written: at most one waits. */
  async #flush(): Promise<void> {
    const [ids, vectors, before] = [this.#ids, this.#vectors, this.#writing]
    this.#ids = []
    this.#vectors = []
    this.#last = performance.now()
    this.#writing = before.then(() => this.#write(ids, vectors))
    this.#writing.catch(() => {})
    await before
  }
}
