// API, index process and ingest as they really run, signed in by IAM as the role that may change no table.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPool, type Pool } from '../src/database/pool.ts'
import { upload } from './library.ts'
import { type Product, startProduct } from './product.ts'
import { type Rds, ROLE, startRds } from './rds.ts'
import { docx } from './sample-files.ts'
import { type ScriptedModel, startScriptedModel } from './scripted-model.ts'
import type { Person } from './server.ts'

const NO_RIGHT = '42501'
let rds: Rds
let model: ScriptedModel
let product: Product
let owner: Person

beforeAll(async () => {
  rds = await startRds()
  model = await startScriptedModel()
  const MODELS = JSON.stringify([
    { id: 'm', name: 'M', type: 'openai-compatible', url: model.url, model: 'scripted' },
  ])
  product = await startProduct({ db: rds.db, env: { ...rds.env, MODELS } })
  owner = await product.person({ role: 'owner' })
})
afterAll(async () => {
  await product?.[Symbol.asyncDispose]()
  await model?.close()
  await rds?.[Symbol.asyncDispose]()
})

/** As the servers' own role. */
async function asRole<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
  const url = new URL(rds.server.url('terrace'))
  ;[url.username, url.password] = [ROLE, '']
  const config = rds.db.config('/unused', { DATABASE_AUTH: 'password', DATABASE_URL: url.href })
  const pool = createPool({ ...config, databaseCa: undefined }, { name: 'terrace-test', max: 1 })
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

const code = (asked: Promise<unknown>) =>
  asked.then(
    () => 'done',
    (error: { code?: string }) => error.code,
  )

async function found(query: string, collection: string): Promise<number> {
  const { passages } = await owner.api.search.passages.query({ query, collectionIds: [collection] })
  return passages.length
}

async function answered(collection: string, text: string, by: string) {
  const chat = await owner.api.chats.create.mutate({ collectionIds: [collection], model: by })
  await owner.api.chats.ask.mutate({ chatId: chat.id, text, requestId: randomUUID() })
  const answer = async () => (await owner.api.chats.get.query({ id: chat.id })).messages.at(-1)
  await expect.poll(async () => (await answer())?.attempt?.state).toBe('done')
  return await answer()
}

test('a file is uploaded, read and found; questions are answered, counted and budgeted; a new index is read from the tables', async () => {
  const collection = (await owner.api.collections.create.mutate({ name: 'Things' })).id
  const bytes = docx(['The wombat signs in by IAM and owns no table.'])
  const { status, documentId } = await upload(owner, collection, 'wombat.docx', bytes)
  expect(status).toBe(201)
  await expect.poll(() => found('wombat', collection)).toBe(1)
  expect(await answered(collection, 'What does the wombat do?', 'm')).toMatchObject({
    text: expect.stringContaining('wombat'),
  })
  await answered(collection, 'What does the wombat own?', 'passages')
  await expect.poll(async () => (await owner.api.usage.mine.query()).total.calls).toBeGreaterThan(0)
  await owner.api.usage.setBudget.mutate({ userId: owner.viewer.userId, tokens: 1_000_000, usd: null })
  const key = await owner.api.keys.create.mutate({ name: 'A program', scopes: ['ask'] })
  await owner.api.keys.revoke.mutate({ id: key.id })
  // The index forgets everything; what it has again it has from the tables.
  await product.api.kill('SIGTERM')
  await rm(path.join(product.home, 'index'), { recursive: true, force: true })
  await product.startApi()
  await expect.poll(() => found('wombat', collection)).toBe(1)
  await owner.api.documents.delete.mutate({ id: documentId })
  await expect.poll(() => found('wombat', collection)).toBe(0)
  await expect.poll(async () => (await rds.db.pool.query('SELECT FROM document_versions')).rowCount).toBe(0)
  expect(await (await product.anonymous.fetch('/readyz')).json()).toMatchObject({
    ...{ ready: true, database: 'ok' },
  })
})

test('every process signs in with tokens, through TLS, and none of them had another way in', async () => {
  for (const name of ['terrace-api', 'terrace-jobs', 'terrace-events', 'terrace-index', 'terrace-ingest'])
    expect(
      rds.admitted.some((each) => each.startsWith(name)),
      `${name} among ${[...new Set(rds.admitted)].join(', ')}`,
    ).toBe(true)
  expect(rds.refusals).toEqual([])
})

