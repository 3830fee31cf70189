// The same library, in the embedded engine and in OpenSearch: the same answers, score by score.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pino } from 'pino'
import { afterAll, expect, inject, test } from 'vitest'
import { testDatabase } from '../../../../test/database.ts'
import { FixtureLibrary, type FixturePassage, unit } from '../../fixtures.ts'
import type { Candidate, Index, IndexQuery, SearchMethod } from '../../port.ts'
import { startEmbeddedIndex } from '../embedded.ts'
import { startOpenSearchIndex } from './opensearch.ts'

const home = mkdtempSync(path.join(tmpdir(), 'terrace-index-'))
afterAll(() => rmSync(home, { recursive: true, force: true }))

const WORDS: Readonly<Record<string, readonly string[]>> = {
  en: ['running', 'runs', 'house', 'houses', 'garden', 'the', 'water', 'terrace', 'stones', 'bridge'],
  de: ['Häuser', 'Haus', 'laufen', 'gelaufen', 'Garten', 'die', 'Wasser', 'Terrasse', 'Brücke', 'garden'],
  ja: ['東京都の図書館', '庭に水をまく', '石の橋を渡る'],
}

/** The same numbers in every run. */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

function some(random: () => number, language: string, count: number): string {
  const words = WORDS[language] ?? []
  return Array.from({ length: count }, () => words[Math.floor(random() * words.length)] ?? '').join(' ')
}

test('answers are the embedded engine’s, in every way of asking', async () => {
  await using db = await testDatabase()
  const library = new FixtureLibrary(db.pool)
  const random = numbers(7)
  const direction = () => Array.from({ length: 8 }, () => random() - 0.5)
  const passage = (language: string, embedded: boolean): FixturePassage => ({
    ...{ language, text: some(random, language, 1 + Math.floor(random() * 90)) },
    heading: some(random, language, 2),
    ...(embedded ? { vector: direction() } : {}),
  })
  const kept = [await library.collection(), await library.collection()]
  const gone = await library.collection()
  for (let i = 0; i < 24; i++) {
    const collection = i % 6 === 5 ? gone : (kept[i % 2] ?? gone)
    const document = await library.document(collection)
    const language = ['en', 'de', 'en', 'ja'][i % 4] ?? 'en'
    const write = () => Array.from({ length: 8 }, () => passage(language, i % 5 !== 0))
    await library.publish(document, write())
    // A new version of some, so that there is something deleted that statistics must not count.
    if (i % 3 === 0) await library.publish(document, write())
    if (i % 8 === 7) await library.retract(document)
  }
  const position = await library.retractCollection(gone)
  const log = pino({ enabled: false })
  await using stack = new AsyncDisposableStack()
  const embedded = await startEmbeddedIndex(db.config(home), log, { engine: 'exact' })
  stack.defer(() => embedded.close())
  const url = `${inject('opensearch')}${new URL(db.url).pathname}`
  const cluster = startOpenSearchIndex(db.config(home), url, log)
  stack.defer(() => cluster.close())
  for (const index of [embedded, cluster]) await index.waitFor(position, 60_000)

  const status = ({ passages, vectors, generation }: ReturnType<Index['status']>) => [
    passages,
    vectors,
    generation,
  ]
  expect(status(cluster.status())).toEqual(status(embedded.status()))
  const filters = [kept, kept.slice(0, 1)].map((list) => ({
    kind: 'collections' as const,
    keys: list.map(({ key }) => key),
  }))
  const methods: SearchMethod[] = ['fused', 'words', 'meaning']
  for (let i = 0; i < 60; i++) {
    const language = ['en', 'de', 'ja'][i % 3] ?? 'en'
    const query: IndexQuery = {
      text: `${some(random, language, 3)} unheard`,
      vector: i % 7 === 0 ? null : unit(direction()),
      filter: filters[i % 2] ?? { kind: 'collections', keys: [] },
      limit: 8,
      method: methods[i % 4] ?? 'fused',
      ...(i % 5 === 0 ? { previous: some(random, 'de', 4) } : {}),
      ...(i % 6 === 0
        ? {
            extra: [
              {
                id: 9_000_000,
                language,
                heading: '',
                text: some(random, language, 9),
                vector: unit(direction()),
              },
            ],
          }
        : {}),
    }
    const [ours, theirs] = [await cluster.search(query), await embedded.search(query)]
    expect(ours.candidates, JSON.stringify(query)).toEqual(theirs.candidates.map(nearly))
    expect(ours.position).toEqual(theirs.position)
  }
})

/** The embedded engine adds words up in single precision; cosines are the same to the last bit. */
function nearly({ score, words, ...same }: Candidate): unknown {
  return { ...same, score: expect.closeTo(score, 5), words: expect.closeTo(words, 5) }
}
