// For tests: a library whose vectors come from scripted endpoints, `old` the active one, `new` one to be built. Of `new`,
// questions are the opposite of what they ask for: its best passages are the other's worst.
import { pino } from 'pino'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type ScriptedEmbeddings, startScriptedEmbeddings } from '../../test/scripted-embeddings.ts'
import type { Viewer } from '../access/port.ts'
import { FixtureLibrary } from '../index/fixtures.ts'
import { embedVersion } from '../ingest/embed.ts'
import { keepReading } from '../ingest/publish.ts'
import type { ReadAgain } from '../ingest/read-again.ts'
import { createEmbedders, type Embedders } from '../models/embedders.ts'
import { activeGeneration } from '../models/generation.ts'
import type { Embedder } from '../models/port.ts'
import { type Fill, startFill } from './fill.ts'
import { type ListedGeneration, listGenerations } from './generations.ts'

export const READER: Viewer = {
  ...{ userId: 'reader', sessionId: 's', name: 'Reader', email: 'reader@example.org', role: 'member' },
}

/** Lets READER see the fixture's collection. */
export async function addReader({ db, collection }: GenerationsFixture): Promise<void> {
  await db.pool.query("INSERT INTO users (id, name, email, email_verified) VALUES ($1, 'R', $2, true)", [
    READER.userId,
    READER.email,
  ])
  await db.pool.query(
    "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'viewer')",
    [collection.id, READER.userId],
  )
}

export interface FixtureVersionIds {
  readonly documentId: string
  readonly versionId: string
  readonly passageIds: readonly number[]
}

export interface GenerationsFixture extends AsyncDisposable {
  readonly db: TestDatabase
  /** EMBEDDERS */
  readonly embeddersJson: string
  readonly embedders: Embedders
  /** Their endpoints, each of its own server. */
  readonly ends: { readonly old: ScriptedEmbeddings; readonly new: ScriptedEmbeddings }
  readonly library: FixtureLibrary
  readonly collection: { id: string; key: number }
  readonly oldId: number
  readonly deps: {
    readonly pool: TestDatabase['pool']
    readonly embedders: Embedders
    readonly log: pino.Logger
    readAgain: ReadAgain
  }
  /** What `deps.readAgain` is unless a test puts another in its place. */
  readonly readAgain: ReadAgain
  /** Published by words, without an embed job. */
  words(texts: readonly string[], documentId?: string, readingId?: number): Promise<FixtureVersionIds>
  embed(versionId: string): Promise<void>
  /** Searchable by meaning. */
  add(texts: readonly string[]): Promise<FixtureVersionIds>
  delete(documentId: string): Promise<void>
  startFill(): Fill
  generation(id: number): Promise<ListedGeneration | undefined>
  /** Passages that searches see by meaning and that lack a vector of this one. */
  missing(id: number): Promise<number>
  vectors(id: number): Promise<number>
  state(id: number): Promise<string | undefined>
}

const log = pino({ enabled: false })
const ENDPOINT = { type: 'openai-compatible', dimensions: 64, batch: 8 }

