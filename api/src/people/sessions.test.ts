import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { sessionCookie, testServer } from '../../test/server.ts'
import { createSessions, readCookie } from './sessions.ts'

test('forged, foreign, expired and banned sessions are nobody', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const person = await server.person()
  const sessions = () => createSessions(server.config, db.pool)
  expect((await sessions().find(person.cookie))?.viewer.userId).toBe(person.viewer.userId)
  expect(await sessions().find(`other=1; ${person.cookie}; more=2`)).not.toBeNull()
  const forged = person.cookie.replace(/\.(.)/g, (_, c: string) => `.${c === 'A' ? 'B' : 'A'}`)
  for (const cookie of [
    forged,
    `${person.cookie}x`,
    'terrace.session_token=%ZZ',
    'terrace.session_token=',
    undefined,
  ])
    expect(await sessions().find(cookie)).toBeNull()
  expect(await sessions().find(sessionCookie(server.config, 'no-such-token'))).toBeNull()
  await db.pool.query('UPDATE users SET banned = true')
  expect(await sessions().find(person.cookie)).toBeNull()
  await db.pool.query("UPDATE users SET ban_expires = now() - interval '1 s'")
  expect(await sessions().find(person.cookie)).not.toBeNull()
  await db.pool.query("UPDATE sessions SET expires_at = now() - interval '1 s'")
  expect(await sessions().find(person.cookie)).toBeNull()
})

test('a session is asked for once in a while, also by requests that come together, and dropped at once', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const person = await server.person()
  let asked = 0
  const counting = {
    query: ((...args: Parameters<typeof db.pool.query>) => {
      asked++
      return db.pool.query(...args)
    }) as typeof db.pool.query,
  }
  const sessions = createSessions(server.config, counting)
  await Promise.all(Array.from({ length: 20 }, () => sessions.find(person.cookie)))
  await sessions.find(person.cookie)
  expect(asked).toBe(1)
  await db.pool.query('DELETE FROM sessions')
  expect(await sessions.find(person.cookie)).not.toBeNull()
  sessions.drop('someone else')
  expect(await sessions.find(person.cookie)).not.toBeNull()
  sessions.drop(person.viewer.userId)
  expect(await sessions.find(person.cookie)).toBeNull()
})

test('a lookup that was under way when the session was dropped is not kept', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const person = await server.person()
  const gate = Promise.withResolvers<void>()
  const slow = {
    query: (async (...args: Parameters<typeof db.pool.query>) => {
      const result = await db.pool.query(...args)
      await gate.promise
      return result
    }) as unknown as typeof db.pool.query,
  }
  const sessions = createSessions(server.config, slow)
  const early = sessions.find(person.cookie)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await db.pool.query('DELETE FROM sessions')
  sessions.drop(person.viewer.userId)
  const late = sessions.find(person.cookie)
  gate.resolve()
  // Also for the one who asked before: a stream that is opened with it would stay.
  expect(await early).toBeNull()
  expect(await late).toBeNull()
  expect(await sessions.find(person.cookie)).toBeNull()
})

test('a session in its second day is renewed, with its cookie', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const person = await server.person()
  const fresh = await person.fetch('/trpc/people.me')
  expect(fresh.headers.getSetCookie()).toEqual([])
  await db.pool.query("UPDATE sessions SET expires_at = now() + interval '5 days'")
  server.services.sessions.drop(person.viewer.userId)
  const renewed = await person.fetch('/trpc/people.me')
  expect(renewed.headers.getSetCookie()).toEqual([
    `${person.cookie}; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax`,
  ])
  const { rows } = await db.pool.query(
    "SELECT expires_at > now() + interval '6 days 23 hours' AS long FROM sessions",
  )
  expect(rows).toEqual([{ long: true }])
})

test('a session is not renewed where its cookie can not be sent: that is left to the next reply', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const person = await server.person()
  await db.pool.query("UPDATE sessions SET expires_at = now() + interval '5 days'")
  const renewed = async () => {
    const { rows } = await db.pool.query<{ long: boolean }>(
      "SELECT expires_at > now() + interval '6 days' AS long FROM sessions",
    )
    return rows[0]?.long
  }
  await (await person.fetch('/files/00000000-0000-7000-8000-000000000000')).text()
  expect(await renewed()).toBe(false)
  // Its headers have gone out before it knows who asks.
  const stream = await person.fetch('/trpc/chats.watch?input=%7B%7D', { signal: AbortSignal.timeout(10_000) })
  await stream.text()
  expect(await renewed()).toBe(false)
  const reply = await person.fetch('/trpc/people.me')
  expect(reply.headers.getSetCookie()).toHaveLength(1)
  expect(await renewed()).toBe(true)
})

test('a cookie is found whatever stands around it', () => {
  expect(readCookie('a=1; b=2', 'b')).toBe('2')
  expect(readCookie('b=2', 'b')).toBe('2')
  expect(readCookie('bb=1;b=2;c=3', 'b')).toBe('2')
  expect(readCookie('x=b=1', 'b')).toBeNull()
  expect(readCookie('', 'b')).toBeNull()
})
