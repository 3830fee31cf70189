// Collections as an OpenAI client sees them: each is a "model", `terrace/<name>`, and `terrace/all` is all of them.
// What the key's person may not see, or the key is not good for, is as if it were not there.
import { VISIBLE_COLLECTIONS_SQL } from '../access/collections.ts'
import type { Queryable } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import type { KeyGrant } from '../people/keys.ts'

export interface AskableCollection {
  readonly id: string
  readonly name: string
  readonly createdAt: Date
}

const PREFIX = 'terrace/'
const ALL = 'all'
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The shared collections that a key is good for now, oldest first. */
export async function askableCollections(db: Queryable, grant: KeyGrant): Promise<AskableCollection[]> {
  const { rows } = await db.query<AskableCollection>({
    name: 'askable-collections',
    text: `SELECT id, name, created_at AS "createdAt" FROM collections
           WHERE kind = 'shared' AND id IN ${VISIBLE_COLLECTIONS_SQL}
             AND ($2::text[] IS NULL OR id::text = ANY($2)) ORDER BY key`,
    values: [grant.viewer.userId, grant.collectionIds],
  })
  return rows
}

/** Names by which a client may ask for one collection, `terrace/all` first. One that is not the only one of its name goes by its id. */
export function modelsOf(collections: readonly AskableCollection[]): { id: string; created: number }[] {
  const seconds = (date: Date) => Math.floor(date.getTime() / 1000)
  const first = collections[0]
  if (first === undefined) return []
  const slugs = collections.map(({ name }) => slugOf(name))
  return [
    { id: PREFIX + ALL, created: seconds(first.createdAt) },
    ...collections.map(({ id, createdAt }, i) => {
      const slug = slugs[i]
      const only = slug != null && slugs.filter((other) => other === slug).length === 1
      return { id: PREFIX + (only ? slug : id), created: seconds(createdAt) }
    }),
  ]
}

/**
 * Ids of the collections that a "model" stands for.
 * @throws AppError NOT_FOUND, INVALID_INPUT for a name of several, NOTHING_TO_SEARCH for `terrace/all` of nothing
 */
export function collectionsOf(collections: readonly AskableCollection[], model: string): string[] {
  if (!model.startsWith(PREFIX)) throw new AppError('NOT_FOUND', { param: 'model' })
  const wanted = model.slice(PREFIX.length)
  if (wanted === ALL) {
    if (collections.length === 0) throw new AppError('NOTHING_TO_SEARCH')
    return collections.map(({ id }) => id)
  }
  const found = collections.filter(({ id, name }) => id === wanted || slugOf(name) === wanted)
  if (found.length > 1)
    throw new AppError('INVALID_INPUT', {
      reason: 'several of your collections have this name; take the id that the list of models gives',
      param: 'model',
    })
  const [only] = found
  if (only === undefined) throw new AppError('NOT_FOUND', { param: 'model' })
  return [only.id]
}

/** Letters and digits of any writing, joined by hyphens; null where nothing is left that could not be taken for another. */
function slugOf(name: string): string | null {
  const slug = name
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '')
  return slug === '' || slug === ALL || UUID.test(slug) ? null : slug
}
