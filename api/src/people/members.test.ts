import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { code, cookieOf, me, PASSWORD, signIn, TOKEN } from '../../test/people.ts'
import { type TestServer, testServer } from '../../test/server.ts'
import { startJobs } from '../jobs/jobs.ts'
import { createLog } from '../log.ts'
import { removePerson, setRole } from './members.ts'

describe('members', () => {
  let db: TestDatabase
  let server: TestServer
  beforeAll(async () => {
    db = await testDatabase()
    server = await testServer(db)
    await server.anonymous.api.setup.createOwner.mutate({
      token: TOKEN,
      name: 'Ada',
      email: 'ada@example.org',
      password: PASSWORD,
    })
  })
  afterAll(async () => {
    await server[Symbol.asyncDispose]()
    await db[Symbol.asyncDispose]()
  })

  test('an invitation works once, for one of those who race for it', async () => {
    const owner = await server.person({ name: 'Grace', role: 'owner' })
    const { id, link, expiresAt } = await owner.api.people.invite.mutate({
      email: 'Ben@example.org',
      role: 'member',
    })
    expect(link).toBe(`http://localhost:3000/invite/${id}`)
    expect(id.length).toBeGreaterThanOrEqual(32)
    expect(Math.round((expiresAt.getTime() - Date.now()) / 3_600_000)).toBe(168)
    expect(await server.anonymous.api.people.invitation.query({ id })).toEqual({
      email: 'ben@example.org',
      invitedBy: 'Grace',
    })
    const accept = () =>
      code(server.anonymous.api.people.acceptInvitation.mutate({ id, name: 'Ben', password: PASSWORD }))
    const codes = await Promise.all(Array.from({ length: 6 }, accept))
    expect(codes.filter((c) => c === 'none')).toHaveLength(1)
    expect(codes.filter((c) => c === 'INVITATION_INVALID')).toHaveLength(5)
    expect(await code(server.anonymous.api.people.invitation.query({ id }))).toBe('INVITATION_INVALID')
    expect(await me(server, cookieOf(await signIn(server, 'ben@example.org', PASSWORD)))).toMatchObject({
      name: 'Ben',
      role: 'member',
    })
    expect(await code(owner.api.people.invite.mutate({ email: 'ben@example.org', role: 'member' }))).toBe(
      'EMAIL_TAKEN',
    )
  })

  test('expired, replaced and revoked invitations do nothing', async () => {
    const owner = await server.person({ role: 'owner' })
    const email = 'carl@example.org'
    const invite = () => owner.api.people.invite.mutate({ email, role: 'member' as const })
    const accept = (id: string) =>
      code(server.anonymous.api.people.acceptInvitation.mutate({ id, name: 'Carl', password: PASSWORD }))
    const replaced = await invite()
    const expired = await invite()
    expect(await accept(replaced.id)).toBe('INVITATION_INVALID')
    await db.pool.query('UPDATE invitations SET expires_at = now() WHERE id = $1', [expired.id])
    expect(await accept(expired.id)).toBe('INVITATION_INVALID')
    const revoked = await invite()
    expect((await owner.api.people.invitations.query()).filter((i) => i.email === email)).toHaveLength(1)
    await owner.api.people.revokeInvitation.mutate({ id: revoked.id })
    expect(await accept(revoked.id)).toBe('INVITATION_INVALID')
    expect(await code(owner.api.people.revokeInvitation.mutate({ id: revoked.id }))).toBe('NOT_FOUND')
    expect(await accept('')).toBe('INVITATION_INVALID')
    expect((await db.pool.query('SELECT 1 FROM users WHERE email = $1', [email])).rowCount).toBe(0)
  })

  test('a changed role and a removal count with the next request, although sessions are cached', async () => {
    const owner = await server.person({ role: 'owner' })
    const person = await server.person()
    expect(await code(person.api.people.invitations.query())).toBe('FORBIDDEN')
    await owner.api.people.setRole.mutate({ userId: person.viewer.userId, role: 'owner' })
    expect(await code(person.api.people.invitations.query())).toBe('none')
    await person.api.people.updateMe.mutate({ name: 'New name' })
    expect(await person.api.people.me.query()).toMatchObject({ name: 'New name', role: 'owner' })
    await owner.api.people.remove.mutate({ userId: person.viewer.userId })
    expect(await code(person.api.people.list.query())).toBe('SIGN_IN_REQUIRED')
    expect(await code(owner.api.people.remove.mutate({ userId: person.viewer.userId }))).toBe('NOT_FOUND')
  })

  test('e-mail addresses are shown to owners and to oneself only', async () => {
    const person = await server.person()
    const list = await person.api.people.list.query()
    expect(list.filter((p) => p.email !== null).map((p) => p.id)).toEqual([person.viewer.userId])
    const owner = await server.person({ role: 'owner' })
    expect((await owner.api.people.list.query()).every((p) => p.email !== null)).toBe(true)
  })

  test('an owner who is demoted has no way back: neither by invitations as owner nor by requests under way', async () => {
    const [ada, eve] = [await server.person({ role: 'owner' }), await server.person({ role: 'owner' })]
    const invite = (email: string, role: 'owner' | 'member') => eve.api.people.invite.mutate({ email, role })
    const accept = ({ id }: { id: string }) =>
      code(server.anonymous.api.people.acceptInvitation.mutate({ id, name: 'Eve', password: PASSWORD }))
    const before = await invite('eve0@example.org', 'owner')
    const asOwner = await invite('eve1@example.org', 'owner')
    const asMember = await invite('eve2@example.org', 'member')
    expect(await accept(before)).toBe('none')
    await ada.api.people.setRole.mutate({ userId: eve.viewer.userId, role: 'member' })
    expect(await code(server.anonymous.api.people.invitation.query({ id: asOwner.id }))).toBe(
      'INVITATION_INVALID',
    )
    expect(await accept(asOwner)).toBe('INVITATION_INVALID')
    expect((await ada.api.people.invitations.query()).map(({ id }) => id)).not.toContain(asOwner.id)
    expect(await accept(asMember)).toBe('none')

    const deps = { pool: db.pool, sessions: server.services.sessions, jobs: server.services.jobs }
    // Eve's session was looked up before she was demoted.
    const late = [
      () => setRole(deps, eve.viewer, { userId: ada.viewer.userId, role: 'member' }),
      () => setRole(deps, eve.viewer, { userId: eve.viewer.userId, role: 'owner' }),
      () => removePerson(deps, eve.viewer, ada.viewer.userId),
    ]
    for (const request of late) await expect(request()).rejects.toMatchObject({ code: 'FORBIDDEN' })
  })

  test('a removed person’s collections go to who removed them', async () => {
    const owner = await server.person({ role: 'owner' })
    const person = await server.person()
    const friend = await server.person()
    const sole = await collection('Sole', [
      [person.viewer.userId, 'owner'],
      [friend.viewer.userId, 'viewer'],
    ])
    const joint = await collection('Joint', [
      [person.viewer.userId, 'owner'],
      [friend.viewer.userId, 'owner'],
    ])
    await owner.api.people.remove.mutate({ userId: person.viewer.userId })
    expect(await owners(sole)).toEqual([owner.viewer.userId])
    expect(await owners(joint)).toEqual([friend.viewer.userId])
  })

  async function collection(name: string, members: [string, string][]): Promise<string> {
    const { rows } = await db.pool.query<{ id: string }>(
      'INSERT INTO collections (name) VALUES ($1) RETURNING id',
      [name],
    )
    const id = rows[0]?.id ?? ''
    for (const [userId, role] of members)
      await db.pool.query(
        'INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, $3)',
        [id, userId, role],
      )
    return id
  }

  async function owners(id: string): Promise<string[]> {
    const { rows } = await db.pool.query<{ user_id: string }>(
      "SELECT user_id FROM collection_members WHERE collection_id = $1 AND role = 'owner'",
      [id],
    )
    return rows.map((row) => row.user_id)
  }
})

