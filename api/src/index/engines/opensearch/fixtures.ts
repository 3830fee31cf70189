// For tests against a real node: an index of a test's own there, and something between the two that refuses, hangs or is
// slow where the test says so.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Logger, pino } from 'pino'
import { inject } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../../test/database.ts'
import { type ScriptedCluster, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { SEEN_READING } from '../../../ingest/reading.ts'
import { FixtureLibrary, type FixturePassage } from '../../fixtures.ts'
import type { Index, IndexFilter } from '../../port.ts'
import { type OpenSearchOptions, startOpenSearchIndex } from './opensearch.ts'

export const PATIENCE_MS = 30_000

export interface Place extends AsyncDisposable {
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly node: ScriptedCluster
  /** Of this place's index in the cluster. */
  readonly alias: string
  /** Its data, for whoever starts something else there. */
  readonly home: string
  start(log?: Logger, options?: OpenSearchOptions): Index
}

export async function place(): Promise<Place> {
  const stack = new AsyncDisposableStack()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-index-'))
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const db = stack.use(await testDatabase())
  const node = stack.use(await scriptedCluster(() => undefined, inject('opensearch')))
  const alias = new URL(db.url).pathname.slice(1)
  return {
    ...{ db, node, alias, home, library: new FixtureLibrary(db.pool) },
    start(log = pino({ enabled: false }), options = {}) {
      const index = startOpenSearchIndex(db.config(home), `${node.url}/${alias}`, log, {
        shards: 2,
        ...options,
      })
      stack.defer(() => index.close())
      return index
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** Straight to the node. */
export async function ask(method: string, at: string, body?: unknown): Promise<Record<string, unknown>> {
  const answer = await fetch(`${inject('opensearch')}${at}`, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return (await answer.json()) as Record<string, unknown>
}

export const collections = (...all: { key: number }[]): IndexFilter => ({
  kind: 'collections',
  keys: all.map(({ key }) => key),
})

export async function found(index: Index, text: string, filter: IndexFilter, limit = 200): Promise<number[]> {
  const { candidates } = await index.search({ text, vector: null, filter, limit })
  return candidates.map(({ passageId }) => passageId)
}

export function lines(): { log: Logger; text: () => string } {
  let text = ''
  return { log: pino({ level: 'info' }, { write: (line) => (text += line) }), text: () => text }
}

export const pears = (count: number): FixturePassage[] =>
  Array.from({ length: count }, (_, i) => ({ text: `pear ${i}` }))

interface Row {
  readonly passage: number
  readonly document: number
  readonly collection: number
  readonly version: string
  /** Base64; null without one. */
  readonly vector: string | null
}

/** What searches see of the tables, and of the index that the alias names: the same rows, in order of passages. */
export async function bothSides({ db, alias }: Pick<Place, 'db' | 'alias'>) {
  const { rows: tables } = await db.pool.query<Row>(
    `SELECT p.id::int AS passage, d.key AS document, c.key AS collection, v.id AS version,
       replace(encode(pv.vector, 'base64'), E'\\n', '') AS vector
     FROM documents d JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
     JOIN document_versions v ON v.id = d.current_version_id
     JOIN passages p ON p.version_id = v.id AND p.reading_id = ${SEEN_READING}
     LEFT JOIN passage_vectors pv ON pv.passage_id = p.id AND v.stage = 'searchable'
       AND pv.generation_id = (SELECT id FROM generations WHERE state = 'active')
     WHERE d.deleted_at IS NULL ORDER BY p.id`,
  )
  await ask('POST', `/${alias}/_refresh`)
  const { hits } = (await ask('POST', `/${alias}/_search`, {
    ...{ size: 10_000, sort: [{ passageId: 'asc' }], query: { exists: { field: 'passageId' } } },
  })) as unknown as { hits: { hits: { _id: string; _routing: string; _source: Record<string, unknown> }[] } }
  const index = hits.hits.map(({ _id, _routing, _source }) => ({
    ...{ passage: Number(_id), document: _source.documentKey, collection: Number(_routing) },
    ...{ version: _source.versionId, vector: _source.vector ?? null },
  }))
  return { tables, index }
}
