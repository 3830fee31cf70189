// A replica that became a primary, and replicas of histories that were left behind.
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { replicatedPostgres } from '../../test/replica.ts'
import { renewEpoch } from '../index/epoch.ts'
import type { Queryable } from './pool.ts'
import { Replica } from './replica.ts'
import { primaryPlace } from './wal.ts'

const port = async (db: Queryable) =>
  (await db.query<{ port: number }>('SELECT inet_server_port() AS port')).rows[0]?.port

test('a replica that was promoted is none any more, though its connections stay', async () => {
  await using postgres = await replicatedPostgres()
  const { databaseCa, databaseAuth, databaseReplicaUrl = '' } = postgres.db.config('/tmp/terrace-unused')
  const replica = new Replica(
    { databaseCa, databaseAuth, databaseReplicaUrl },
    postgres.db.pool,
    pino({ enabled: false }),
  )
  await expect.poll(async () => (await replica.read(undefined, port))?.value).toBe(postgres.replica.port)
  // By mistake: the address still leads to the old primary, which knows nothing of it.
  await postgres.replica.query('SELECT pg_promote(true, 60)')
  expect(await replica.read(undefined, port)).toBeNull()
  expect(replica.status().state).toBe('away')
  await replica.close()
})

test('a replica of another history is not compared by numbers', async () => {
  await using postgres = await replicatedPostgres()
  const { databaseCa, databaseAuth, databaseReplicaUrl = '' } = postgres.db.config('/tmp/terrace-unused')
  const replica = new Replica(
    { databaseCa, databaseAuth, databaseReplicaUrl },
    postgres.db.pool,
    pino({ enabled: false }),
  )
  await expect.poll(async () => (await replica.read(undefined, port))?.value).toBe(postgres.replica.port)
  // It goes no further, but says that it is far ahead of all that the new history has written.
  await postgres.detach()
  const seen = await primaryPlace(postgres.db.pool)
  expect(await replica.read({ ...seen, wal: 1 }, port)).not.toBeNull()
  const epoch = await renewEpoch(postgres.db.pool)
  expect(await replica.read({ epoch, wal: 1 }, port)).toBeNull()
  await replica.close()
})
