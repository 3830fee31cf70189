// One question against the index in the cluster. The cluster chooses candidates by either ranking (query.ts); what they
// are worth is computed here, by the same formula, the same statistics of live passages and the same dot product as the
// embedded engine's: its scores depend on deleted passages that were not merged away yet, and on rounded lengths.
import { z } from 'zod'
import { Analysers } from '../../lexical/analysis.ts'
import { type Corpus, type ReadQuestion, readQuestion } from '../../lexical/read-question.ts'
import type { Candidate, IndexQuery } from '../../port.ts'
import { BETA, byScore, POOL, rankExtra, withReserved } from '../../search.ts'
import { dot } from '../../vectors/port.ts'
import type { Cluster } from './cluster.ts'
import type { IndexFacts } from './documents.ts'
import { type Clause, countQuery, nearestQuery, routingOf, scopeOf, wordsQuery } from './query.ts'
import { floats } from './vectors.ts'
import type { Known } from './watch.ts'

/** Terms remembered at one place of the log. */
const REMEMBERED = 50_000

const hit = z.object({
  _source: z.object({
    ...{ passageId: z.number(), language: z.string(), words: z.string(), length: z.number() },
    vector: z.string().optional(),
  }),
})
const part = z.object({
  status: z.number(),
  error: z.unknown().optional(),
  hits: z
    .object({ total: z.object({ value: z.number() }).optional(), hits: z.array(z.unknown()) })
    .optional(),
})
const parts = z.object({ responses: z.array(part) })
type Part = z.infer<typeof part>

interface Found {
  readonly id: number
  readonly words: number
  readonly vector: Float32Array | null
}

export class Searcher {
  readonly #cluster: Cluster
  readonly #analysers = new Analysers()
  readonly #live = new Map<string, number>()
  #liveAt = ''

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  /** @throws Trouble: no answer that is whole */
  async search(asked: IndexQuery, known: Known, signal?: AbortSignal): Promise<Candidate[]> {
    const own = known.facts.generation
    const foreign = own === null || (asked.generation !== undefined && asked.generation !== own.id)
    const vector = foreign ? null : asked.vector
    const question = await readQuestion(asked, corpusOf(known.facts), this.#analysers, (terms) =>
      this.#count(known, [...terms], signal),
    )
    const added = rankExtra(vector, asked.extra ?? [], (passage) => question.scoreExtra(passage))
    const replaced = new Set(added.map(({ passageId }) => passageId))
    const found = await this.#candidates({ ...asked, vector }, question, known, signal)
    const here = (list: readonly Found[]) => list.filter(({ id }) => !replaced.has(id))
    return rank({ ...asked, vector }, here(found.nearest), here(found.byWords), here(found.wordsOnly), added)
  }

