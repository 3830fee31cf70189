// A migrated database of a test's own: `await using db = await testDatabase()`.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { type Config, parseConfig } from '../src/config.ts'
import { createPool, type Pool } from '../src/database/pool.ts'

export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  readonly pool: Pool
  /** A config for this database; storage and home lie below `home`. */
  config(home: string, extra?: Record<string, string>): Config
}

export async function testDatabase(): Promise<TestDatabase> {
  const server = inject('postgresUrl')
  const name = `t_${randomBytes(8).toString('hex')}`
  await admin(server, `CREATE DATABASE ${name} TEMPLATE terrace_template`)
  const url = new URL(server)
  url.pathname = `/${name}`
  const config = (home: string, extra: Record<string, string> = {}) =>
    parseConfig({
      DATABASE_URL: url.href,
      STORAGE: `file:${home}/storage`,
      TERRACE_HOME: home,
      AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
      SETUP_TOKEN: 'test-setup-token-0123456789',
      LOG_LEVEL: 'silent',
      PORT: '0',
      ...extra,
    })
  const pool = createPool(config('/tmp/terrace-unused'), { name: 'terrace-test' })
  return {
    url: url.href,
    pool,
    config,
    async [Symbol.asyncDispose]() {
      await pool.end()
      await admin(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

async function admin(url: string, sql: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
