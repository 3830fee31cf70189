// A ranking of documents from a ranking of passages: a document is worth its best passage (MaxP, Dai & Callan 2019).

/** Passages asked for, one after the other, until there are enough documents. Up to 50, the index ranks the same pool as for 10. */
const LIMITS = [50, 100, 200] as const

export interface DocumentRanking {
  /** Best first, each once. */
  readonly documents: readonly string[]
  /** Passages that had to be asked for. */
  readonly limit: number
  /** There were fewer documents than wanted although more passages may have matched. */
  readonly cut: boolean
}

/**
 * @param search the best passages, best first, each by its document's id
 * @param wanted documents
 */
export async function rankDocuments(
  search: (limit: number) => Promise<readonly string[]>,
  wanted: number,
): Promise<DocumentRanking> {
  // A deeper answer only adds to what was found before: the first ones stay as everybody gets them.
  const documents = new Set<string>()
  for (const limit of LIMITS) {
    const passages = await search(limit)
    for (const document of passages) documents.add(document)
    const enough = documents.size >= wanted
    if (enough || passages.length < limit) return { documents: [...documents], limit, cut: false }
  }
  return { documents: [...documents], limit: 200, cut: true }
}
