import { type ChildProcess, spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import {
  checkCluster,
  checkExternal,
  createDatabase,
  DATABASE,
  keeperProgram,
  settlePrevious,
} from './database.ts'
import { freePort, initialise, postgresUrl } from './postgres.ts'
import { reachableByOthers } from './postgres-binaries.ts'

const PASSWORD = 'a password with / and @'
let folder: string
let dataDir: string
let port: number

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'terrace-database-'))
  chmodSync(folder, 0o755)
  dataDir = path.join(folder, 'postgres')
  port = await freePort()
  initialise(dataDir, PASSWORD, true)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function keep(log: 'ignore' | number = 'ignore'): ChildProcess {
  const program = keeperProgram({ dataDir, port, password: PASSWORD })
  const [command, ...args] = program.command
  return spawn(command, args, { env: program.env, stdio: ['pipe', 'ignore', log], detached: true })
}

async function ready(): Promise<void> {
  const { ready: asked } = keeperProgram({ dataDir, port, password: PASSWORD })
  await vi.waitFor(async () => expect(await asked()).toBe(true), { timeout: 20_000, interval: 50 })
}

async function sql(text: string): Promise<pg.QueryResult> {
  const client = new pg.Client(postgresUrl(port, PASSWORD, DATABASE))
  await client.connect()
  try {
    return await client.query(text)
  } finally {
    await client.end()
  }
}

function postmasterPid(): number | null {
  try {
    return Number(readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n')[0])
  } catch {
    return null
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

const gone = (pid: number) =>
  vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 15_000, interval: 50 })

test('the database is made once and kept', async () => {
  const keeper = keep()
  await ready()
  const url = await createDatabase(port, PASSWORD, folder)
  expect(await createDatabase(port, PASSWORD, folder)).toBe(url)
  await sql('CREATE TABLE kept (n int)')
  await sql('INSERT INTO kept VALUES (1)')
  const pid = postmasterPid() ?? 0
  keeper.kill('SIGTERM')
  await gone(pid)
  expect(postmasterPid()).toBeNull()
})

test.runIf(existsSync('/dev/full'))('a log on a full disk costs its lines, not the keeper', async () => {
  const full = openSync('/dev/full', 'w')
  const keeper = keep(full)
  closeSync(full)
  await ready()
  const pid = postmasterPid() ?? 0
  // PostgreSQL logs it.
  await expect(sql('SELECT * FROM nothing_of_this_name')).rejects.toThrow('nothing_of_this_name')
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(keeper.exitCode ?? keeper.signalCode).toBeNull()
  keeper.kill('SIGTERM')
  await gone(pid)
  await vi.waitFor(() => expect(keeper.exitCode).toBe(0))
})

test('when its parent is gone PostgreSQL waits for the connections of the servers, then stops; nothing is lost', async () => {
  const keeper = keep()
  await ready()
  const pid = postmasterPid() ?? 0
  const client = new pg.Client(postgresUrl(port, PASSWORD, DATABASE))
  await client.connect()
  keeper.stdin?.end()
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await client.query('INSERT INTO kept VALUES (2)')
  expect(alive(pid)).toBe(true)
  await client.end()
  await gone(pid)
})

test('a PostgreSQL whose keeper was killed too is stopped before the next one starts', async () => {
  const keeper = keep()
  await ready()
  const pid = postmasterPid() ?? 0
  await sql('INSERT INTO kept VALUES (3)')
  keeper.kill('SIGKILL')
  await new Promise((resolve) => keeper.once('exit', resolve))
  expect(alive(pid)).toBe(true)
  let waited = false
  await settlePrevious(dataDir, () => {
    waited = true
  })
  expect(waited).toBe(true)
  expect(postmasterPid()).toBeNull()
  await gone(pid)
})

test('after kill -9 of PostgreSQL itself the next start recovers what was committed', async () => {
  keep()
  await ready()
  await sql('INSERT INTO kept VALUES (4)')
  const pid = postmasterPid() ?? 0
  process.kill(pid, 'SIGKILL')
  await gone(pid)
  await settlePrevious(dataDir, () => {})
  const keeper = keep()
  await ready()
  expect((await sql('SELECT n FROM kept ORDER BY n')).rows.map((row) => row.n)).toEqual([1, 2, 3, 4])
  const second = postmasterPid() ?? 0
  keeper.kill('SIGTERM')
  await gone(second)
})

test("a postmaster.pid whose number is another program's now does not stop the start", async () => {
  writeFileSync(path.join(dataDir, 'postmaster.pid'), `${process.pid}\n${dataDir}\n`)
  await settlePrevious(dataDir, () => {})
  expect(postmasterPid()).toBeNull()
})

test('a lost password is a sentence', async () => {
  const keeper = keep()
  await ready()
  const pid = postmasterPid() ?? 0
  await expect(createDatabase(port, 'another', folder)).rejects.toThrow(
    /does not take the password in .*secrets/,
  )
  keeper.kill('SIGTERM')
  await gone(pid)
})

test('data of another PostgreSQL version is refused, untouched', () => {
  const other = path.join(folder, 'other')
  mkdirSync(other)
  writeFileSync(path.join(other, 'PG_VERSION'), '15\n')
  expect(() => checkCluster(other)).toThrow(/made by PostgreSQL 15; this Terrace brings PostgreSQL 18/)
  expect(readFileSync(path.join(other, 'PG_VERSION'), 'utf8')).toBe('15\n')
  expect(() => checkCluster(dataDir)).not.toThrow()
})

test('a folder with something else in it is not used for a cluster', () => {
  const other = path.join(folder, 'photos')
  mkdirSync(other)
  writeFileSync(path.join(other, 'cat.txt'), 'meow')
  expect(() => initialise(other, PASSWORD, true)).toThrow(/is not empty/)
  expect(statSync(path.join(other, 'cat.txt')).size).toBe(4)
})

test('an external PostgreSQL is looked at before it is used', async () => {
  await checkExternal(inject('postgresUrl'))
  await expect(checkExternal('postgresql://postgres@127.0.0.1:1/none')).rejects.toThrow(
    /can not be used.*ECONNREFUSED/,
  )
  const wrong = new URL(inject('postgresUrl'))
  wrong.password = 'wrong-secret-word'
  const refused = await checkExternal(wrong.href).catch((error: Error) => error.message)
  expect(refused).toMatch(/can not be used/)
  expect(refused).not.toContain('wrong-secret-word')
})

test('a closed folder above is out of reach for another user', () => {
  const closed = path.join(folder, 'closed')
  mkdirSync(path.join(closed, 'inner'), { recursive: true })
  expect(reachableByOthers(path.join(closed, 'inner'))).toBe(true)
  chmodSync(closed, 0o700)
  expect(reachableByOthers(path.join(closed, 'inner'))).toBe(false)
})
