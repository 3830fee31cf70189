// A question against the words in PostgreSQL. As with a cluster, the database chooses and Terrace scores: by the same terms and
// the same formula (lexical/question.ts). What differs from the engines: numbers of passages with common terms are estimates
// (statistics.ts), of words that more passages have than are looked at (`LOOKED_AT`) only those count, and what was changed
// in the last seconds may be missing in the numbers, and a language that is new in what is found.
import { BRIEF_MS, type Pool, type Queryable, within } from '../../database/pool.ts'
import { Analysers } from '../lexical/analysis.ts'
import type { WeighedTerm } from '../lexical/question.ts'
import { type Corpus, type ReadQuestion, readQuestion } from '../lexical/read-question.ts'
import type { Candidate, IndexFilter, IndexQuery } from '../port.ts'
import { byScore, POOL, rankExtra } from '../search.ts'
import { tsqueryOf } from './lexemes.ts'
import { type Selection, statementOf } from './statement.ts'
import { Statistics } from './statistics.ts'

/** Passages that one statement looks at, and the terms that are looked for in all of them. */
const LOOKED_AT = 20_000
const LOOKED_FOR = 200_000
/** Beside what replaces passages of the same ids, so many more are asked for. */
const MOST_REPLACED = 200

/** Compiling takes longer than these statements do, and with few statistics the planner likes to read whole tables. */
const BEGIN = `BEGIN READ ONLY; SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL work_mem = '32MB'`

interface Row {
  readonly id: string
  readonly language: string
  readonly length: number
  readonly counts: readonly number[]
  readonly withoutVector: boolean
}

interface Scope {
  /** Passages that the filter leaves, of all that there are. */
  readonly passages: number
  /** Ids of the documents' words; null where collections are named. */
  readonly ids: readonly number[] | null
}

export class WordSearch {
  readonly #pool: Pool
  readonly #lookedAt: number
  readonly #analysers = new Analysers()
  readonly #statistics = new Statistics()

  /**
   * @param pool its limits are those of every search: how many run at once, and how long
   * @param lookedAt passages that one statement looks at. Default 20,000
   */
  constructor(pool: Pool, lookedAt = LOOKED_AT) {
    this.#pool = pool
    this.#lookedAt = lookedAt
  }

  /** @returns best first, by words alone. @throws what the database says, also when a statement takes too long */
  async search(query: IndexQuery, signal?: AbortSignal): Promise<Candidate[]> {
    const client = await this.#pool.connect()
    let broken = true
    try {
      await client.query(within(BRIEF_MS, { text: BEGIN }))
      const found = await this.#ask(client, query, signal)
      await client.query(within(BRIEF_MS, { text: 'COMMIT' }))
      broken = false
      return found
    } finally {
      client.release(broken)
    }
  }

  async #ask(db: Queryable, query: IndexQuery, signal: AbortSignal | undefined): Promise<Candidate[]> {
    const { filter, limit, extra = [] } = query
    const corpus = await this.#statistics.corpus(db)
    const asked = await readQuestion(query, corpus, this.#analysers, (terms) =>
      this.#statistics.live(db, corpus, terms),
    )
    signal?.throwIfAborted()
    const added = rankExtra(null, extra, (passage) => asked.scoreExtra(passage))
    const replaced = new Set(added.map(({ passageId }) => passageId))
    const wanted = Math.max(POOL, limit) + Math.min(replaced.size, MOST_REPLACED)
    const rows = await this.#best(
      db,
      filter,
      corpus,
      asked,
      { wanted, enough: limit + replaced.size },
      signal,
    )
    const found = rows.map((row) => candidate(asked, row))
    return [...found.filter(({ passageId }) => !replaced.has(passageId)), ...added]
      .filter(({ words }) => words > 0)
      .sort(byScore)
      .slice(0, limit)
  }

  async #best(
    db: Queryable,
    filter: IndexFilter,
    corpus: Corpus,
    asked: ReadQuestion,
    { wanted, enough }: { readonly wanted: number; readonly enough: number },
    signal: AbortSignal | undefined,
  ): Promise<Row[]> {
    const present = asked.terms.filter(({ live }) => live > 0).sort((a, b) => a.live - b.live)
    if (filter.keys.length === 0 || present.length === 0) return []
    const scope = await scopeOf(db, filter)
    if (scope.passages === 0) return []
    const most = Math.min(this.#lookedAt, Math.ceil(LOOKED_FOR / asked.terms.length))
    for (const selection of selections(present, scope, corpus, most)) {
      signal?.throwIfAborted()
      const { text, values } = statementOf({
        ...asked,
        average: corpus.average,
        filter,
        scope,
        selection,
        most,
        wanted,
      })
      const { rows } = await db.query<Row>(text, values)
      if (rows.length >= enough || selection.whole) return rows
    }
    return []
  }
}

async function scopeOf(db: Queryable, { kind, keys }: IndexFilter): Promise<Scope> {
  const column = kind === 'collections' ? 'collection_key' : 'document_key'
  const { rows } = await db.query<Scope>(
    `SELECT coalesce(sum(passages), 0)::float8 AS passages,
       ${kind === 'collections' ? 'NULL::int[]' : "coalesce(array_agg(id), '{}')"} AS ids
     FROM word_documents WHERE ready AND ${column} = ANY($1::int[])`,
    [keys],
  )
  return rows[0] ?? { passages: 0, ids: null }
}

/**
 * Which passages are looked at. A small scope: all of it. Else what has any of the terms; and where that is too much, first
 * what has the rarest of them, since the best nearly always do.
 * @param terms rarest first
 */
function selections(
  terms: readonly WeighedTerm[],
  scope: Scope,
  corpus: Corpus,
  most: number,
): (Selection & { readonly whole: boolean })[] {
  const all = terms.reduce((sum, { live }) => sum + live, 0)
  if (scope.passages <= most && scope.passages <= all) return [{ terms: null, whole: true }]
  const share = Math.min(1, scope.passages / Math.max(1, corpus.passages))
  const whole = { terms: tsqueryOf(terms.map(({ term }) => term)), whole: true }
  if (all * share <= most) return [whole]
  let sum = 0
  const rarest = terms.filter(({ live }) => {
    sum += live * share
    return sum <= most
  })
  if (rarest.length === 0) return [whole]
  return [{ terms: tsqueryOf(rarest.map(({ term }) => term)), whole: false }, whole]
}

function candidate(asked: ReadQuestion, { id, language, length, counts, withoutVector }: Row): Candidate {
  const counted = new Map(asked.terms.map(({ term }, i) => [term, counts[i] ?? 0]))
  const words = asked.score(language, counted, length)
  return { passageId: Number(id), score: words, cosine: null, words, withoutVector }
}
