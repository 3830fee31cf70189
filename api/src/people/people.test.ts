import { TRPCClientError } from '@trpc/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { type TestServer, testServer } from '../../test/server.ts'
import type { AppRouter } from '../routers/router.ts'
import { removePerson, setRole } from './members.ts'
import { createResetToken } from './reset-links.ts'

const TOKEN = 'test-setup-token-0123456789'
const PASSWORD = 'correct horse battery'

/** The code of a refused call. */
async function code(call: Promise<unknown>): Promise<string> {
  try {
    await call
    return 'none'
  } catch (error) {
    if (error instanceof TRPCClientError) return (error as TRPCClientError<AppRouter>).data?.code ?? 'no data'
    throw error
  }
}

function signIn(server: TestServer, email: string, password: string): Promise<Response> {
  return server.anonymous.fetch('/auth/sign-in/email', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  })
}

/** Name and value of the cookie that a sign-in set. */
function cookieOf(response: Response): string {
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? ''
}

async function me(server: TestServer, cookie: string): Promise<unknown> {
  const response = await fetch(`${server.url}/trpc/people.me`, { headers: { cookie } })
  return ((await response.json()) as { result: { data: { json: unknown } } }).result.data.json
}

describe('set-up', () => {
  test('of 8 who hold the link, one becomes the owner; then it is done for all', async () => {
    await using db = await testDatabase()
    await using server = await testServer(db)
    const create = (n: number, token = TOKEN) =>
      code(
        server.anonymous.api.setup.createOwner.mutate({
          token,
          name: `Owner ${n}`,
          email: `owner${n}@example.org`,
          password: PASSWORD,
        }),
      )
    expect(await create(0, 'test-setup-token-9999999999')).toBe('SETUP_TOKEN_WRONG')
    expect(await create(0, '')).toBe('SETUP_TOKEN_WRONG')
    const codes = await Promise.all(Array.from({ length: 8 }, (_, n) => create(n)))
    expect(codes.filter((c) => c === 'none')).toHaveLength(1)
    expect(codes.filter((c) => c === 'SETUP_DONE')).toHaveLength(7)
    expect(await create(9)).toBe('SETUP_DONE')
    expect(await create(9, 'wrong')).toBe('SETUP_DONE')
    expect(await server.anonymous.api.setup.status.query()).toEqual({ needsOwner: false })
    const { rows } = await db.pool.query(
      'SELECT u.role, m.role AS member FROM users u JOIN members m ON m.user_id = u.id',
    )
    expect(rows).toEqual([{ role: 'owner', member: 'owner' }])
  })

  test('a weak password and a wrong address are refused, and the link still works afterwards', async () => {
    await using db = await testDatabase()
    await using server = await testServer(db)
    const request = { token: TOKEN, name: 'Ada', email: 'Ada@Example.org ', password: PASSWORD }
    const { createOwner } = server.anonymous.api.setup
    expect(await code(createOwner.mutate({ ...request, password: 'short' }))).toBe('PASSWORD_TOO_WEAK')
    expect(await code(createOwner.mutate({ ...request, email: 'nowhere' }))).toBe('INVALID_INPUT')
    expect(await code(createOwner.mutate({ ...request, name: 'A\u0000da' }))).toBe('INVALID_INPUT')
    expect(await createOwner.mutate(request)).toEqual({ ok: true })
    expect((await signIn(server, 'ada@example.org', PASSWORD)).status).toBe(200)
  })

  test('owner:reset gives an owner a new password by a link that works once and ends all sessions', async () => {
    await using db = await testDatabase()
    await using server = await testServer(db)
    const { createOwner } = server.anonymous.api.setup
    const request = { token: TOKEN, name: 'Ada', email: 'ada@example.org', password: PASSWORD }
    await createOwner.mutate(request)
    const before = cookieOf(await signIn(server, request.email, PASSWORD))
    expect(await me(server, before)).toMatchObject({ role: 'owner' })
    const token = createResetToken(server.config)
    const reset = { ...request, token, password: 'another password' }
    const codes = await Promise.all([code(createOwner.mutate(reset)), code(createOwner.mutate(reset))])
    expect(codes.sort()).toEqual(['SETUP_TOKEN_WRONG', 'none'])
    expect(await code(createOwner.mutate(reset))).toBe('SETUP_TOKEN_WRONG')
    expect(await me(server, before)).toBeNull()
    expect((await signIn(server, request.email, PASSWORD)).status).toBe(401)
    expect((await signIn(server, request.email, 'another password')).status).toBe(200)
    const bad = [
      createResetToken(server.config, Date.now() - 3_700_000),
      createResetToken({ authSecret: 'another-secret-another-secret-another' }),
      token.replace(/\.\d+\./, '.9999999999.'),
    ]
    for (const other of bad)
      expect(await code(createOwner.mutate({ ...request, token: other }))).toBe('SETUP_DONE')
  })
})

