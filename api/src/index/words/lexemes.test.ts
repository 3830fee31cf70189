import { expect, test } from 'vitest'
import { testDatabase } from '../../../test/database.ts'
import { frequencySql, tsqueryOf, tsvectorOf } from './lexemes.ts'

test('PostgreSQL says how often a term occurs, for every number of times, and of terms of any letters', async () => {
  await using db = await testDatabase()
  const counts = Array.from({ length: 256 }, (_, n) => n)
  const terms = ['wort', '検索', "o'reilly", 'back\\slash', 'ñandú']
  for (const term of terms) {
    const { rows } = await db.pool.query<{ n: number }>(
      `SELECT ${frequencySql('t.words::tsvector', '$2::tsquery')}::int AS n
       FROM unnest($1::text[]) WITH ORDINALITY AS t(words, place) ORDER BY place`,
      [
        counts.map((count) =>
          tsvectorOf(new Map([['other', 3], ...(count === 0 ? [] : [[term, count] as const])])),
        ),
        tsqueryOf([term]),
      ],
    )
    expect(rows.map(({ n }) => n)).toEqual(counts)
  }
})

test('more often than 255 times counts as 255 times, and what is beyond a megabyte is left out', async () => {
  await using db = await testDatabase()
  const many = new Map<string, number>([['many', 10_000]])
  for (let i = 0; i < 60_000; i++) many.set(`term${i}withalongnamebehindit`, 1)
  const { rows } = await db.pool.query<{ n: number; first: boolean; last: boolean }>(
    `SELECT ${frequencySql('w', '$2::tsquery')}::int AS n, w @@ $3::tsquery AS first, w @@ $4::tsquery AS last
     FROM (SELECT $1::tsvector AS w) t`,
    [
      tsvectorOf(many),
      ...['many', 'term0withalongnamebehindit', 'term59999withalongnamebehindit'].map((t) => tsqueryOf([t])),
    ],
  )
  expect(rows).toEqual([{ n: 255, first: true, last: false }])
})
