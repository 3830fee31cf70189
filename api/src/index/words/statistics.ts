// What the words in PostgreSQL say of all passages together: how many there are, how long, in which languages, and how many
// have a term. Common terms are counted by PostgreSQL's own statistics, which are made of a sample; rarer ones are counted.
import { type Queryable, within } from '../../database/pool.ts'
import type { Corpus } from '../lexical/read-question.ts'
import { attempt } from './attempt.ts'
import { tsqueryOf } from './lexemes.ts'

/** So long what was read once is good enough. */
const REMEMBERED_MS = 10_000
const REMEMBERED_TERMS = 50_000
/** Passages with a term that are counted one by one; and from how many on the sample says it well enough, where it does. */
const COUNTED = 10_000
const ESTIMATED = 1_000
const STATISTICS_MS = 5_000

export interface FilledCorpus extends Corpus {
  /** Of the commonest terms: the share of passages that have it. */
  readonly shares: ReadonlyMap<string, number>
}

export class Statistics {
  #corpus: { readonly until: number; readonly corpus: FilledCorpus } | null = null
  readonly #counts = new Map<string, number>()

  async corpus(db: Queryable): Promise<FilledCorpus> {
    if (this.#corpus !== null && this.#corpus.until > performance.now()) return this.#corpus.corpus
    const corpus = await readCorpus(db)
    this.#counts.clear()
    // Where nothing is, the first that comes is not to be missed.
    this.#corpus = corpus.passages === 0 ? null : { until: performance.now() + REMEMBERED_MS, corpus }
    return corpus
  }

  /** How many passages have each term. @param ms that counting may take; those that were not counted then are taken for rare */
  async live(
    db: Queryable,
    corpus: FilledCorpus,
    terms: Iterable<string>,
    ms: number,
  ): Promise<ReadonlyMap<string, number>> {
    const known = new Map<string, number>()
    const unknown: string[] = []
    for (const term of new Set(terms)) {
      const estimated = (corpus.shares.get(term) ?? 0) * corpus.passages
      const count = estimated > ESTIMATED ? Math.round(estimated) : this.#counts.get(term)
      if (count === undefined) unknown.push(term)
      else known.set(term, count)
    }
    if (unknown.length === 0) return known
    const counted = await count(db, unknown, ms)
    if (counted === null) {
      const rare = Math.ceil(Math.min(COUNTED, rarestOf(corpus)) / 2)
      for (const term of unknown) known.set(term, rare)
      return known
    }
    if (this.#counts.size > REMEMBERED_TERMS) this.#counts.clear()
    for (const [i, term] of unknown.entries()) {
      const found = counted[i] ?? 0
      known.set(term, found)
      // Whatever has the first passage of a new word is searched for by it at once.
      if (found > 0) this.#counts.set(term, found)
    }
    return known
  }
}

async function readCorpus(db: Queryable): Promise<FilledCorpus> {
  const { rows } = await db.query<{
    passages: number
    length: number
    languages: string[]
    terms: string[] | null
    shares: number[] | null
  }>(
    within(STATISTICS_MS, {
      text: `SELECT coalesce(sum(passages), 0)::float8 AS passages, coalesce(sum(length), 0)::float8 AS length,
               ARRAY(SELECT DISTINCT l FROM word_documents, unnest(languages) l WHERE ready ORDER BY l) AS languages,
               (SELECT most_common_elems::text::text[] FROM pg_stats s WHERE ${OURS}) AS terms,
               (SELECT most_common_elem_freqs FROM pg_stats s WHERE ${OURS}) AS shares
             FROM word_documents WHERE ready`,
    }),
  )
  const { passages = 0, length = 0, languages = [], terms, shares } = rows[0] ?? {}
  const common = (terms ?? []).map((term, i): [string, number] => [term, shares?.[i] ?? 0])
  return { passages, average: length / Math.max(1, passages), languages, shares: new Map(common) }
}

const OURS = `s.schemaname = current_schema() AND s.tablename = 'passage_words' AND s.attname = 'words'`

/** How many passages have the rarest of the terms that the sample knows. */
function rarestOf({ shares, passages }: FilledCorpus): number {
  let least = 1
  for (const share of shares.values()) least = Math.min(least, share)
  return least * passages
}

/**
 * No more than so many of each: what is commoner than that, and not in the statistics, is as good as that common.
 * @returns null when it took too long
 */
async function count(db: Queryable, terms: readonly string[], ms: number): Promise<number[] | null> {
  const rows = await attempt<{ count: number }>(db, ms, {
    text: `SELECT (SELECT count(*) FROM (
               SELECT 1 FROM passage_words w WHERE w.words @@ t.query LIMIT ${COUNTED}) c)::int AS count
           FROM unnest($1::tsquery[]) WITH ORDINALITY AS t(query, n) ORDER BY t.n`,
    values: [terms.map((term) => tsqueryOf([term]))],
  })
  return rows?.map((row) => row.count) ?? null
}
