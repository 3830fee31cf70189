// Passages written as the product fills an index (index/engines/opensearch/fill.ts), from memory instead of the tables.
import { pino } from 'pino'
import type { Cluster } from '../../api/src/index/engines/opensearch/cluster.ts'
import { createIndex } from '../../api/src/index/engines/opensearch/mapping.ts'
import type { Known } from '../../api/src/index/engines/opensearch/watch.ts'
import { IndexWriter } from '../../api/src/index/engines/opensearch/writer.ts'
import { Analysers } from '../../api/src/index/lexical/analysis.ts'
import { Pace } from '../../api/src/index/pace.ts'
import { DIMENSIONS, type EmbeddedTexts } from './embeddings.ts'

/** Each with about as many passages; three of them are 6 %. */
export const COLLECTIONS = 50
const PASSAGES_A_DOCUMENT = 20
const GENERATION = { id: 1, dimensions: DIMENSIONS }

/** Whole documents lie in one collection. Keys begin with 1, passages with 0. */
export const documentOf = (passage: number): number => Math.floor(passage / PASSAGES_A_DOCUMENT) + 1
export const collectionOf = (passage: number): number => (documentOf(passage) % COLLECTIONS) + 1

/** @returns what a search needs to know of it. @throws Trouble */
export async function fillAlone(
  cluster: Cluster,
  shards: number,
  { texts, vectors }: EmbeddedTexts,
): Promise<Known> {
  const index = await createIndex(cluster, { alias: 'bench', shards }, GENERATION)
  const position = { epoch: '1', seq: 1, entryId: null }
  const analysers = new Analysers()
  const { signal } = new AbortController()
  const log = pino({ level: 'warn' })
  const writer = new IndexWriter({
    ...{ cluster, index, generation: GENERATION, position, analysers, log, signal },
  })
  const pace = new Pace(signal)
  for (const [passageId, text] of texts.entries()) {
    const documentKey = documentOf(passageId)
    const place = { passageId, documentKey, collectionKey: collectionOf(passageId) }
    const words = await writer.analyse({ id: passageId, language: 'en', heading: '', text })
    const vector = vectors.slice(passageId * DIMENSIONS, (passageId + 1) * DIMENSIONS)
    const passage = { ...place, versionId: `v${documentKey}`, language: 'en', ...words, embedded: false }
    await writer.add(passage, vector, position.seq)
    if (pace.due) await pace.pause()
  }
  return { index, facts: await writer.show() }
}
