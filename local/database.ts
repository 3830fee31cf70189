// The embedded PostgreSQL of one data folder: checks it before it is touched, starts its keeper, makes the database.
// With DATABASE_URL set none of this runs.

import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { POSTGRES_MAJOR } from '../contract/postgres.ts'
import { postgresUrl } from './postgres.ts'
import { runAs } from './postgres-binaries.ts'
import { fileProblem, Problem } from './problem.ts'
import type { Program } from './program.ts'

export const DATABASE = 'terrace'

/** @throws Problem when the folder holds the data of another PostgreSQL version, or belongs to someone else */
export function checkCluster(dataDir: string): void {
  try {
    mkdirSync(path.dirname(dataDir), { recursive: true, mode: 0o711 })
  } catch (error) {
    throw fileProblem(error, path.dirname(dataDir))
  }
  const versionFile = path.join(dataDir, 'PG_VERSION')
  let found: string
  try {
    if (!existsSync(dataDir)) return
    const owner = statSync(dataDir).uid
    const wanted = runAs()?.uid ?? process.getuid?.()
    if (owner !== wanted && process.getuid?.() !== 0)
      throw new Problem(
        `The database in ${dataDir} belongs to another user (id ${owner}), as it was made by a start under that user.`,
        'Start as that user again, or name another folder: TERRACE_HOME=/some/folder npm start',
      )
    if (!existsSync(versionFile)) return
    found = readFileSync(versionFile, 'utf8').trim()
  } catch (error) {
    throw fileProblem(error, dataDir)
  }
  if (found !== String(POSTGRES_MAJOR))
    throw new Problem(
      `The data in ${dataDir} was made by PostgreSQL ${found}; this Terrace brings PostgreSQL ${POSTGRES_MAJOR}.`,
      `Start it with the Terrace that made it; or move it over with pg_dump ${found} and psql and give the new server as DATABASE_URL; or move the folder away to begin empty.`,
    )
}

/**
 * Waits for, or stops, a PostgreSQL that an earlier run left on this data: its keeper gives the servers up to a
 * minute to finish; one whose keeper was killed too gets a fast shutdown from us.
 * @param waiting is called once when there is something to wait for
 */
export async function settlePrevious(dataDir: string, waiting: () => void): Promise<void> {
  const file = path.join(dataDir, 'postmaster.pid')
  for (let waited = 0; ; waited += 100) {
    const pid = postmaster(file)
    if (pid === null) return
    if (!isPostgresOn(pid, dataDir)) {
      // The id belongs to some other program now. PostgreSQL would believe that one to be its own.
      if (!anyoneIn(dataDir)) rmSync(file, { force: true })
      return
    }
    if (waited === 0) waiting()
    if (waited === 70_000) process.kill(pid, 'SIGINT')
    if (waited === 0 && isOrphan(pid)) process.kill(pid, 'SIGINT')
    if (waited > 120_000)
      throw new Problem(
        `A PostgreSQL (process ${pid}) still uses ${dataDir} and does not stop.`,
        `End it with: kill -INT ${pid}`,
      )
    await sleep(100)
  }
}

/** The living process that postmaster.pid names, or null. */
function postmaster(file: string): number | null {
  try {
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
    if (!Number.isInteger(pid) || pid <= 0) return null
    process.kill(pid, 0)
    return pid
  } catch {
    return null
  }
}

function isPostgresOn(pid: number, dataDir: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words.includes(dataDir) && (words[0] ?? '').endsWith('postgres')
  } catch {
    // No /proc here: believe the file.
    return process.platform !== 'linux'
  }
}

/** Whether its keeper is gone: then process 1, or whoever collects orphans, is its parent. */
function isOrphan(pid: number): boolean {
  try {
    const parent = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return !readFileSync(`/proc/${parent}/cmdline`, 'utf8').includes('postgres-keeper')
  } catch {
    return false
  }
}

/** Backends of a killed postmaster may live on for a moment; every one of them stands in the data folder. */
function anyoneIn(dataDir: string): boolean {
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`) === dataDir
    } catch {
      return false
    }
  })
}

export function keeperProgram(options: { dataDir: string; port: number; password: string }): Program {
  return {
    name: 'postgres',
    command: [process.execPath, path.join(import.meta.dirname, 'postgres-keeper.ts')],
    env: {
      PATH: process.env.PATH,
      KEEPER_DATA: options.dataDir,
      KEEPER_PORT: String(options.port),
      KEEPER_PASSWORD: options.password,
      ...(process.env.TERRACE_TEST_RUN === undefined
        ? {}
        : { TERRACE_TEST_RUN: process.env.TERRACE_TEST_RUN }),
    },
    // Killing what is left of its group would kill PostgreSQL in the middle of a write.
    leftovers: 'keep',
    async ready() {
      try {
        await query(postgresUrl(options.port, options.password, 'postgres'), 'SELECT 1')
        return true
      } catch (error) {
        // It answers. That it refuses the password is said by createDatabase.
        return passwordRefused(error)
      }
    },
    explain: (tail) =>
      /No space left on device/.test(tail)
        ? new Problem(`The disk that holds ${options.dataDir} is full.`, 'Make room and start again.')
        : undefined,
    beforeRestart: () => settlePrevious(options.dataDir, () => {}),
  }
}

/** Makes the database when it is not there. @throws Problem when the server refuses the kept password */
export async function createDatabase(port: number, password: string, home: string): Promise<string> {
  const server = postgresUrl(port, password, 'postgres')
  try {
    const { rowCount } = await query(server, 'SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE])
    if (rowCount === 0) await query(server, `CREATE DATABASE ${DATABASE}`)
  } catch (error) {
    if (passwordRefused(error))
      throw new Problem(
        `The database does not take the password in ${path.join(home, 'secrets.json')}.`,
        'Bring back the secrets.json that was there when the data was made.',
        { cause: error },
      )
    throw error
  }
  return postgresUrl(port, password, DATABASE)
}

function passwordRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '28P01'
}

async function query(url: string, sql: string, values: string[] = []): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return await client.query(sql, values)
  } finally {
    await client.end()
  }
}

/** @throws Problem when the PostgreSQL that DATABASE_URL names can't be used */
export async function checkExternal(url: string): Promise<void> {
  let where = 'the server'
  try {
    where = new URL(url).host
    const { rows } = await query(url, 'SHOW server_version_num')
    const major = Math.floor(Number(rows[0]?.server_version_num) / 10_000)
    if (major < POSTGRES_MAJOR)
      throw new Problem(
        `The PostgreSQL at ${where} is version ${major}; Terrace needs ${POSTGRES_MAJOR} or newer.`,
        'Give a newer one as DATABASE_URL, or leave DATABASE_URL out to use the one that comes with Terrace.',
      )
  } catch (error) {
    if (error instanceof Problem) throw error
    throw new Problem(
      `The PostgreSQL of DATABASE_URL (${where}) can not be used: ${error instanceof Error ? error.message : String(error)}.`,
      'Check address, user, password and that the database exists; or leave DATABASE_URL out to use the one that comes with Terrace.',
      { cause: error },
    )
  }
}
