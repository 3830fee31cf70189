// The embedders of a test: those that it brings, in order; none for words only.
import { type Embedders, embeddersOf, offer } from '../src/models/embedders.ts'
import type { Embedder } from '../src/models/port.ts'

export function testEmbedders(...embedders: readonly Embedder[]): Embedders {
  return embeddersOf(embedders.map((embedder, i) => offer({ id: `e${i}`, name: `E${i}` }, null, embedder)))
}
