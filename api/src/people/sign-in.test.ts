import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../../test/database.ts'
import { cookieOf, me, PASSWORD, signIn, TOKEN } from '../../test/people.ts'
import { type TestServer, testServer } from '../../test/server.ts'

describe('sign-in', () => {
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
})
