import { expect, test } from 'vitest'
import { testDatabase } from '../../test/database.ts'
import { noticeServer, renewEpoch } from './epoch.ts'

test('a new epoch begins when PostgreSQL is another one, once for all servers that notice', async () => {
  await using db = await testDatabase()
  const head = async () =>
    (await db.pool.query('SELECT epoch, system_identifier, timeline FROM index_head')).rows[0]
  const first = await head()
  expect(first.system_identifier).toBeNull()
  expect(await noticeServer(db.pool)).toBe(false)
  const seen = await head()
  expect(seen).toEqual({
    epoch: first.epoch,
    system_identifier: expect.stringMatching(/^\d+$/),
    timeline: expect.any(Number),
  })
  expect(await noticeServer(db.pool)).toBe(false)
  expect(await head()).toEqual(seen)
  for (const other of ['timeline = timeline + 1', "system_identifier = '1'"]) {
    await db.pool.query(`UPDATE index_head SET ${other}`)
    const before = await head()
    const noticed = await Promise.all(Array.from({ length: 5 }, () => noticeServer(db.pool)))
    expect(noticed.filter(Boolean)).toHaveLength(1)
    const after = await head()
    expect(after.epoch).not.toBe(before.epoch)
    expect(after).toMatchObject({ system_identifier: seen.system_identifier, timeline: seen.timeline })
  }
})

test('a role that may not know changes nothing', async () => {
  await using db = await testDatabase()
  const role = `plain_${process.pid}_${Date.now()}`
  const client = await db.pool.connect()
  try {
    await client.query(`CREATE ROLE ${role}`)
    await client.query('REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC')
    await client.query('REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC')
    await client.query(`GRANT SELECT, UPDATE ON index_head TO ${role}`)
    await client.query(`SET ROLE ${role}`)
    expect(await noticeServer(client)).toBe(false)
    await client.query('RESET ROLE')
    await client.query(`DROP OWNED BY ${role}`)
    await client.query(`DROP ROLE ${role}`)
  } finally {
    client.release(true)
  }
})

test('the command begins one', async () => {
  await using db = await testDatabase()
  const [one, other] = [await renewEpoch(db.pool), await renewEpoch(db.pool)]
  expect(other).not.toBe(one)
})
