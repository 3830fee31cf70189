import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { testServer } from '../../test/server.ts'

test('a session cookie tells who asks; without one nobody is signed in', async () => {
  await using db = await testDatabase()
  await using server = await testServer(db)
  const owner = await server.person({ name: 'Ada', role: 'owner' })
  expect(await owner.api.people.me.query()).toEqual({
    id: owner.viewer.userId,
    name: 'Ada',
    email: owner.viewer.email,
    role: 'owner',
  })
  expect(await server.anonymous.api.people.me.query()).toBeNull()
  expect(await server.anonymous.api.setup.status.query()).toEqual({ needsOwner: true })
})