test('when the tokens of all have expired and every connection is lost, all of them are there again', async () => {
  const collection = (await owner.api.collections.create.mutate({ name: 'More' })).id
  const before = rds.admitted.length
  await rds.refuseKnown()
  await expect
    .poll(() =>
      upload(owner, collection, 'quokka.txt', 'The quokka comes back.').then(({ status }) => status),
    )
    .toBe(201)
  await expect.poll(() => found('quokka', collection)).toBeGreaterThan(0)
  expect(new Set(rds.refusals)).toEqual(new Set(['expired']))
  await expect
    .poll(() => [...new Set(rds.admitted.slice(before))])
    .toEqual(expect.arrayContaining([...new Set(rds.admitted.slice(0, before))].filter(isKept)))
})

/** Those that only come at the start are gone by then. */
const isKept = (name: string) => /^terrace-(?:api|jobs|events|index|ingest|api-attempts)$/.test(name)

test('nothing was forbidden to the role, and no token and no secret is in what the processes wrote', () => {
  const output = product.output()
  expect(output).not.toContain(NO_RIGHT)
  expect(output).not.toContain('permission denied')
  expect(output).not.toMatch(/X-Amz|AKIDTERRACE|that-no-log-may-show/)
})

test.each([
  'CREATE TABLE things (id int)',
  'CREATE TABLE pgboss.things (id int)',
  'ALTER TABLE chats ADD COLUMN surprise text',
  'DROP TABLE citations',
  'TRUNCATE documents CASCADE',
  'CREATE INDEX ON documents (name)',
  'CREATE OR REPLACE FUNCTION pgboss.create_queue(queue_name text, options jsonb) RETURNS void LANGUAGE sql AS $$ $$',
  'CREATE SCHEMA things',
  'CREATE ROLE somebody',
  'GRANT terrace_app TO terrace',
  'DELETE FROM _prisma_migrations',
])('the role may not: %s', async (sql) => {
  expect(await asRole((pool) => code(pool.query(sql)))).toBe(NO_RIGHT)
})

test('what a later migration makes is the role’s to use as well', async () => {
  await rds.db.pool.query('CREATE TABLE later (id serial PRIMARY KEY, name text)')
  expect(
    await asRole(async (pool) => {
      await pool.query("INSERT INTO later (name) VALUES ('a')")
      return (await pool.query('UPDATE later SET name = name RETURNING id')).rowCount
    }),
  ).toBe(1)
})

test('the epoch is the role’s to renew, also by the command of the runbooks, and the server’s identity its to read', async () => {
  const head = 'SELECT epoch, system_identifier, timeline FROM index_head'
  const { rows: before } = await rds.db.pool.query(head)
  expect(before).toEqual([
    { epoch: expect.any(String), system_identifier: expect.any(String), timeline: expect.any(Number) },
  ])
  const command = path.resolve(import.meta.dirname, '../src/index/renew-epoch.ts')
  const env = { PATH: process.env.PATH, ...rds.env }
  const { stdout } = await promisify(execFile)(process.execPath, [command], { env })
  const { rows: after } = await rds.db.pool.query<{ epoch: string }>(head)
  expect(stdout).toContain(after[0]?.epoch ?? 'none')
  expect(after).not.toEqual(before)
})

test('the role signs in by IAM; its maker is gone; the owner is no member of it, and so none of rds_iam by it', async () => {
  const { rows } = await rds.db.pool.query(`SELECT r.rolname, r.rolcanlogin, r.rolcreaterole, r.rolcreatedb,
    ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = r.oid) AS member_of,
    ARRAY(SELECT member::regrole::text FROM pg_auth_members WHERE roleid = r.oid) AS members
    FROM pg_roles r WHERE r.rolname LIKE 'terrace\\_%'`)
  expect(rows).toEqual([
    {
      ...{ rolname: ROLE, rolcanlogin: true, rolcreaterole: false, rolcreatedb: false },
      ...{ member_of: ['rds_iam'], members: [] },
    },
  ])
})
