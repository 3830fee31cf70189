// A library in PostgreSQL whose words are there, and nothing else of it: passages without text or vectors. The words are made
// up: the n-th of 60,000 is as likely as 1/n, each by itself. (Real ones keep company, within a document most of all.)
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { tsvectorOf } from '../../api/src/index/words/lexemes.ts'
import { randomNumbers } from '../search/text.ts'

const VOCABULARY = 60_000
const COLLECTIONS = 20
const PER_DOCUMENT = 200
const EPOCH = '00000000-0000-4000-8000-000000000001'

/** The n-th commonest word, from 0. The analysers leave it as it is. */
export const word = (n: number) => `w${n}`

export interface Filled {
  readonly words: number
  readonly writeSeconds: number
  readonly indexSeconds: number
  readonly analyseSeconds: number
}

/** @param words in a passage, with repetition */
export async function fillWords(databaseUrl: string, passages: number, words: number): Promise<Filled> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const seconds = async (work: () => Promise<unknown>) => {
    const began = performance.now()
    await work()
    return (performance.now() - began) / 1_000
  }
  try {
    // References hold as they are made; asking for each takes longer than writing it.
    await client.query(`SET session_replication_role = replica; SET maintenance_work_mem = '1GB'`)
    await client.query('DROP INDEX passage_words_words_idx')
    await documents(client, Math.ceil(passages / PER_DOCUMENT))
    const copy = (sql: string, rows: Iterable<string>) =>
      pipeline(Readable.from(rows), client.query(copyFrom(sql)))
    const writeSeconds = await seconds(async () => {
      await copy(
        'COPY passages (id, version_id, ordinal, page, char_start, char_end, text, tokens) FROM STDIN',
        passageRows(await versionsOf(client), passages),
      )
      await copy(
        'COPY passage_words (passage_id, word_document_id, collection_key, language, length, words) FROM STDIN',
        wordRows(passages, words),
      )
    })
    await client.query(
      `UPDATE word_documents m SET passages = n.passages, length = n.length FROM (
         SELECT word_document_id AS id, count(*) AS passages, sum(length) AS length FROM passage_words GROUP BY 1) n
       WHERE n.id = m.id`,
    )
    const indexSeconds = await seconds(() =>
      client.query('CREATE INDEX passage_words_words_idx ON passage_words USING GIN (words)'),
    )
    const analyseSeconds = await seconds(() => client.query('VACUUM ANALYZE'))
    await client.query('CHECKPOINT')
    return { words, writeSeconds, indexSeconds, analyseSeconds }
  } finally {
    await client.end()
  }
}

/** Numbers (`documents.key`, `collections.key`, `word_documents.id`) from 1, in the collections by turns. */
async function documents(client: pg.Client, count: number): Promise<void> {
  await client.query("INSERT INTO users (id, name, email) VALUES ('bench', 'Bench', 'bench@example.org')")
  await client.query(
    `INSERT INTO collections (key, name, created_by) SELECT n, 'Bench ' || n, 'bench' FROM generate_series(1, ${COLLECTIONS}) n`,
  )
  await client.query(
    `INSERT INTO documents (key, collection_id, name) SELECT n, c.id, 'document-' || n || '.txt'
     FROM generate_series(1, ${count}) n JOIN collections c ON c.key = 1 + n % ${COLLECTIONS}`,
  )
  await client.query(
    `INSERT INTO document_versions (document_id, number, filename, media_type, bytes, sha256, storage_key, stage, pages, passages)
     SELECT id, 1, 'bench.txt', 'text/plain', 1, '', '', 'searchable', 1, ${PER_DOCUMENT} FROM documents`,
  )
  await client.query(
    'UPDATE documents d SET current_version_id = v.id FROM document_versions v WHERE v.document_id = d.id',
  )
  await client.query(
    `INSERT INTO word_documents (id, document_key, collection_key, version_id, reading_id, read_at, ready, languages)
     SELECT d.key, d.key, 1 + d.key % ${COLLECTIONS}, d.current_version_id, 1, now(), true, '{en}' FROM documents d`,
  )
  await client.query(`INSERT INTO word_fill (id, epoch, seq) VALUES (1, '${EPOCH}', 0)`)
}

async function versionsOf(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(
    'SELECT current_version_id AS id FROM documents ORDER BY key',
  )
  return rows.map(({ id }) => id)
}

function* passageRows(versions: readonly string[], count: number): Generator<string> {
  for (let i = 0; i < count; i++) {
    const version = versions[Math.floor(i / PER_DOCUMENT)] ?? ''
    yield `${[i + 1, version, i % PER_DOCUMENT, 1, 0, 0, '', 1].join('\t')}\n`
  }
}

function* wordRows(count: number, words: number): Generator<string> {
  const next = zipf()
  for (let i = 0; i < count; i++) {
    const document = Math.floor(i / PER_DOCUMENT) + 1
    const counted = new Map<string, number>()
    for (let n = 0; n < words; n++) {
      const drawn = word(next())
      counted.set(drawn, (counted.get(drawn) ?? 0) + 1)
    }
    yield `${[i + 1, document, 1 + (document % COLLECTIONS), 'en', words, tsvectorOf(counted)].join('\t')}\n`
  }
}

/** Numbers of words, the n-th as likely as 1/n. */
function zipf(): () => number {
  const random = randomNumbers(4)
  const sums = new Float64Array(VOCABULARY)
  for (let n = 0, sum = 0; n < VOCABULARY; n++) sums[n] = sum += 1 / (n + 1)
  const all = sums[VOCABULARY - 1] ?? 1
  return () => {
    const drawn = random() * all
    let [low, high] = [0, VOCABULARY - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? 0) < drawn) low = middle + 1
      else high = middle
    }
    return low
  }
}
