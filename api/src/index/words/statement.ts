// The one statement of a search by words. Its filter is asked of the documents as they are now, whatever was filled when; the
// number of passages that it reads is limited, and they are the first that it comes by.
import { B, K1, type WeighedTerm } from '../lexical/question.ts'
import type { IndexFilter } from '../port.ts'
import { frequencySql, tsqueryOf } from './lexemes.ts'
import type { Scope, Step } from './steps.ts'

export interface StatementParts {
  /** Languages by number. */
  readonly codes: readonly string[]
  readonly terms: readonly WeighedTerm[]
  /** By language number: the score that no passage can exceed. */
  readonly maxima: readonly number[]
  /** Terms in a passage. */
  readonly average: number
  readonly filter: IndexFilter
  readonly scope: Pick<Scope, 'ids'>
  readonly step: Pick<Step, 'terms' | 'sample'>
  /** Passages with one of these terms were looked at before. */
  readonly without: readonly WeighedTerm[]
  /** Passages that are looked at. */
  readonly most: number
  /** Rows. */
  readonly wanted: number
}

export interface WordRow {
  readonly id: string
  readonly language: string
  readonly length: number
  /** How often each of the terms occurs. */
  readonly counts: readonly number[]
  readonly withoutVector: boolean
  /** Passages that the statement looked at, the same in each row. */
  readonly looked: number
}

/**
 * Whether a document is shown is asked once for each, and of its collection by id: by keys, the planner likes to go through all of
 * them for each passage.
 * @returns what asks for `WordRow`s, best first
 */
export function statementOf(parts: StatementParts): { text: string; values: unknown[] } {
  const { codes, terms, maxima, average, filter, most, wanted } = parts
  const values: unknown[] = [
    terms.map(({ term }) => tsqueryOf([term])),
    terms.map(({ idf }) => idf),
    terms.map(({ languages }) => codes.map((_, n) => ((languages >> BigInt(n)) & 1n).toString()).join('')),
    codes,
    maxima,
    average > 0 ? average : 1,
    filter.keys,
    most,
    wanted,
  ]
  const allowed = filter.kind === 'collections' ? 'c.key' : 'd.key'
  const text = `WITH term AS MATERIALIZED (
      SELECT * FROM unnest($1::tsquery[], $2::float8[], $3::text[]) WITH ORDINALITY AS t(query, idf, languages, n)),
    lang AS MATERIALIZED (
      SELECT * FROM unnest($4::text[], $5::float8[]) WITH ORDINALITY AS l(code, maximum, n) WHERE maximum > 0),
    looked AS MATERIALIZED (
      SELECT w.passage_id, w.word_document_id, (
          SELECT sum(t.idf * ${K1 + 1} * f.n / (f.n + ${K1} * (${1 - B} + ${B} * w.length / $6::float8)))
          FROM term t CROSS JOIN LATERAL (SELECT ${frequencySql('w.words', 't.query')} AS n) f
          WHERE f.n > 0 AND substr(t.languages, lang.n::int, 1) = '1') / lang.maximum AS score
      FROM (${passagesOf(parts, (value) => `$${values.push(value)}`)}) w
      JOIN lang ON lang.code = w.language LIMIT $8),
    shown AS MATERIALIZED (
      SELECT m.id, v.stage <> 'searchable' AS without_vector
      FROM (SELECT DISTINCT word_document_id AS id FROM looked WHERE score > 0) k
      JOIN word_documents m ON m.id = k.id AND m.ready
      JOIN documents d ON d.key = m.document_key AND d.current_version_id = m.version_id AND d.deleted_at IS NULL
      CROSS JOIN LATERAL (
        SELECT c.key FROM collections c WHERE c.id = d.collection_id AND c.deleted_at IS NULL OFFSET 0) c
      JOIN document_versions v ON v.id = m.version_id
      WHERE ${allowed} = ANY($7::int[])),
    best AS (
      SELECT k.passage_id, k.score, m.without_vector FROM looked k JOIN shown m ON m.id = k.word_document_id
      WHERE k.score > 0 ORDER BY k.score DESC, k.passage_id LIMIT $9)
    SELECT b.passage_id AS id, w.language, w.length, b.without_vector AS "withoutVector",
      ARRAY(SELECT ${frequencySql('w.words', 't.query')}::int FROM term t ORDER BY t.n) AS counts,
      (SELECT count(*) FROM looked)::int AS looked
    FROM best b JOIN passage_words w ON w.passage_id = b.passage_id ORDER BY b.score DESC, b.passage_id`
  return { text, values }
}

/**
 * Filters as they were when the words were filled: that only spares looking at what the documents' filter drops afterwards.
 * OFFSET 0: without it the index of terms is of no use to the planner, who can't know how few passages there are.
 */
function passagesOf(
  { filter, scope, step: { terms, sample }, without }: StatementParts,
  given: (value: unknown) => string,
): string {
  const named = filter.kind === 'collections'
  const words = terms === null ? '' : ` AND w.words @@ ${given(tsqueryFor(terms, without))}::tsquery`
  if (sample === null) {
    const scoped = named
      ? 'w.collection_key = ANY($7::int[])'
      : `w.word_document_id = ANY(${given(scope.ids)}::int[])`
    return `SELECT * FROM passage_words w WHERE ${scoped}${words} OFFSET 0`
  }
  const scoped = named ? 'collection_key = ANY($7::int[])' : `id = ANY(${given(scope.ids)}::int[])`
  // The same documents for every question, in an order that has nothing to do with when they came (Knuth's multiplicative hash).
  return `SELECT w.* FROM (
        SELECT id FROM word_documents WHERE ready AND ${scoped}
        ORDER BY id * 2654435761 % 4294967296, id LIMIT ${given(sample.documents)}) m
      CROSS JOIN LATERAL (
        SELECT * FROM passage_words p WHERE p.word_document_id = m.id LIMIT ${given(sample.each)}) w
      WHERE true${words} OFFSET 0`
}

function tsqueryFor(terms: NonNullable<Step['terms']>, without: readonly WeighedTerm[]): string {
  const text = (given: readonly WeighedTerm[]) => given.map(({ term }) => term)
  const known = new Set(text(without))
  const wanted =
    'any' in terms
      ? tsqueryOf(text(terms.any).filter((term) => !known.has(term)))
      : tsqueryOf(text(terms.all), '&')
  return without.length === 0 ? wanted : `(${wanted})&!(${tsqueryOf(text(without))})`
}
