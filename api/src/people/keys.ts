// API keys: how a program asks in a person's name. A key is shown once and stored as its hash by better-auth's plugin;
// it says what it is good for, and may be limited to collections. What it opens is asked again with every request:
// it never gives more than its person has at that moment, and ends with that person.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { LIMITS } from '../../../contract/limits.ts'
import { KEY_SCOPES, type KeyScope } from '../../../contract/stages.ts'
import { visibleCollections } from '../access/collections.ts'
import type { Viewer } from '../access/port.ts'
import { BRIEF_MS, type Pool, type Queryable, transaction, within } from '../database/pool.ts'
import { AppError } from '../errors.ts'
import { type Auth, KEY_LENGTH, KEY_PREFIX } from './auth.ts'
import { announceSessionChange } from './revoke.ts'
import type { Sessions } from './sessions.ts'

/** What a request with a key may do. */
export interface KeyGrant {
  readonly keyId: string
  /** Whose key it is, as they are now. */
  readonly viewer: Viewer
  readonly scopes: readonly KeyScope[]
  /** The only collections that it is good for; null: all that its person may see. */
  readonly collectionIds: readonly string[] | null
}

export interface ListedKey {
  readonly id: string
  readonly name: string
  /** Its first characters. */
  readonly start: string
  readonly scopes: readonly KeyScope[]
  readonly collectionIds: readonly string[] | null
  readonly createdAt: Date
  /** To the minute; null when it was never used. */
  readonly usedAt: Date | null
  /** Null: it does not expire. One that has expired may be listed still. */
  readonly expiresAt: Date | null
}

export interface KeyRequest {
  readonly name: string
  /** At least one. */
  readonly scopes: readonly KeyScope[]
  /** Left out: no limit. */
  readonly collectionIds?: readonly string[] | undefined
  /** Left out: it does not expire. 1 to 365. */
  readonly expiresInDays?: number | undefined
}

/** A type and not an interface: the plugin takes any record of lists. */
type Permissions = { doors: KeyScope[]; collections?: string[] }

const permissionsText = z.string().transform((text, context): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    context.addIssue('not JSON')
    return z.NEVER
  }
})
const storedPermissions = permissionsText.pipe(
  z.object({ doors: z.array(z.enum(KEY_SCOPES)), collections: z.array(z.string()).optional() }),
)

const WELL_FORMED = new RegExp(`^${KEY_PREFIX}[A-Za-z]{${KEY_LENGTH}}$`)
const USED_TO_THE = '1 minute'

interface KeyRow {
  id: string
  permissions: string | null
  userId: string
  name: string
  email: string
  role: string | null
}

/** As better-auth's plugin stores it. */
function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('base64url')
}

/**
 * Who a key speaks for. Asked of the database by us, as sessions are: the plugin's own answer can't be told from "wrong
 * key" when the database is away.
 * @returns null for a key that is wrong, expired or revoked, or whose person may not use the installation
 */
export async function findKey(db: Queryable, key: string): Promise<KeyGrant | null> {
  if (!WELL_FORMED.test(key)) return null
  const { rows } = await db.query<KeyRow>(
    within(BRIEF_MS, {
      name: 'api-key',
      text: `WITH used AS (
               UPDATE api_keys SET last_request = now()
               WHERE key = $1 AND (last_request IS NULL OR last_request < now() - interval '${USED_TO_THE}'))
             SELECT k.id, k.permissions, k.user_id AS "userId", u.name, u.email, u.role
             FROM api_keys k JOIN users u ON u.id = k.user_id
             WHERE k.key = $1 AND ${WORKS}`,
      values: [hashOf(key)],
    }),
  )
  const row = rows[0]
  const permissions = storedPermissions.safeParse(row?.permissions)
  if (row === undefined || !permissions.success) return null
  const { userId, name, email } = row
  return {
    keyId: row.id,
    // No session asks: nothing that is done for a key needs one.
    viewer: { userId, sessionId: '', name, email, role: row.role === 'owner' ? 'owner' : 'member' },
    scopes: permissions.data.doors,
    collectionIds: permissions.data.collections ?? null,
  }
}

const WORKS = `coalesce(k.enabled, true) AND coalesce(k.expires_at, 'infinity') > now()
  AND NOT (coalesce(u.banned, false) AND coalesce(u.ban_expires, 'infinity') > now())`

