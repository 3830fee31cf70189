// Terms as PostgreSQL keeps them: Terrace's own (lexical/), never those of PostgreSQL's parsers, so that both ways of
// searching go by the same. A term that occurs n times has the positions 1 to n: where it stands is of no use for BM25, and
// from so many positions `ts_rank` says n (see frequencySql).

/** As many positions as PostgreSQL keeps of a lexeme; the formula counts no more either (lexical/question.ts). */
const MOST = 255
/** A tsvector holds less than 1 MB of lexemes. Passages are a thousandth of that; what is beyond is not found. */
const BYTES = 900_000

const positions = Array.from({ length: MOST }, (_, i) =>
  Array.from({ length: i + 1 }, (_, n) => n + 1).join(),
)

/** The text of a `tsvector`. @param counted how often each term occurs */
export function tsvectorOf(counted: ReadonlyMap<string, number>): string {
  const lexemes: string[] = []
  let bytes = 0
  for (const [term, count] of counted) {
    // Positions and alignment count as well.
    bytes += Buffer.byteLength(term) + 4 + 2 * Math.min(count, MOST)
    if (bytes > BYTES) break
    lexemes.push(`${quoted(term)}:${positions[Math.min(count, MOST) - 1] ?? 1}`)
  }
  return lexemes.join(' ')
}

/** The text of a `tsquery`: what has any of these terms, or (`&`) all of them. */
export function tsqueryOf(terms: readonly string[], joined: '|' | '&' = '|'): string {
  return terms.map(quoted).join(joined)
}

function quoted(term: string): string {
  return `'${term.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

/**
 * In SQL: how often a `tsvector` has the one term of a `tsquery`; 0 when it does not. With equal weights `ts_rank` is
 * (1 + 1/4 + … + 1/n²) / (π²/6), of which n is the nearest whole number to what stands here, for every n up to 255.
 * (PostgreSQL: tsrank.c, calc_rank_or.) Unlike `unnest`, it looks for one lexeme and not at all of them.
 */
export function frequencySql(words: string, query: string): string {
  return `round(0.60792710185 / (1.0 - ts_rank('{1,1,1,1}', ${words}, ${query})::float8) - 0.5)`
}
