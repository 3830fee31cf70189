import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { AppError } from '../errors.ts'
import {
  collectionRole,
  requireChat,
  requireCollection,
  requireDocument,
  VISIBLE_COLLECTIONS_SQL,
  visibleCollections,
} from './collections.ts'
import type { Viewer } from './port.ts'

async function code(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'none'
  } catch (error) {
    return error instanceof AppError ? error.code : String(error)
  }
}

describe('access', () => {
  let db: TestDatabase
  beforeAll(async () => {
    db = await testDatabase()
    await db.pool.query("INSERT INTO organizations (id, name, slug) VALUES ('o', 'O', 'o')")
    await db.pool.query("INSERT INTO teams (id, name, organization_id) VALUES ('team', 'Team', 'o')")
  })
  afterAll(() => db[Symbol.asyncDispose]())

  async function person(): Promise<Viewer> {
    const userId = randomUUID()
    await db.pool.query('INSERT INTO users (id, name, email) VALUES ($1, $1, $1)', [userId])
    return { userId, sessionId: 's', name: userId, email: userId, role: 'member' }
  }

  async function insert(sql: string, values: unknown[] = []): Promise<string> {
    const { rows } = await db.pool.query<{ id: string }>(`${sql} RETURNING id`, values)
    return rows[0]?.id ?? ''
  }

  const collection = () => insert("INSERT INTO collections (name) VALUES ('C')")
  const member = (id: string, { userId }: Viewer, role: string) =>
    db.pool.query('INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, $3)', [
      id,
      userId,
      role,
    ])
  const team = async (id: string, viewer: Viewer, role: string) => {
    await db.pool.query(
      'INSERT INTO team_members (id, team_id, user_id) VALUES ($1, $2, $1) ON CONFLICT DO NOTHING',
      [viewer.userId, 'team'],
    )
    await db.pool.query('INSERT INTO collection_teams (collection_id, team_id, role) VALUES ($1, $2, $3)', [
      id,
      'team',
      role,
    ])
  }

  test('the strongest of person and team grants counts', async () => {
    const viewer = await person()
    const id = await collection()
    expect(await collectionRole(db.pool, viewer, id)).toBeNull()
    await member(id, viewer, 'viewer')
    expect(await collectionRole(db.pool, viewer, id)).toBe('viewer')
    await team(id, viewer, 'editor')
    expect(await collectionRole(db.pool, viewer, id)).toBe('editor')
    await db.pool.query("UPDATE collection_members SET role = 'owner' WHERE collection_id = $1", [id])
    expect(await collectionRole(db.pool, viewer, id)).toBe('owner')
  })

  test('what is invisible and what does not exist are the same; a weak role is told', async () => {
    const viewer = await person()
    const other = await person()
    const id = await collection()
    await member(id, other, 'owner')
    for (const missing of [id, randomUUID(), 'no uuid', "'; DROP TABLE users; --", ''])
      expect(await code(requireCollection(db.pool, viewer, missing, 'viewer'))).toBe('NOT_FOUND')
    await member(id, viewer, 'viewer')
    expect(await code(requireCollection(db.pool, viewer, id, 'editor'))).toBe('FORBIDDEN')
    expect(await requireCollection(db.pool, viewer, id, 'viewer')).toMatchObject({ id, role: 'viewer' })
    await db.pool.query('UPDATE collections SET deleted_at = now() WHERE id = $1', [id])
    expect(await code(requireCollection(db.pool, other, id, 'viewer'))).toBe('NOT_FOUND')
  })

  test('the list and the SQL fragment agree, for persons and teams, without deleted ones', async () => {
    const viewer = await person()
    const [direct, shared, deleted, foreign] = [
      await collection(),
      await collection(),
      await collection(),
      await collection(),
    ]
    await member(direct, viewer, 'owner')
    await team(shared, viewer, 'viewer')
    await member(deleted, viewer, 'owner')
    await db.pool.query('UPDATE collections SET deleted_at = now() WHERE id = $1', [deleted])
    const listed = (await visibleCollections(db.pool, viewer)).map((grant) => grant.id)
    const { rows } = await db.pool.query<{ id: string }>(
      `SELECT id FROM collections WHERE id IN ${VISIBLE_COLLECTIONS_SQL}`,
      [viewer.userId],
    )
    for (const ids of [listed, rows.map((row) => row.id)]) {
      expect(ids).toContain(direct)
      expect(ids).toContain(shared)
      expect(ids).not.toContain(deleted)
      expect(ids).not.toContain(foreign)
    }
  })

  test('a document is as visible as its collection, and gone when it or the collection is deleted', async () => {
    const viewer = await person()
    const id = await collection()
    const documentId = await insert("INSERT INTO documents (collection_id, name) VALUES ($1, 'D')", [id])
    const need = (role: 'viewer' | 'editor') => code(requireDocument(db.pool, viewer, documentId, role))
    expect(await need('viewer')).toBe('NOT_FOUND')
    await member(id, viewer, 'viewer')
    expect(await requireDocument(db.pool, viewer, documentId, 'viewer')).toMatchObject({
      id: documentId,
      collectionId: id,
      currentVersionId: null,
      role: 'viewer',
    })
    expect(await need('editor')).toBe('FORBIDDEN')
    await db.pool.query('UPDATE documents SET deleted_at = now() WHERE id = $1', [documentId])
    expect(await need('viewer')).toBe('NOT_FOUND')
    await db.pool.query('UPDATE documents SET deleted_at = NULL WHERE id = $1', [documentId])
    await db.pool.query('UPDATE collections SET deleted_at = now() WHERE id = $1', [id])
    expect(await need('viewer')).toBe('NOT_FOUND')
    expect(await code(requireDocument(db.pool, viewer, 'x', 'viewer'))).toBe('NOT_FOUND')
  })

  test('a chat is its person’s alone', async () => {
    const viewer = await person()
    const other = await person()
    const id = await insert("INSERT INTO chats (user_id, title) VALUES ($1, 'T')", [viewer.userId])
    expect(await requireChat(db.pool, viewer, id)).toMatchObject({ id, title: 'T', ownCollectionId: null })
    for (const [who, chat] of [
      [other, id],
      [{ ...other, role: 'owner' as const }, id],
      [viewer, randomUUID()],
      [viewer, 'x'],
    ] as const)
      expect(await code(requireChat(db.pool, who, chat))).toBe('NOT_FOUND')
    await db.pool.query('UPDATE chats SET deleted_at = now() WHERE id = $1', [id])
    expect(await code(requireChat(db.pool, viewer, id))).toBe('NOT_FOUND')
  })
})
