// One throw-away PostgreSQL for the whole test run, with a migrated template database.
// A test file gets its own copy in about 50 ms: see database.ts.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { startPostgres } from '../../local/postgres.ts'
import { migrate } from '../src/database/migrate.ts'

export default async function setup(project: { provide(key: 'postgresUrl', value: string): void }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-test-'))
  chmodSync(folder, 0o755)
  const postgres = await startPostgres({
    dataDir: path.join(folder, 'postgres'),
    password: 'test',
    throwaway: true,
  })
  const client = new pg.Client(postgres.url('postgres'))
  await client.connect()
  await client.query('CREATE DATABASE terrace_template')
  await client.end()
  await migrate({ connectionString: postgres.url('terrace_template') })
  project.provide('postgresUrl', postgres.url('postgres'))
  return async () => {
    await postgres.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

declare module 'vitest' {
  export interface ProvidedContext {
    postgresUrl: string
  }
}
