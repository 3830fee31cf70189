// One golden question asked again: where its right documents stand now, by each method.
import type { Viewer } from '../access/port.ts'
import { AppError } from '../errors.ts'
import type { SearchMethod, WordsOnly } from '../index/port.ts'
import { type SearchDeps, searchPassages } from '../retrieval/search.ts'
import { findGoldenQuestion } from './golden.ts'
import { DEEPEST, MEASURES, type Measure, measure } from './measures.ts'
import { rankDocuments } from './ranking.ts'

export interface CheckedMethod {
  /** Of the first right document among the first 20, from 1; null when none is. */
  readonly rank: number | null
  /** 0 to 1 each. */
  readonly measures: Readonly<Record<Measure, number>>
}

export interface Checked {
  readonly words: CheckedMethod
  /** Null where nothing is searched by meaning. */
  readonly meaning: CheckedMethod | null
  readonly fused: CheckedMethod
  /** Why `words` and `fused` are both what stands in for the search, which says nothing of how good it is. Null: they are not. */
  readonly wordsOnly: WordsOnly | null
}

/**
 * @returns null when the question, or each of its right documents, is not there any more
 * @throws AppError NOT_FOUND of the collection, UNAVAILABLE while the index is loading
 */
export async function checkGoldenQuestion(
  deps: SearchDeps,
  viewer: Viewer,
  collectionId: string,
  id: string,
  signal?: AbortSignal,
): Promise<Checked | null> {
  const question = await findGoldenQuestion(deps.pool, viewer, collectionId, id)
  if (question === null || question.answers.length === 0) return null
  const judgements = new Map(question.answers.map(({ documentId }) => [documentId, 1]))
  let wordsOnly: WordsOnly | null = null
  const check = async (method: SearchMethod): Promise<CheckedMethod> => {
    const { documents } = await rankDocuments(async (limit) => {
      const request = { query: question.text, method, limit, collectionIds: [collectionId] }
      const { passages, ...found } = await searchPassages(deps, viewer, request, signal)
      wordsOnly ??= found.wordsOnly
      return passages.map(({ documentId }) => documentId)
    }, DEEPEST)
    const at = documents.slice(0, DEEPEST).findIndex((document) => judgements.has(document))
    const measured = MEASURES.map((name) => [name, measure(name, documents, judgements)])
    return { rank: at < 0 ? null : at + 1, measures: Object.fromEntries(measured) }
  }
  const words = await check('words')
  const meaning = await check('meaning').catch(nullIfUnavailable)
  const fused = await check('fused')
  return { words, meaning, fused, wordsOnly }
}

/** By words it went: then it is the search by meaning that there is none of. */
function nullIfUnavailable(error: unknown): null {
  if (error instanceof AppError && error.code === 'UNAVAILABLE') return null
  throw error
}
