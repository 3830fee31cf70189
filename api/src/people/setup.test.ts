import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { code, cookieOf, me, PASSWORD, signIn, TOKEN } from '../../test/people.ts'
import { testServer } from '../../test/server.ts'
import { createResetToken } from './reset-links.ts'

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

test('owner:reset gives an owner a new password by a link that works once and ends all sessions and keys', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const { createOwner } = server.anonymous.api.setup
  const request = { token: TOKEN, name: 'Ada', email: 'ada@example.org', password: PASSWORD }
  await createOwner.mutate(request)
  const before = cookieOf(await signIn(server, request.email, PASSWORD))
  expect(await me(server, before)).toMatchObject({ role: 'owner' })
  // Made by whoever had the account before.
  await db.pool.query(
    `INSERT INTO api_keys (id, config_id, key, user_id, created_at, updated_at)
     SELECT 'k', 'default', 'hash', id, now(), now() FROM users WHERE email = $1`,
    [request.email],
  )
  const token = createResetToken(server.config)
  const reset = { ...request, token, password: 'another password' }
  const codes = await Promise.all([code(createOwner.mutate(reset)), code(createOwner.mutate(reset))])
  expect(codes.sort()).toEqual(['SETUP_TOKEN_WRONG', 'none'])
  expect(await code(createOwner.mutate(reset))).toBe('SETUP_TOKEN_WRONG')
  expect(await me(server, before)).toBeNull()
  expect((await db.pool.query('SELECT 1 FROM api_keys')).rowCount).toBe(0)
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
