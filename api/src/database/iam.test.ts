import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { selfSigned } from '../../test/certificate.ts'
import { ROLE, type TlsPostgres, tlsPostgres } from '../../test/tls-postgres.ts'
import { parseConfig } from '../config.ts'
import { jobDatabase } from '../jobs/database.ts'
import { createLog } from '../log.ts'
import { databaseIsAway } from './away.ts'
import { createTokens, SignInRefused } from './iam.ts'
import { migrate } from './migrate.ts'
import { createListener, createPool, type DatabaseConfig, type Pool } from './pool.ts'
import { Replica } from './replica.ts'

const signer = vi.hoisted(() => ({
  /** The token that is made next. */
  token: '',
  made: [] as { hostname: string; port: number; username: string; region: string; accessKeyId: string }[],
}))
vi.mock('@aws-sdk/rds-signer', () => ({
  Signer: class {
    readonly #config: (typeof signer.made)[number] & { credentials: { accessKeyId: string } }
    constructor(config: (typeof signer.made)[number] & { credentials: { accessKeyId: string } }) {
      this.#config = config
    }
    async getAuthToken(): Promise<string> {
      const { hostname, port, username, region, credentials } = this.#config
      signer.made.push({ hostname, port, username, region, accessKeyId: credentials.accessKeyId })
      return signer.token
    }
  },
}))

const log = pino({ enabled: false })
let postgres: TlsPostgres
let tokens = 0

beforeAll(async () => {
  postgres = await tlsPostgres()
})
afterAll(() => postgres[Symbol.asyncDispose]())

/** A token that no test has had, and that the database takes from now on. */
async function renew(): Promise<string> {
  signer.token = `token-${++tokens}-that-no-log-may-show`
  await postgres.password(signer.token)
  return signer.token
}

beforeEach(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDTEST')
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret')
  await renew()
  signer.made.length = 0
})
afterEach(() => vi.unstubAllEnvs())

function config(more: Record<string, string> = {}) {
  return parseConfig({
    ...{ DATABASE_URL: postgres.url(), DATABASE_AUTH: 'iam', DATABASE_CA: postgres.ca },
    ...{ AWS_REGION: 'eu-central-1', STORAGE: 'file:/unused', AUTH_SECRET: 'x'.repeat(32), ...more },
  })
}

