// For tests of what a search finds beyond what its index has: a search model that knows one question, and somebody's
// collection that another may read.
import type { TestDatabase } from '../../test/database.ts'
import type { Person } from '../../test/server.ts'
import { DIMENSIONS, type FixtureLibrary, unit } from '../index/fixtures.ts'
import type { Embedder, EmbedderIdentity } from '../models/port.ts'

export const IDENTITY: EmbedderIdentity = {
  ...{ model: 'fixture', sha256: '', pooling: 'cls', queryPrefix: '' },
  ...{ dimensions: DIMENSIONS, maxTokens: 512 },
}

/** Every question has the same vector, near (0, 1). */
export const embedder: Embedder = {
  identity: IDENTITY,
  embed: async () => unit([0.2, 1]),
  window: 4,
  ready: async () => {},
  close: async () => {},
}

export async function sharedCollection(
  db: TestDatabase,
  library: FixtureLibrary,
  { owner, viewer }: { readonly owner: Person; readonly viewer: Person },
): Promise<{ id: string; key: number }> {
  const collection = await library.collection({ owner: owner.viewer.userId })
  await db.pool.query(
    "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'viewer')",
    [collection.id, viewer.viewer.userId],
  )
  return collection
}