describe('with an owner', () => {
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

  test('sign-in sets an HttpOnly, SameSite=Lax cookie and keeps its token out of the reply', async () => {
    const response = await signIn(server, 'ADA@example.org', PASSWORD)
    const [cookie] = response.headers.getSetCookie()
    expect(cookie).toMatch(/^terrace\.session_token=[^;]+; Max-Age=604800; Path=\/; HttpOnly; SameSite=Lax$/)
    expect(await response.text()).not.toContain('token')
    const { rows } = await db.pool.query<{ ip_address: string }>('SELECT ip_address FROM sessions')
    expect(rows.every((row) => row.ip_address === '127.0.0.1')).toBe(true)
  })

  test('over https the cookie is Secure', async () => {
    await using other = await testServer(db, { env: { PUBLIC_URL: 'https://terrace.example.org' } })
    const response = await signIn(other, 'ada@example.org', PASSWORD)
    expect(response.headers.getSetCookie()[0]).toMatch(/^__Secure-terrace\.session_token=.*; Secure/)
    expect(await me(other, cookieOf(response))).toMatchObject({ name: 'Ada' })
  })

  test('a wrong password and an unknown address get the same answer', async () => {
    const wrong = await signIn(server, 'ada@example.org', 'wrong password')
    const unknown = await signIn(server, 'nobody@example.org', 'wrong password')
    for (const response of [wrong, unknown]) {
      expect(response.status).toBe(401)
      expect(await response.json()).toMatchObject({ code: 'WRONG_CREDENTIALS' })
      expect(response.headers.getSetCookie()).toEqual([])
    }
  })

  test('better-auth itself refuses to sign anybody up, should its endpoint ever be let through', async () => {
    const response = await server.services.auth.handler(
      new Request('http://localhost:3000/api/auth/sign-up/email', {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: 'http://localhost:3000' },
        body: JSON.stringify({ email: 'eve@example.org', password: PASSWORD, name: 'Eve' }),
      }),
    )
    expect(response.status).toBe(400)
    expect((await db.pool.query("SELECT 1 FROM users WHERE email = 'eve@example.org'")).rowCount).toBe(0)
  })

  test('nobody signs up, and endpoints that are not used do not exist', async () => {
    for (const path of [
      '/sign-up/email',
      '/update-user',
      '/admin/set-role',
      '/organization/create',
      '/delete-user',
      '/get-session',
    ]) {
      const response = await server.anonymous.fetch(`/auth${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ email: 'eve@example.org', password: PASSWORD, name: 'Eve' }),
      })
      expect([path, response.status]).toEqual([path, 404])
    }
  })

  test('sign-out ends the session at once, here and in the log that other servers follow', async () => {
    const cookie = cookieOf(await signIn(server, 'ada@example.org', PASSWORD))
    expect(await me(server, cookie)).toMatchObject({ name: 'Ada' })
    const before = await db.pool.query("SELECT 1 FROM index_log WHERE op = 'session'")
    const response = await server.anonymous.fetch('/auth/sign-out', { method: 'POST', headers: { cookie } })
    expect(response.status).toBe(200)
    expect(await me(server, cookie)).toBeNull()
    const after = await db.pool.query("SELECT 1 FROM index_log WHERE op = 'session'")
    expect(after.rowCount).toBe((before.rowCount ?? 0) + 1)
  })

  test('changing the password needs the old one', async () => {
    const person = await invited('paul@example.org')
    const change = (currentPassword: string, newPassword: string) =>
      server.anonymous.fetch('/auth/change-password', {
        method: 'POST',
        headers: { 'content-type': 'application/json', cookie: person },
        body: JSON.stringify({ currentPassword, newPassword, revokeOtherSessions: true }),
      })
    expect(await (await change('wrong password', 'new password 1')).json()).toMatchObject({
      code: 'WRONG_CREDENTIALS',
    })
    expect(await (await change(PASSWORD, 'short')).json()).toMatchObject({ code: 'PASSWORD_TOO_WEAK' })
    const changed = await change(PASSWORD, 'new password 1')
    expect(changed.status).toBe(200)
    expect(await changed.text()).not.toContain('token')
    expect((await signIn(server, 'paul@example.org', PASSWORD)).status).toBe(401)
    expect((await signIn(server, 'paul@example.org', 'new password 1')).status).toBe(200)
  })

  /** Invites, accepts and signs in. @returns the cookie */
  async function invited(email: string, role: 'owner' | 'member' = 'member'): Promise<string> {
    const owner = await server.person({ role: 'owner' })
    const { id } = await owner.api.people.invite.mutate({ email, role })
    await server.anonymous.api.people.acceptInvitation.mutate({ id, name: 'Invited', password: PASSWORD })
    await db.pool.query('DELETE FROM users WHERE id = $1', [owner.viewer.userId])
    return cookieOf(await signIn(server, email, PASSWORD))
  }

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

  test('a removed person’s collections go to who removed them, and what was dropped into their chats is retracted', async () => {
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

test('two owners who demote or remove each other at once leave one, every time', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const { pool } = db
  const deps = { pool, sessions: server.services.sessions, jobs: server.services.jobs }
  for (let round = 0; round < 12; round++) {
    await pool.query('DELETE FROM users')
    const [a, b] = [await server.person({ role: 'owner' }), await server.person({ role: 'owner' })]
    const results = await Promise.allSettled([
      setRole(deps, { userId: b.viewer.userId, role: 'member' }),
      round % 2 === 0
        ? removePerson(deps, b.viewer, a.viewer.userId)
        : setRole(deps, { userId: a.viewer.userId, role: 'member' }),
    ])
    const { rows } = await pool.query<{ id: string }>("SELECT id FROM users WHERE role = 'owner'")
    expect(rows).toHaveLength(1)
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1)
    const left = rows[0]?.id ?? ''
    await expect(setRole(deps, { userId: left, role: 'member' })).rejects.toMatchObject({
      code: 'LAST_OWNER',
    })
    await expect(removePerson(deps, a.viewer, left)).rejects.toMatchObject({ code: 'LAST_OWNER' })
  }
})
