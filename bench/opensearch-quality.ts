// How good the search is with OpenSearch, against the embedded engine, and which way of fusing is best there: sets of
// questions with known answers go through one Terrace with two API servers, one an engine, and through OpenSearch's own
// `hybrid`. `npm run bench -- opensearch-quality DIR…`, each as `npm run eval` takes it (docs/evaluation.md).
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type pg from 'pg'
import { type BeirSet, openBeirSet } from '../api/src/evaluation/beir.ts'
import { bootstrapMean } from '../api/src/evaluation/bootstrap.ts'
import { DEEPEST, measure } from '../api/src/evaluation/measures.ts'
import { rankDocuments } from '../api/src/evaluation/ranking.ts'
import { readAddress } from '../api/src/index/engines/opensearch/address.ts'
import { Cluster } from '../api/src/index/engines/opensearch/cluster.ts'
import { readFacts } from '../api/src/index/engines/opensearch/documents.ts'
import { startOpenSearchNode } from '../api/test/opensearch-node.ts'
import { uploadSet } from './eval/ask.ts'
import { type EvaluatedTerrace, startTerrace } from './eval/terrace.ts'
import { type Bar, begin, type Figure, finish } from './harness.ts'
import { withEmbedder } from './opensearch/embeddings.ts'
import { createPipelines, Hybrid, WAYS } from './opensearch/hybrid.ts'
import { NEURAL_SEARCH, neuralSearchFiles } from './opensearch/neural-search.ts'
import { prepareNodes } from './opensearch/nodes.ts'

const EMBEDDED = 'embedded'
const OPENSEARCH = 'OpenSearch, our formula'
/** What the issue allows, in nDCG@10. */
const ALLOWANCE = 0.01

const { positionals: folders, values } = parseArgs({
  allowPositionals: true,
  options: { split: { type: 'string', default: 'test' } },
})
if (folders.length === 0) throw new Error('which sets? npm run bench -- opensearch-quality DIR…')
const sets = await Promise.all(folders.map((folder) => openBeirSet(folder, values.split)))
const run = begin('opensearch-quality', ['@opensearch-project/opensearch', 'faiss-node', 'onnxruntime-node'])
await prepareNodes(neuralSearchFiles())
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const figures: Record<string, Figure> = {}
const bars: Bar[] = []
for (const [i, set] of sets.entries()) {
  const name = path.basename(path.resolve(folders[i] ?? ''))
  console.log(`${name}: ${set.documents} documents, ${set.questions.length} questions`)
  const values = await valuesOf(set, stop.signal)
  const ours = values.get(OPENSEARCH) ?? []
  const minusOurs = (list: readonly number[]) => bootstrapMean(list.map((value, n) => value - (ours[n] ?? 0)))
  figures[name] = {
    ...{ documents: set.documents, questions: set.questions.length },
    'nDCG@10': Object.fromEntries([...values].map(([way, list]) => [way, { ...bootstrapMean(list) }])),
    'nDCG@10 minus that of our formula in OpenSearch': Object.fromEntries(
      [...values].filter(([way]) => way !== OPENSEARCH).map(([way, list]) => [way, { ...minusOurs(list) }]),
    ),
  }
  bars.push({
    bar: `${name}: nDCG@10 of OpenSearch, minus that of the embedded engine`,
    value: -minusOurs(values.get(EMBEDDED) ?? []).mean,
    ...{ limit: -ALLOWANCE, unit: '', better: 'more' },
  })
  // After each: who stops it early keeps what was measured.
  finish(run, figures, bars)
}

/** nDCG@10 of each question, by way. */
async function valuesOf(set: BeirSet, signal: AbortSignal): Promise<Map<string, number[]>> {
  await using stack = new AsyncDisposableStack()
  const node = stack.use(await startOpenSearchNode({ plugins: [NEURAL_SEARCH] }))
  const terrace = stack.use(await startTerrace(signal))
  const uploaded = await uploadSet(terrace, set, signal, () => {})
  console.log(`  ${uploaded.passages} passages in ${uploaded.seconds.toFixed(0)} s`)
  const other = await terrace.beside({ INDEX_ENGINE: 'opensearch', OPENSEARCH_URL: node.url }, signal)
  const idOf = (documentId: string) => uploaded.ids.get(documentId) ?? documentId
  const collectionIds = [uploaded.collectionId]

  const cluster = new Cluster(node.url)
  stack.defer(() => cluster.close())
  await createPipelines(cluster)
  // A server is ready before that: words in PostgreSQL stand in while the index is filled.
  let known = await readFacts(cluster, readAddress(node.url).name)
  for (; known === null; known = await readFacts(cluster, readAddress(node.url).name))
    await sleep(200, undefined, { signal })
  while ((await other.api.search.passages.query({ query: 'ready?' })).wordsOnly != null)
    await sleep(200, undefined, { signal })
  const hybrid = new Hybrid(cluster, known)
  const { documents, key } = await passagesOf(terrace.db, uploaded.collectionId)
  const filter = { kind: 'collections', keys: [key] } as const

  const values = new Map([EMBEDDED, OPENSEARCH, ...WAYS].map((way) => [way as string, [] as number[]]))
  await withEmbedder(async (embed) => {
    for (const { text: query, judgements } of set.questions) {
      signal.throwIfAborted()
      const vector = await embed(query)
      const throughApi = (api: EvaluatedTerrace['person']['api']) => async (limit: number) => {
        const { passages, wordsOnly } = await api.search.passages.query({ query, limit, collectionIds })
        if (wordsOnly != null) throw new Error('the cluster was away')
        return passages.map(({ documentId }) => idOf(documentId))
      }
      const rankings = new Map<string, (limit: number) => Promise<string[]>>([
        [EMBEDDED, throughApi(terrace.person.api)],
        [OPENSEARCH, throughApi(other.api)],
        ...WAYS.map((way): [string, (limit: number) => Promise<string[]>] => [
          way,
          async (limit) =>
            (await hybrid.search(way, { text: query, vector, filter }, limit)).map((id) =>
              idOf(documents.get(id) ?? ''),
            ),
        ]),
      ])
      for (const [way, search] of rankings) {
        const { documents: ranking } = await rankDocuments(search, DEEPEST)
        values.get(way)?.push(measure('nDCG@10', ranking, judgements))
      }
    }
  })
  return values
}

/** The document of each passage, and the collection's key. */
async function passagesOf(
  db: pg.Client,
  collectionId: string,
): Promise<{ documents: ReadonlyMap<number, string>; key: number }> {
  const { rows } = await db.query<{ id: string; document: string; key: number }>(
    `SELECT p.id, v.document_id AS document, c.key FROM passages p
     JOIN document_versions v ON v.id = p.version_id JOIN documents d ON d.id = v.document_id
     JOIN collections c ON c.id = d.collection_id WHERE c.id = $1`,
    [collectionId],
  )
  return {
    documents: new Map(rows.map(({ id, document }) => [Number(id), document])),
    key: rows[0]?.key ?? 0,
  }
}