async function usingPool<T>(settings: DatabaseConfig, work: (pool: Pool) => Promise<T>): Promise<T> {
  const pool = createPool(settings, { name: 'terrace-test', max: 4 })
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

const WHO = 'SELECT current_user AS role, (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()) AS tls'

describe('sign-in by IAM', () => {
  test('a token is the password, made for address, role and region, over TLS; a pool and a listener share one', async () => {
    await usingPool(config(), async (pool) => {
      const rows = await Promise.all([1, 2, 3].map(() => pool.query(WHO)))
      expect(rows.map((each) => each.rows[0])).toEqual(Array(3).fill({ role: ROLE, tls: true }))
    })
    const listener = createListener(config(), 'terrace-test')
    await listener.connect()
    expect((await listener.query(WHO)).rows).toEqual([{ role: ROLE, tls: true }])
    await listener.end()
    const { port } = postgres.server
    const made = {
      hostname: 'localhost',
      port,
      username: ROLE,
      region: 'eu-central-1',
      accessKeyId: 'AKIDTEST',
    }
    // Made by the first, or, where an earlier test's token was kept, after that was refused.
    expect(signer.made.slice(0, 1)).toEqual([made])
    expect(signer.made.length).toBe(1)
  })

  test('a token that is refused is asked for again, once, and whoever asked for a connection gets one', async () => {
    await usingPool(config(), async (pool) => {
      await pool.query('SELECT 1')
      signer.made.length = 0
      await renew()
      // The kept connection goes on; a new one is refused first.
      const client = await pool.connect()
      expect((await pool.query(WHO)).rows).toEqual([{ role: ROLE, tls: true }])
      client.release()
      expect(signer.made.length).toBe(1)
      await postgres.disconnect()
      await renew()
      const many = await Promise.all([1, 2, 3, 4].map(() => pool.connect()))
      for (const each of many) each.release()
      // Four connections were refused the same token: it was replaced once.
      expect(signer.made.length).toBe(2)
    })
  })

  test('a role that may not sign in is said to be, after two tokens, in words and without one of them', async () => {
    await usingPool(config(), (pool) => pool.query('SELECT 1'))
    signer.made.length = 0
    await postgres.password('what no token is')
    const lines: string[] = []
    const said = createLog({ logLevel: 'trace', release: 'test' }, 'api', {
      write: (line) => void lines.push(line),
    })
    const error = await usingPool(config(), (pool) => pool.query('SELECT 1')).catch(
      (thrown: unknown) => thrown,
    )
    said.warn({ err: error }, 'waiting for the database')
    expect(error).toBeInstanceOf(SignInRefused)
    expect(String(error)).toMatch(/localhost refused the role terrace_app.*rds-db:connect.*rds_iam/)
    expect(lines.join('')).toContain('rds-db:connect')
    expect(databaseIsAway(error)).toBe(true)
    // The kept one, and one that was made for the second try.
    expect(signer.made.length).toBe(1)
    const everything =
      lines.join('') + JSON.stringify(error) + String((error as Error).stack) + String((error as Error).cause)
    expect(everything).not.toContain('that-no-log-may-show')
  })

  test('who listens is there again with a new token after the connection was lost', async () => {
    await usingPool(config(), async (pool) => {
      const heard: string[] = []
      const lost: unknown[] = []
      let connected = 0
      const jobs = jobDatabase(config(), pool, (error) => lost.push(error))
      const listening = await jobs.listen?.(
        'things',
        (payload) => heard.push(payload),
        () => connected++,
      )
      await expect.poll(() => connected).toBe(1)
      await renew()
      await postgres.disconnect()
      await expect.poll(() => connected).toBe(2)
      expect(lost.some((error) => error instanceof SignInRefused)).toBe(true)
      await postgres.server.query("SELECT pg_notify('things', 'again')")
      await expect.poll(() => heard).toEqual(['again'])
      await listening?.close()
    })
  })

  test('a replica is signed in to the same way, by a token of its own', async () => {
    const standby = await postgres.standby()
    await postgres.server.query(`CREATE TABLE IF NOT EXISTS index_head (id int PRIMARY KEY, seq bigint, epoch uuid);
      INSERT INTO index_head VALUES (1, 0, gen_random_uuid()); GRANT SELECT ON index_head TO ${ROLE}`)
    const settings = config({ DATABASE_REPLICA_URL: postgres.url(standby) })
    const { databaseCa, databaseAuth, databaseReplicaUrl = '' } = settings
    await usingPool(settings, async (pool) => {
      const replica = new Replica({ databaseCa, databaseAuth, databaseReplicaUrl }, pool, log, {
        againMs: 50,
        sampleMs: 50,
      })
      const who = () => replica.read(undefined, async (db) => (await db.query(WHO)).rows[0])
      await expect.poll(async () => (await who())?.value).toEqual({ role: ROLE, tls: true })
      expect(signer.made.map(({ port }) => port)).toContain(standby.port)
      const token = await renew()
      const replayed = `SELECT rolname FROM pg_authid WHERE rolname = '${ROLE}' AND rolpassword = $1`
      const [row] = await postgres.server.query<{ rolpassword: string }>(
        `SELECT rolpassword FROM pg_authid WHERE rolname = '${ROLE}'`,
      )
      await expect
        .poll(async () => (await standby.query(replayed.replace('$1', `'${row?.rolpassword}'`))).length)
        .toBe(1)
      signer.made.length = 0
      await postgres.disconnect(standby)
      await expect.poll(async () => (await who())?.value).toEqual({ role: ROLE, tls: true })
      expect(token).toBe(signer.token)
      expect(signer.made.map(({ port }) => port)).toContain(standby.port)
      await replica.close()
    })
  })
})

describe('TLS', () => {
  const WEAK = [
    'sslmode=disable',
    'sslmode=no-verify',
    'sslmode=require&uselibpqcompat=true',
    'ssl=false',
    'sslrootcert=/nowhere',
  ]

  test('nothing in the address weakens it: a server of another authority gets no token', async () => {
    const other = selfSigned('localhost').cert
    for (const option of ['', ...WEAK]) {
      const DATABASE_URL = `${postgres.url()}?${option}`
      expect((await usingPool(config({ DATABASE_URL }), (pool) => pool.query(WHO))).rows).toEqual([
        { role: ROLE, tls: true },
      ])
      signer.made.length = 0
      const asked = usingPool(config({ DATABASE_URL, DATABASE_CA: other }), (pool) => pool.query(WHO))
      await expect(asked, option).rejects.toThrow(/self-signed certificate/)
      expect(signer.made).toEqual([])
    }
  })

  test('neither does a password in it, where an authority is given', async () => {
    const password = await renew()
    const url = new URL(postgres.url())
    url.password = password
    const other = selfSigned('localhost').cert
    for (const option of ['', ...WEAK]) {
      const settings = { DATABASE_AUTH: 'password', DATABASE_URL: `${url.href}?${option}` }
      expect((await usingPool(config(settings), (pool) => pool.query(WHO))).rows).toEqual([
        { role: ROLE, tls: true },
      ])
      const asked = usingPool(config({ ...settings, DATABASE_CA: other }), (pool) => pool.query(WHO))
      await expect(asked, option).rejects.toThrow(/self-signed certificate/)
    }
  })

  test('migrations go the same way', async () => {
    await postgres.server.query(`CREATE DATABASE migrated OWNER ${ROLE}`)
    const DATABASE_URL = postgres.url().replace(/postgres$/, 'migrated')
    // As a server does first: it waits for a database that lets it in.
    await usingPool(config(), (pool) => pool.query('SELECT 1'))
    const applied = await migrate(createListener(config({ DATABASE_URL }), 'terrace-migrate'))
    expect(applied).toContain('20261128180000_application_role')
    const other = config({ DATABASE_URL, DATABASE_CA: selfSigned('localhost').cert })
    await expect(migrate(createListener(other, 'terrace-migrate'))).rejects.toThrow(/self-signed certificate/)
  })

  test('a certificate for another name is refused', async () => {
    const elsewhere = selfSigned('database.example.org')
    await postgres.present(elsewhere)
    const asked = () => usingPool(config({ DATABASE_CA: elsewhere.cert }), (pool) => pool.query(WHO))
    await expect
      .poll(() => asked().then(String, (error: Error) => error.message))
      .toMatch(/does not match certificate's altnames/)
  })
})

test('a token is kept for five minutes; many that ask at once ask for one; a failure is not kept', async () => {
  let [time, made, failing] = [0, 0, false]
  const address = { host: 'db', port: 5432, role: ROLE, region: 'eu-central-1' }
  const anews: boolean[] = []
  const sign = async (_: unknown, anew: boolean) => {
    anews.push(anew)
    if (failing) throw new Error('no credentials')
    return `token ${++made}`
  }
  const kept = createTokens(address, sign, () => time)
  expect(await Promise.all([kept.current(), kept.current()])).toEqual(['token 1', 'token 1'])
  time = 5 * 60_000 - 1
  expect(await kept.current()).toBe('token 1')
  time++
  expect(await kept.current()).toBe('token 2')
  kept.refused('token 1')
  expect(await kept.current()).toBe('token 2')
  kept.refused('token 2')
  failing = true
  await expect(kept.current()).rejects.toThrow('no credentials')
  failing = false
  expect(await kept.current()).toBe('token 3')
  expect(await kept.current()).toBe('token 3')
  time += 5 * 60_000
  await kept.current()
  // After a refusal the credentials are asked for anew, until that succeeds.
  expect(anews).toEqual([false, false, true, true, false])
})