/** @param more fields of EMBEDDERS, for each */
export async function generationsFixture(owner?: string, more: object = {}): Promise<GenerationsFixture> {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const ends = {
    old: stack.use(await startScriptedEmbeddings()),
    new: stack.use(await startScriptedEmbeddings()),
  }
  const endpoint = { ...ENDPOINT, ...more }
  const embeddersJson = JSON.stringify([
    { ...endpoint, id: 'old', name: 'Old', url: ends.old.url, model: 'scripted-old' },
    {
      ...{ ...endpoint, id: 'new', name: 'New', url: ends.new.url },
      ...{ model: 'scripted-new?mirror=query: ', queryPrefix: 'query: ' },
    },
    { ...endpoint, id: 'third', name: 'Third', url: ends.new.url, model: 'scripted-third' },
  ])
  const config = { embedders: embeddersJson, modelDir: '/nowhere' }
  const embedders = await createEmbedders(config, { threads: 1, log })
  stack.defer(() => embedders.close())
  const readAgain = scriptedReading(db.pool)
  const deps = { pool: db.pool, embedders, log, readAgain }
  const oldId = (await activeGeneration(db.pool, embedders))?.id ?? 0
  const library = new FixtureLibrary(db.pool, embedders.offered[0]?.digest ?? '')
  const collection = await library.collection(owner === undefined ? {} : { owner })
  const fills: Fill[] = []
  stack.defer(async () => void (await Promise.all(fills.map((fill) => fill.stop()))))
  const documents = new Map<string, Awaited<ReturnType<FixtureLibrary['document']>>>()
  const kept = stack.move()
  const fixture: GenerationsFixture = {
    ...{ db, embeddersJson, embedders, ends, library, collection, oldId, deps, readAgain },
    async words(texts, documentId, readingId) {
      const document = documents.get(documentId ?? '') ?? (await library.document(collection))
      documents.set(document.id, document)
      const { versionId, passageIds } = await library.publishWords(
        document,
        texts.map((text) => ({ text })),
        ...[undefined, undefined, readingId],
      )
      await db.pool.query('UPDATE document_versions SET passages = $2, updated_at = now() WHERE id = $1', [
        versionId,
        texts.length,
      ])
      return { documentId: document.id, versionId, passageIds }
    },
    async embed(versionId) {
      const turns = { share: (embedder: Embedder) => embedder, othersWait: async () => false }
      await embedVersion({ ...deps, ...turns }, versionId, new AbortController().signal)
    },
    async add(texts) {
      const added = await fixture.words(texts)
      await fixture.embed(added.versionId)
      return added
    },
    async delete(documentId) {
      const document = documents.get(documentId)
      if (document === undefined) throw new Error('no such document')
      await library.retract(document)
      await library.purge(document)
    },
    startFill() {
      const fill = startFill(deps)
      fills.push(fill)
      return fill
    },
    async generation(id) {
      const index = { status: () => ({ generation: null }) as never }
      const { generations } = await listGenerations({
        pool: db.pool,
        embedders,
        index,
        viewer: READER,
      })
      return generations.find((each) => each.id === id)
    },
    async missing(id) {
      const { rows } = await db.pool.query<{ n: number }>(
        `SELECT count(*)::int AS n FROM passages p JOIN document_versions v ON v.id = p.version_id
         JOIN documents d ON d.current_version_id = v.id AND d.deleted_at IS NULL
         WHERE v.stage = 'searchable' AND p.reading_id = (SELECT reading_id FROM generations WHERE id = $1)
           AND NOT EXISTS (SELECT 1 FROM passage_vectors x WHERE x.passage_id = p.id AND x.generation_id = $1)`,
        [id],
      )
      return rows[0]?.n ?? -1
    },
    async vectors(id) {
      const { rows } = await db.pool.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM passage_vectors WHERE generation_id = $1',
        [id],
      )
      return rows[0]?.n ?? -1
    },
    async state(id) {
      const { rows } = await db.pool.query<{ state: string }>('SELECT state FROM generations WHERE id = $1', [
        id,
      ])
      return rows[0]?.state
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
  return fixture
}

/**
 * Instead of a parser: what a version has by the reading that it has becomes one page; passages of 120 tokens are a word
 * each, longer ones all of it.
 */
function scriptedReading(pool: TestDatabase['pool']): ReadAgain {
  return async (versionId, reading) => {
    const { rows } = await pool.query<{ text: string }>(
      `SELECT text FROM passages WHERE version_id = $1
         AND reading_id = (SELECT min(reading_id) FROM passages WHERE version_id = $1) ORDER BY ordinal`,
      [versionId],
    )
    const text = rows.map((row) => row.text).join(' ')
    const ranges =
      reading.passageTokens !== 120
        ? [{ start: 0, end: text.length }]
        : Array.from(text.matchAll(/\S+/g), ({ index, 0: word }) => ({
            start: index,
            end: index + word.length,
          }))
    const passages = ranges.map((range) => ({ ...range, tokens: 1, heading: '' }))
    const page = { number: 1, text, layout: null, passages }
    const result = { kind: 'text', pages: 1, passages: passages.length, tokens: 1, language: 'en' } as const
    return (await keepReading(pool, versionId, reading.id, [page], result)) !== 'gone'
  }
}

/** Texts of a few words each, no two the same. */
export const texts = (count: number, name: string): string[] =>
  Array.from({ length: count }, (_, i) => `${name} ${i} ${['gate', 'lamp', 'river', 'stone'][i % 4]}`)