/** Those of them that still work. */
export async function workingKeys(db: Queryable, keyIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await db.query<{ id: string }>({
    name: 'working-api-keys',
    text: `SELECT k.id FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.id = ANY($1::text[]) AND ${WORKS}`,
    values: [keyIds],
  })
  return new Set(rows.map(({ id }) => id))
}

/**
 * A new key of the viewer's.
 * @returns the key itself too: it can't be shown again
 * @throws AppError NOT_FOUND when a collection is none that the viewer may see, TOO_MANY_KEYS
 */
export async function makeKey(
  { pool, auth }: { readonly pool: Pool; readonly auth: Auth },
  viewer: Viewer,
  request: KeyRequest,
): Promise<{ readonly id: string; readonly key: string }> {
  const tooMany = () => new AppError('TOO_MANY_KEYS', { limit: LIMITS.apiKeysPerPerson })
  if ((await countKeys(pool, viewer)) >= LIMITS.apiKeysPerPerson) throw tooMany()
  if (request.collectionIds !== undefined) {
    const visible = new Set((await visibleCollections(pool, viewer)).map(({ id }) => id))
    if (!request.collectionIds.every((id) => visible.has(id))) throw new AppError('NOT_FOUND')
  }
  const permissions: Permissions = {
    doors: [...request.scopes],
    ...(request.collectionIds === undefined ? {} : { collections: [...request.collectionIds] }),
  }
  const { id, key } = await auth.api.createApiKey({
    body: {
      userId: viewer.userId,
      name: request.name,
      permissions,
      ...(request.expiresInDays === undefined ? {} : { expiresIn: request.expiresInDays * 24 * 3600 }),
    },
  })
  // The plugin inserts on a connection of its own, so the count above holds nobody back who comes at the same time. One
  // after the other they count again, and whoever finds too many takes away what nobody has seen yet.
  const kept = await transaction(pool, async (client) => {
    await client.query('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [viewer.userId])
    if ((await countKeys(client, viewer)) <= LIMITS.apiKeysPerPerson) return true
    await client.query('DELETE FROM api_keys WHERE id = $1', [id])
    return false
  })
  if (!kept) throw tooMany()
  return { id, key }
}

async function countKeys(db: Queryable, { userId }: Viewer): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM api_keys WHERE user_id = $1',
    [userId],
  )
  return rows[0]?.count ?? 0
}

/** The viewer's own, newest first. */
export async function listKeys({ pool }: { readonly pool: Queryable }, viewer: Viewer): Promise<ListedKey[]> {
  const { rows } = await pool.query<
    Omit<ListedKey, 'scopes' | 'collectionIds'> & { permissions: string | null }
  >(
    `SELECT id, coalesce(name, '') AS name, coalesce(start, '') AS start, permissions,
       created_at AS "createdAt", last_request AS "usedAt", expires_at AS "expiresAt"
     FROM api_keys WHERE user_id = $1 ORDER BY created_at DESC, id`,
    [viewer.userId],
  )
  return rows.map(({ permissions, ...key }) => {
    const { data } = storedPermissions.safeParse(permissions)
    return { ...key, scopes: data?.doors ?? [], collectionIds: data?.collections ?? null }
  })
}

export interface RevokeDependencies {
  readonly pool: Pool
  readonly sessions: Pick<Sessions, 'drop'>
}

/** Ends one of the viewer's keys, with what it has under way on any server. @throws AppError NOT_FOUND */
export async function revokeKey(deps: RevokeDependencies, viewer: Viewer, id: string): Promise<void> {
  await end(deps, viewer.userId, async (client) => {
    const { rowCount } = await client.query('DELETE FROM api_keys WHERE id = $1 AND user_id = $2', [
      id,
      viewer.userId,
    ])
    if (rowCount === 0) throw new AppError('NOT_FOUND')
  })
}

/** Ends all keys of a person. The caller has checked that the viewer is an owner of the installation. */
export async function revokeKeysOf(deps: RevokeDependencies, userId: string): Promise<{ revoked: number }> {
  return end(deps, userId, async (client) => {
    const { rowCount } = await client.query('DELETE FROM api_keys WHERE user_id = $1', [userId])
    return { revoked: rowCount ?? 0 }
  })
}

/** Announced as the end of a session is: servers look again at what this person's keys have under way (doors/). */
async function end<T>(
  { pool, sessions }: RevokeDependencies,
  userId: string,
  work: (client: Queryable) => Promise<T>,
): Promise<T> {
  const result = await transaction(pool, async (client) => {
    const done = await work(client)
    await announceSessionChange(client, userId)
    return done
  })
  sessions.drop(userId)
  return result
}
