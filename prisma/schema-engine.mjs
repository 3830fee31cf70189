#!/usr/bin/env node
// Stand-in for Prisma's native schema engine: same JSON-RPC on stdio, same engine compiled to WASM, node-postgres underneath.
import fs from 'node:fs'
import readline from 'node:readline'
import { fileURLToPath } from 'node:url'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils'
import * as bg from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

// PostgreSQL's catalogue type "char", and text.
const CHAR_OID = 18
const TEXT_OID = 25

const argv = process.argv.slice(2)
const opt = (n) => argv.flatMap((a, i) => (a === n ? [argv[i + 1]] : []))
if (argv[0] === '--version') {
  console.log('schema-engine-wasm')
  process.exit(0)
}
const ds = JSON.parse(opt('--datasource')[0] ?? '{}')
const dbName = (url) => decodeURIComponent(new URL(url).pathname.slice(1))
const withDb = (url, db) => {
  const u = new URL(url)
  u.pathname = `/${db}`
  return u.href
}
async function sql(url, text) {
  const c = new pg.Client({ connectionString: url })
  await c.connect()
  try {
    if (text) await c.query(text)
  } finally {
    await c.end()
  }
}
const createDatabase = (url) =>
  sql(withDb(url, 'postgres'), `CREATE DATABASE ${pg.escapeIdentifier(dbName(url))}`)

const cli = argv.indexOf('cli')
if (cli >= 0) {
  // "can-connect-to-database" | "create-database"; the CLI ignores the first stderr line
  const log = (level, fields) =>
    process.stderr.write(`${JSON.stringify({ level, fields, target: 'schema_engine::logger' })}\n`)
  log('INFO', { message: 'schema-engine-wasm' })
  try {
    await (argv[cli + 1] === 'create-database' ? createDatabase(ds.url) : sql(ds.url))
    process.exit(0)
  } catch (e) {
    log('ERROR', {
      is_panic: false,
      error_code: { '3D000': 'P1003', '28P01': 'P1000' }[e.code] ?? 'P1001',
      message: e.message,
    })
    process.exit(1)
  }
}

// One session per engine (or the advisory lock sits on another connection), never closed for idling.
// Explicit database: given a connectionString, adapter-pg's own shadow database is the main database.
class MigrationPg extends PrismaPg {
  constructor(url) {
    super(new pg.Pool({ connectionString: url, max: 1, idleTimeoutMillis: 0 }), { disposeExternalPool: true })
    this.url = url
  }
  async connect() {
    const a = await super.connect(),
      io = a.performIO.bind(a),
      raw = Object.getPrototypeOf(a).queryRaw
    a.queryRaw = async (q) => {
      // adapter-pg rejects the catalogue's "char" columns; the engine panics unless they come as Character
      let char = []
      const r = await raw.call(
        Object.create(a, {
          performIO: {
            value: async (x) => {
              const r = await io(x)
              char = r.fields.map((f) => f.dataTypeID === CHAR_OID)
              for (const f of r.fields) if (f.dataTypeID === CHAR_OID) f.dataTypeID = TEXT_OID
              return r
            },
          },
        }),
        q,
      )
      r.columnTypes = r.columnTypes.map((t, i) => (char[i] ? ColumnTypeEnum.Character : t))
      return r
    }
    a.executeScript = async (s) => {
      try {
        await a.underlyingDriver().query(s)
      } catch (e) {
        a.onError(e)
      }
    } // adapter-pg splits on ';', which breaks function bodies
    return a
  }
  async connectToShadowDb() {
    if (ds.shadowDatabaseUrl) return new MigrationPg(ds.shadowDatabaseUrl).connect()
    const name = `prisma_migrate_shadow_db_${crypto.randomUUID()}`
    await sql(withDb(this.url, 'postgres'), `CREATE DATABASE "${name}"`)
    const a = await new MigrationPg(withDb(this.url, name)).connect(),
      end = a.dispose.bind(a)
    a.dispose = async () => {
      await end()
      await sql(withDb(this.url, 'postgres'), `DROP DATABASE IF EXISTS "${name}"`)
    }
    return a
  }
}

globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: (m) => process.stderr.write(`${m}\n`) }
const wasm = fs.readFileSync(
  fileURLToPath(import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg')).replace(/\.js$/, '.wasm'),
)
const { instance } = await WebAssembly.instantiate(wasm, { './schema_engine_bg.js': bg })
bg.__wbg_set_wasm(instance.exports)
instance.exports.__wbindgen_start()
const datamodels = opt('--datamodels').map((f) => [f, fs.readFileSync(f, 'utf8')])

async function call(method, params) {
  if (method === 'createDatabase') {
    await createDatabase(ds.url)
    return { databaseName: dbName(ds.url) }
  }
  const factory = new MigrationPg(ds.url ?? 'postgresql://127.0.0.1/none') // lazy: file-to-file diff never connects
  const engine = await bg.SchemaEngine.new(
    { datamodels: datamodels.length ? datamodels : undefined },
    () => {},
    bindMigrationAwareSqlAdapterFactory(factory),
  )
  try {
    // these two read the migrations' schema only from a cache that devDiagnostic fills
    if (method === 'evaluateDataLoss' || method === 'createMigration')
      await engine.devDiagnostic({ migrationsList: params.migrationsList, filters: params.filters })
    return (await engine[method === 'getDatabaseVersion' ? 'version' : method](params)) ?? {}
  } finally {
    engine.free()
    await factory.externalPool?.end().catch(() => {})
  }
}
const send = (m) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...m })}\n`)
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, method, params } = JSON.parse(line)
  if (!method) continue
  try {
    let result = await call(method, Array.isArray(params) ? params[0] : params)
    if (method === 'diff' && result.stdout != null) {
      send({ id: 0, method: 'print', params: { content: result.stdout } })
      result = { exitCode: result.exitCode, stdout: null }
    }
    send({ id, result })
  } catch (e) {
    send({
      id,
      error: {
        code: 4466,
        message: e.message,
        data: { is_panic: false, message: e.message, meta: e.meta ?? null, error_code: e.code ?? null },
      },
    })
  }
}
process.exit(0)
