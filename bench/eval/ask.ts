// A set goes through a Terrace as people's files and questions do: every document is uploaded over HTTP and passes the
// product's parser, splitter, embedder and log; every question is asked through tRPC, once a method.

import type { TRPCClient } from '@trpc/client'
import type { BeirSet, SetQuestion } from '../../api/src/evaluation/beir.ts'
import { documentFile } from '../../api/src/evaluation/document-file.ts'
import { type JudgedQuestion, METHODS } from '../../api/src/evaluation/evaluation.ts'
import { DEEPEST, type Ranking } from '../../api/src/evaluation/measures.ts'
import { rankDocuments } from '../../api/src/evaluation/ranking.ts'
import type { SearchMethod } from '../../api/src/index/port.ts'
import type { AppRouter } from '../../api/src/routers/router.ts'
import { allSearchable, type EvaluatedTerrace } from './terrace.ts'

/** Below the uploads that one person may have under way. */
const LANES = 4

export interface Uploaded {
  readonly collectionId: string
  /** The set's id of each of the product's documents. */
  readonly ids: ReadonlyMap<string, string>
  /** Documents without any text. */
  readonly empty: number
  readonly passages: number
  readonly seconds: number
}

export async function uploadSet(
  terrace: EvaluatedTerrace,
  set: BeirSet,
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Uploaded> {
  const { person, db } = terrace
  const began = performance.now()
  const { id: collectionId } = await person.api.collections.create.mutate({ name: 'Evaluation' }, { signal })
  const ids = new Map<string, string>()
  let empty = 0
  const corpus = set.corpus()
  const lane = async () => {
    for (let next = await corpus.next(); next.done !== true; next = await corpus.next()) {
      const file = documentFile(next.value)
      if (file === null) {
        empty++
        continue
      }
      const query = new URLSearchParams({ collection: collectionId, name: file.name, duplicate: 'keep' })
      const response = await person.fetch(`/files?${query}`, { method: 'PUT', body: file.body, signal })
      if (response.status !== 201)
        throw new Error(`${next.value.id} was not accepted: ${response.status} ${await response.text()}`)
      ids.set(((await response.json()) as { documentId: string }).documentId, next.value.id)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
  await allSearchable(terrace, signal, onProgress)
  const { rows } = await db.query<{ n: number }>('SELECT count(*)::int AS n FROM passages')
  const seconds = (performance.now() - began) / 1000
  return { collectionId, ids, empty, passages: rows[0]?.n ?? 0, seconds }
}

export interface Answers {
  readonly questions: readonly JudgedQuestion[]
  /** Of one search for 50 passages, by method. */
  readonly milliseconds: Readonly<Record<SearchMethod, readonly number[]>>
  /** Questions that had to be asked for more than 50 passages, by any method, and those that 200 were not enough for. */
  readonly deeper: number
  readonly cut: number
}

/** @param ids the judgements' ids of documents, where they are not the product's own */
export async function askAll(
  api: TRPCClient<AppRouter>,
  asked: readonly SetQuestion[],
  { collectionId, ids }: { readonly collectionId: string; readonly ids?: ReadonlyMap<string, string> },
  signal: AbortSignal,
  onProgress: (done: number) => void,
): Promise<Answers> {
  const milliseconds: Record<SearchMethod, number[]> = { words: [], meaning: [], fused: [] }
  const questions: JudgedQuestion[] = []
  let [deeper, cut] = [0, 0]
  const ask = (query: string, method: SearchMethod) =>
    rankDocuments(async (limit) => {
      const began = performance.now()
      const input = { query, method, limit, collectionIds: [collectionId] }
      const { mode, passages, wordsOnly } = await api.search.passages.query(input, { signal })
      if (limit === 50) milliseconds[method].push(performance.now() - began)
      if (wordsOnly === 'engine-away')
        throw new Error(
          'the search engine is away, and words stand in for it: nothing of this measures the search',
        )
      if ((mode === 'words') !== (method === 'words'))
        throw new Error(
          `asked to rank by ${method}, the search ranked by ${mode}: is there an embedding model?`,
        )
      return passages.map(({ documentId }) => ids?.get(documentId) ?? documentId)
    }, DEEPEST)
  for (const { text, judgements } of asked) {
    const found = new Map<SearchMethod, Awaited<ReturnType<typeof ask>>>()
    for (const method of METHODS) found.set(method, await ask(text, method))
    const all = [...found.values()]
    if (all.some(({ limit }) => limit > 50)) deeper++
    if (all.some((rank) => rank.cut)) cut++
    const ranking = (method: SearchMethod): Ranking => found.get(method)?.documents ?? []
    questions.push({
      judgements,
      rankings: { words: ranking('words'), meaning: ranking('meaning'), fused: ranking('fused') },
    })
    onProgress(questions.length)
  }
  return { questions, milliseconds, deeper, cut }
}
