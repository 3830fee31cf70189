// The one statement of a search by words. Its filter is asked of the documents as they are now, whatever was filled when; the
// number of passages that it reads is limited, and they are the first that it comes by.
import { B, K1, type WeighedTerm } from '../lexical/question.ts'
import type { IndexFilter } from '../port.ts'
import { frequencySql, tsqueryOf } from './lexemes.ts'

export interface Selection {
  /** A tsquery: only passages with one of its terms are looked at. Null: all that the filter leaves. */
  readonly terms: string | null
}

export interface StatementParts {
  /** Languages by number. */
  readonly codes: readonly string[]
  readonly terms: readonly WeighedTerm[]
  /** By language number: the score that no passage can exceed. */
  readonly maxima: readonly number[]
  /** Terms in a passage. */
  readonly average: number
  readonly filter: IndexFilter
  /** Of a filter by documents: which `word_documents` these are. */
  readonly scope: { readonly ids: readonly number[] | null }
  readonly selection: Selection
  /** Passages that are looked at. */
  readonly most: number
  /** Rows. */
  readonly wanted: number
}

/** @returns rows of id, language, length, how often each of `terms` occurs (`counts`), and `withoutVector`; best first */
export function statementOf(parts: StatementParts): { text: string; values: unknown[] } {
  const { codes, terms, maxima, average, filter, scope, selection, most, wanted } = parts
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
  const given = (value: unknown) => `$${values.push(value)}`
  const looked: string[] = []
  // As it was filled: it only spares looking at what the documents' filter would drop below.
  if (filter.kind === 'collections') looked.push('w.collection_key = ANY($7::int[])')
  else looked.push(`w.word_document_id = ANY(${given(scope.ids)}::int[])`)
  // Without it the index of terms is of no use to the planner, who can't know how few passages there are.
  if (selection.terms !== null) looked.push(`w.words @@ ${given(selection.terms)}::tsquery`)
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
      FROM (SELECT * FROM passage_words w WHERE ${looked.join(' AND ')} OFFSET 0) w
      JOIN lang ON lang.code = w.language LIMIT $8),
    best AS (
      SELECT k.passage_id, k.score, v.stage <> 'searchable' AS without_vector
      FROM looked k JOIN word_documents m ON m.id = k.word_document_id AND m.ready
      JOIN documents d ON d.key = m.document_key AND d.current_version_id = m.version_id AND d.deleted_at IS NULL
      JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
      JOIN document_versions v ON v.id = m.version_id
      WHERE k.score > 0 AND ${allowed} = ANY($7::int[])
      ORDER BY k.score DESC, k.passage_id LIMIT $9)
    SELECT b.passage_id AS id, w.language, w.length, b.without_vector AS "withoutVector",
      ARRAY(SELECT ${frequencySql('w.words', 't.query')}::int FROM term t ORDER BY t.n) AS counts
    FROM best b JOIN passage_words w ON w.passage_id = b.passage_id ORDER BY b.score DESC, b.passage_id`
  return { text, values }
}
