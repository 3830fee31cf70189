// For tests against a real node: an index of a test's own there, and something between the two that refuses, hangs or is
// slow where the test says so.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Logger, pino } from 'pino'
import { inject } from 'vitest'
import { type TestDatabase, testDatabase } from '../../../../test/database.ts'
import { type ScriptedCluster, scriptedCluster } from '../../../../test/scripted-cluster.ts'
import { FixtureLibrary, type FixturePassage } from '../../fixtures.ts'
import type { Index, IndexFilter } from '../../port.ts'
import { startOpenSearchIndex } from './opensearch.ts'

export const PATIENCE_MS = 30_000

export interface Place extends AsyncDisposable {
  readonly db: TestDatabase
  readonly library: FixtureLibrary
  readonly node: ScriptedCluster
  /** Of this place's index in the cluster. */
  readonly alias: string
  /** Its data, for whoever starts something else there. */
  readonly home: string
  start(log?: Logger): Index
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
    start(log = pino({ enabled: false })) {
      const index = startOpenSearchIndex(db.config(home), `${node.url}/${alias}`, log, { shards: 2 })
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