test('what a removed person dropped into chats is retracted and purged', async () => {
  await using db = await testDatabase()
  const config = db.config('/tmp/terrace-unused')
  const jobs = await startJobs(config, db.pool, createLog(config, 'api'), { supervise: false })
  await using server = await testServer(db, { services: { jobs } })
  const owner = await server.person({ role: 'owner' })
  const { viewer } = await server.person()
  const { rows } = await db.pool.query<{ id: string; key: number }>(
    "INSERT INTO collections (name, kind) VALUES ('', 'chat') RETURNING id, key",
  )
  const dropped = rows[0] ?? { id: '', key: 0 }
  await db.pool.query(
    "INSERT INTO collection_members (collection_id, user_id, role) VALUES ($1, $2, 'owner')",
    [dropped.id, viewer.userId],
  )
  await db.pool.query('INSERT INTO chats (user_id, collection_id) VALUES ($1, $2)', [
    viewer.userId,
    dropped.id,
  ])
  await owner.api.people.remove.mutate({ userId: viewer.userId })
  const left = await db.pool.query('SELECT deleted_at IS NOT NULL AS gone FROM collections')
  expect(left.rows).toEqual([{ gone: true }])
  const log = await db.pool.query('SELECT op, collection_key, user_id FROM index_log ORDER BY seq')
  expect(log.rows).toEqual([
    { op: 'retract-collection', collection_key: dropped.key, user_id: null },
    { op: 'session', collection_key: null, user_id: viewer.userId },
  ])
  const sent = await db.pool.query<{ data: unknown }>("SELECT data FROM pgboss.job WHERE name = 'purge'")
  expect(sent.rows).toEqual([{ data: { collectionId: dropped.id } }])
  expect((await db.pool.query('SELECT 1 FROM chats')).rowCount).toBe(0)
  await jobs.stop({ graceful: false })
})

test('two owners who demote or remove each other at once leave one, every time', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const { pool } = db
  const deps = { pool, sessions: server.services.sessions, jobs: server.services.jobs }
  for (let round = 0; round < 12; round++) {
    await pool.query('DELETE FROM users')
    const [a, b] = [await server.person({ role: 'owner' }), await server.person({ role: 'owner' })]
    const results = await Promise.allSettled([
      setRole(deps, a.viewer, { userId: b.viewer.userId, role: 'member' }),
      round % 2 === 0
        ? removePerson(deps, b.viewer, a.viewer.userId)
        : setRole(deps, b.viewer, { userId: a.viewer.userId, role: 'member' }),
    ])
    const { rows } = await pool.query<{ id: string }>("SELECT id FROM users WHERE role = 'owner'")
    expect(rows).toHaveLength(1)
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    const { viewer } = rows[0]?.id === a.viewer.userId ? a : b
    const itself = { userId: viewer.userId, role: 'member' as const }
    await expect(setRole(deps, viewer, itself)).rejects.toMatchObject({ code: 'LAST_OWNER' })
    await expect(removePerson(deps, viewer, viewer.userId)).rejects.toMatchObject({ code: 'LAST_OWNER' })
  }
})
