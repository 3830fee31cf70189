// A question against the words in PostgreSQL. As with a cluster, the database chooses and Terrace scores: by the same terms and
// the same formula (lexical/question.ts). What differs from the engines: numbers of passages with common terms are estimates
// (statistics.ts), of words that more passages have than are looked at (`LOOKED_AT`) only some count (steps.ts), and what was
// changed in the last seconds may be missing in the numbers, and a language that is new in what is found.
import { BRIEF_MS, type Pool, type Queryable, within } from '../../database/pool.ts'
import { Analysers } from '../lexical/analysis.ts'
import { type Corpus, type ReadQuestion, readQuestion } from '../lexical/read-question.ts'
import type { Candidate, IndexFilter, IndexQuery } from '../port.ts'
import { byScore, POOL, rankExtra } from '../search.ts'
import { attempt } from './attempt.ts'
import { statementOf, type WordRow } from './statement.ts'
import { Statistics } from './statistics.ts'
import { boundOf, type Scope, type Step, type StepKind, stepsOf } from './steps.ts'

/** Passages that one question looks at, and the terms that are looked for in all of them. */
const LOOKED_AT = 20_000
const LOOKED_FOR = 200_000
/** Beside what replaces passages of the same ids, so many more are asked for. */
const MOST_REPLACED = 200
const SEARCH_MS = 3_000
/** Of that time: for counting, and until when each step may go on. What comes last, and helps out, has the rest of it. */
const COUNTING = 0.3
const UNTIL: Readonly<Record<StepKind, number>> = {
  ...{ whole: 1, sure: 0.6, glance: 0.8, together: 0.6, shared: 0.6, sample: 1, rest: 0.8 },
}

/** Steps that are only gone where the others have found too little. */
const SPARE: ReadonlySet<StepKind> = new Set(['glance', 'sample', 'rest'])

/** Compiling takes longer than these statements do, and with few statistics the planner likes to read whole tables. */
const BEGIN = `BEGIN READ ONLY; SET LOCAL jit = off; SET LOCAL enable_seqscan = off; SET LOCAL work_mem = '32MB'`

export interface WordSearchOptions {
  /** Passages that one question looks at. Default 20,000 */
  readonly lookedAt?: number
  /** Times that a passage is looked at for a term. Default 200,000 */
  readonly lookedFor?: number
  /** Milliseconds after which it is content with what was found, or gives up. Default 3,000 */
  readonly searchMs?: number
}

interface Asked {
  readonly filter: IndexFilter
  readonly corpus: Corpus
  readonly question: ReadQuestion
  /** Rows of a statement. */
  readonly wanted: number
  /** Rows in all with which common words are left alone. */
  readonly enough: number
  readonly began: number
  readonly signal: AbortSignal | undefined
}

export class WordSearch {
  readonly #pool: Pool
  readonly #lookedAt: number
  readonly #lookedFor: number
  readonly #searchMs: number
  readonly #analysers = new Analysers()
  readonly #statistics = new Statistics()

  /** @param pool its limits are those of every search: how many run at once, and how long a statement takes */
  constructor(pool: Pool, options: WordSearchOptions = {}) {
    this.#pool = pool
    this.#lookedAt = options.lookedAt ?? LOOKED_AT
    this.#lookedFor = options.lookedFor ?? LOOKED_FOR
    this.#searchMs = options.searchMs ?? SEARCH_MS
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
    const began = performance.now()
    const corpus = await this.#statistics.corpus(db)
    const question = await readQuestion(query, corpus, this.#analysers, (terms) =>
      this.#statistics.live(db, corpus, terms, COUNTING * this.#searchMs),
    )
    signal?.throwIfAborted()
    const added = rankExtra(null, extra, (passage) => question.scoreExtra(passage))
    const replaced = new Set(added.map(({ passageId }) => passageId))
    const wanted = Math.max(POOL, limit) + Math.min(replaced.size, MOST_REPLACED)
    const enough = limit + replaced.size
    const found = await this.#best(db, { filter, corpus, question, wanted, enough, began, signal })
    return [...found.filter(({ passageId }) => !replaced.has(passageId)), ...added]
      .filter(({ words }) => words > 0)
      .sort(byScore)
      .slice(0, limit)
  }

  async #best(db: Queryable, asked: Asked): Promise<Candidate[]> {
    const { filter, corpus, question, enough } = asked
    const present = question.terms.filter(({ live }) => live > 0).sort((a, b) => a.live - b.live)
    if (filter.keys.length === 0 || present.length === 0) return []
    const scope = await scopeOf(db, filter)
    if (scope.passages === 0) return []
    const most = Math.min(this.#lookedAt, Math.ceil(this.#lookedFor / question.terms.length))
    const found = new Map<number, Candidate>()
    const firm = new Set<number>()
    let [left, covered, late] = [most, 0, false]
    for (const step of stepsOf(present, scope, corpus.passages, most)) {
      asked.signal?.throwIfAborted()
      if (left <= 0) break
      if (SPARE.has(step.kind) && firm.size >= enough) continue
      const limit = Math.min(left, step.most)
      const statement = { scope, step, without: present.slice(0, covered), most: limit }
      const rows = await this.#look(db, asked, statement)
      late ||= rows === null
      if (rows === null) continue
      const ones = rows.map((row) => candidate(question, row))
      for (const one of ones) found.set(one.passageId, one)
      // It looks at so few that they do not count, and its passages are no reason to look no further.
      if (step.kind === 'glance') continue
      for (const { passageId } of ones) firm.add(passageId)
      const looked = rows[0]?.looked ?? 0
      if (looked > 0 && looked < limit) covered = Math.max(covered, step.covers)
      left -= looked
      // What was not looked at has none but the other terms: they may not be worth as much.
      const worst = [...found.values()].sort(byScore)[enough - 1]?.words ?? 0
      if (worst > boundOf(present.slice(covered), question.maxima)) break
    }
    if (late && found.size === 0) throw new Error('looking for words in PostgreSQL took too long')
    return [...found.values()]
  }

  /** @returns null when there is no more time for it */
  async #look(
    db: Queryable,
    { filter, corpus, question, wanted, began }: Asked,
    statement: {
      readonly scope: Scope
      readonly step: Step
      readonly without: ReadQuestion['terms']
      readonly most: number
    },
  ): Promise<WordRow[] | null> {
    const ms = began + UNTIL[statement.step.kind] * this.#searchMs - performance.now()
    if (ms <= 0) return null
    const parts = { ...question, average: corpus.average, filter, wanted, ...statement }
    return attempt<WordRow>(db, ms, statementOf(parts))
  }
}

async function scopeOf(db: Queryable, { kind, keys }: IndexFilter): Promise<Scope> {
  const column = kind === 'collections' ? 'collection_key' : 'document_key'
  const { rows } = await db.query<Scope>(
    `SELECT coalesce(sum(passages), 0)::float8 AS passages, count(*)::int AS documents,
       ${kind === 'collections' ? 'NULL::int[]' : "coalesce(array_agg(id), '{}')"} AS ids
     FROM word_documents WHERE ready AND ${column} = ANY($1::int[])`,
    [keys],
  )
  return rows[0] ?? { passages: 0, documents: 0, ids: null }
}

function candidate(asked: ReadQuestion, { id, language, length, counts, withoutVector }: WordRow): Candidate {
  const counted = new Map(asked.terms.map(({ term }, i) => [term, counts[i] ?? 0]))
  const words = asked.score(language, counted, length)
  return { passageId: Number(id), score: words, cosine: null, words, withoutVector }
}