  async #candidates(
    query: IndexQuery,
    question: ReadQuestion,
    known: Known,
    signal: AbortSignal | undefined,
  ) {
    const { filter, limit, vector, method = 'fused' } = query
    const pool = Math.max(POOL, limit)
    const scope = scopeOf(filter)
    const { passages, vectors, counted } = known.facts
    const byWords = (embedded: boolean) => wordsQuery(question.terms, question.codes, scope, embedded, pool)
    const words = method !== 'meaning' && question.terms.some(({ live }) => live > 0)
    const asked: [keyof typeof none, Clause][] = []
    if (filter.keys.length === 0) return none
    const anyVector = vectors > 0 || !counted
    if (vector !== null && method !== 'words' && anyVector)
      asked.push(['nearest', nearestQuery(vector, scope, pool)])
    if (words && anyVector) asked.push(['byWords', byWords(true)])
    if (words && (vectors < passages || !counted)) asked.push(['wordsOnly', byWords(false)])
    const routing = routingOf(filter)
    const answers = await this.#ask(
      known.index,
      asked.map(([, body]) => body),
      routing,
      signal,
    )
    const found = answers.map(({ hits }) => (hits?.hits ?? []).map((one) => read(hit.parse(one), question)))
    return { ...none, ...Object.fromEntries(asked.map(([name], i) => [name, found[i] ?? []])) }
  }

  async #ask(
    index: string,
    bodies: readonly Clause[],
    routing: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly Part[]> {
    if (bodies.length === 0) return []
    const header = JSON.stringify({
      ...{ index, search_type: 'dfs_query_then_fetch', allow_partial_search_results: false },
      ...(routing === undefined ? {} : { routing }),
    })
    const lines = bodies.flatMap((body) => [header, JSON.stringify(body)])
    const whole = (answer: unknown): void => {
      for (const { status, error } of parts.parse(answer).responses)
        if (status >= 300 || error !== undefined) throw this.#cluster.refusal(status, error)
    }
    const request = { method: 'POST', path: '/_msearch', lines, signal, timeoutMs: 5_000 } as const
    return parts.parse(await this.#cluster.send({ ...request, idempotent: true }, whole)).responses
  }

  /** Live passages with each term: what Lucene counts of a term includes deleted ones. */
  async #count(
    known: Known,
    terms: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, number>> {
    const at = `${known.index} ${known.facts.position.seq}`
    if (at !== this.#liveAt || this.#live.size > REMEMBERED) this.#live.clear()
    this.#liveAt = at
    const live = this.#live
    const unknown = terms.filter((term) => !live.has(term))
    const answers = await this.#ask(known.index, unknown.map(countQuery), undefined, signal)
    const counted = new Map(unknown.map((term, i) => [term, answers[i]?.hits?.total?.value ?? 0]))
    // What was asked before others moved on is not remembered for them.
    if (at === this.#liveAt) for (const [term, count] of counted) live.set(term, count)
    return new Map(terms.map((term) => [term, counted.get(term) ?? live.get(term) ?? 0]))
  }
}

/** What the formula asks of an index. */
export const corpusOf = ({ languages, passages, length }: IndexFacts): Corpus => ({
  ...{ passages, average: length / Math.max(1, passages) },
  languages: Object.keys(languages),
})

const none = {
  nearest: [] as readonly Found[],
  byWords: [] as readonly Found[],
  wordsOnly: [] as readonly Found[],
}

function read({ _source }: z.infer<typeof hit>, question: ReadQuestion): Found {
  const { passageId, language, words, length, vector } = _source
  const counted = new Map<string, number>()
  for (const term of words.split(' ')) counted.set(term, (counted.get(term) ?? 0) + 1)
  return {
    id: passageId,
    words: question.score(language, counted, length),
    vector: vector === undefined ? null : floats(Buffer.from(vector, 'base64')),
  }
}

/** As the embedded engine's (index/search.ts), from candidates that were chosen elsewhere. */
function rank(
  { vector, limit, reserved, method = 'fused' }: IndexQuery,
  nearest: readonly Found[],
  byWords: readonly Found[],
  wordsOnly: readonly Found[],
  added: readonly Candidate[],
): Candidate[] {
  if (method === 'meaning') {
    const near = nearest.map((one) => scored(one, vector)).map((one) => ({ ...one, score: one.cosine ?? 0 }))
    const more = added.flatMap((one) => (one.cosine === null ? [] : [{ ...one, score: one.cosine }]))
    return [...near, ...more].sort(byScore).slice(0, limit)
  }
  if (vector === null || method === 'words')
    return [
      ...byWords.map((one) => scored({ ...one, vector: null }, null, false)),
      ...wordsOnly.map((one) => scored(one, null)),
      ...added.flatMap((one) => (one.words > 0 ? [{ ...one, score: one.words }] : [])),
    ]
      .sort(byScore)
      .slice(0, limit)
  const both = new Map([...byWords, ...nearest].map((one) => [one.id, scored(one, vector)]))
  const best = [...both.values(), ...added.filter(({ withoutVector }) => !withoutVector)]
  const unembedded = [
    ...wordsOnly.map((one) => scored(one, null)),
    ...added.filter(({ withoutVector, words }) => withoutVector && words > 0),
  ]
  return withReserved(best.sort(byScore).slice(0, limit), unembedded, limit, reserved)
}

function scored(
  { id, words, vector: own }: Found,
  vector: Float32Array | null,
  withoutVector = own === null,
): Candidate {
  const cosine = vector === null || own === null ? null : dot(vector, own, 0)
  const score = cosine === null ? words : cosine + BETA * words
  return { passageId: id, score, cosine, words, withoutVector }
}
