// The migrations and schema.prisma say the same, and the CLI works where its native engine can't be fetched.
// After an upgrade of prisma this tells whether the stand-in (schema-engine.mjs) still speaks its protocol.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { testDatabase } from '../api/test/database.ts'

const ROOT = path.dirname(import.meta.dirname)
const CLI = path.join(ROOT, 'node_modules/prisma/build/index.js')

async function prisma(url: string, args: readonly string[], cwd = ROOT) {
  const env = { ...process.env, DATABASE_URL: url, CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' }
  // The stand-in is what is tested, also where the native engine is there.
  Object.assign(env, { PRISMA_SCHEMA_ENGINE_BINARY: path.join(ROOT, 'prisma/schema-engine.mjs') })
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [CLI, ...args], { cwd, env })
    return { code: 0, text: stdout + stderr }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !('stdout' in error) || !('stderr' in error))
      throw error
    return { code: Number(error.code), text: `${error.stdout}${error.stderr}` }
  }
}

test('schema.prisma is what the migrations make', async () => {
  const { code, text } = await prisma(inject('postgresUrl'), [
    ...['migrate', 'diff', '--exit-code'],
    ...['--from-migrations', 'prisma/migrations', '--to-schema', 'prisma/schema.prisma', '--script'],
  ])
  expect(text).toContain('empty migration')
  expect(code).toBe(0)
})

test('the API leaves the database as the CLI expects it', async () => {
  await using db = await testDatabase()
  const { code, text } = await prisma(db.url, ['migrate', 'status'])
  expect(text).toContain('up to date')
  expect(code).toBe(0)
})

test('a difference is seen', async () => {
  await using db = await testDatabase()
  await db.pool.query('ALTER TABLE chats ADD COLUMN surprise text')
  const { code } = await prisma(db.url, [
    ...['migrate', 'diff', '--exit-code'],
    ...['--from-config-datasource', '--to-schema', 'prisma/schema.prisma'],
  ])
  expect(code).toBe(2)
})

let project: string
beforeAll(() => {
  // A project of its own, so that `migrate dev` writes its migrations there.
  project = mkdtempSync(path.join(tmpdir(), 'terrace-prisma-'))
  mkdirSync(path.join(project, 'prisma'))
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(project, 'node_modules'))
  cpSync(path.join(ROOT, 'prisma.config.ts'), path.join(project, 'prisma.config.ts'))
  writeSchema('')
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

function writeSchema(extra: string): void {
  writeFileSync(
    path.join(project, 'prisma/schema.prisma'),
    `datasource db {\n  provider = "postgresql"\n}\nmodel Note {\n  id Int @id\n  text String\n${extra}}\n`,
  )
}

test('migrate dev writes and applies a migration, deploy applies it elsewhere, a function body survives', async () => {
  const server = new URL(inject('postgresUrl'))
  const names = [0, 1].map(() => `p_${randomBytes(6).toString('hex')}`)
  const [dev, production] = names.map((name) => Object.assign(new URL(server), { pathname: `/${name}` }).href)
  if (dev === undefined || production === undefined) throw new Error('no names')
  try {
    const first = await prisma(dev, ['migrate', 'dev', '--name', 'first'], project)
    expect(first).toMatchObject({ code: 0 })
    const folder = path.join(project, 'prisma/migrations/29990101000000_function')
    mkdirSync(folder)
    writeFileSync(
      path.join(folder, 'migration.sql'),
      'CREATE FUNCTION two() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN 2; END $$;',
    )
    const deployed = await prisma(production, ['migrate', 'deploy'], project)
    expect(deployed.text).toContain('29990101000000_function')
    expect(deployed.code).toBe(0)
    writeSchema('  more String?\n')
    const second = await prisma(dev, ['migrate', 'dev', '--name', 'second'], project)
    expect(second).toMatchObject({ code: 0 })
    expect(readdirSync(path.join(project, 'prisma/migrations')).join()).toContain('_second')
  } finally {
    const client = new pg.Client(server.href)
    await client.connect()
    for (const name of names) await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await client.end()
  }
}, 60_000)
