// A PostgreSQL of a test's own that can be killed, replaced by an older copy of itself, and followed by a standby.
// Unlike the test run's shared one it writes a commit before it answers it: what was acknowledged survives kill -9.
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { freePort, initialise, type Postgres, postgresUrl, startPostgres } from '../../local/postgres.ts'
import { runAs } from '../../local/postgres-binaries.ts'

export const PASSWORD = 'test'
/** What a copy of a running server's folder must not bring along. */
const NOT_COPIED = ['postmaster.pid', 'postmaster.opts', 'pg_replslot', 'pg_wal'] as const

export class PostgresServer {
  readonly dataDir: string
  readonly port: number
  #running: Postgres | null = null

  private constructor(dataDir: string, port: number) {
    this.dataDir = dataDir
    this.port = port
  }

  /** A new, empty one, not started. */
  static async create(dataDir: string, settings: readonly string[] = []): Promise<PostgresServer> {
    initialise(dataDir, PASSWORD, true)
    appendFileSync(path.join(dataDir, 'postgresql.auto.conf'), `${settings.join('\n')}\n`)
    return new PostgresServer(dataDir, await freePort())
  }

  /** A standby of this one, not started: a base backup by the low-level API, then everything by streaming. */
  async standby(dataDir: string, slot: string): Promise<PostgresServer> {
    await this.query(`SELECT pg_create_physical_replication_slot('${slot}', true)`)
    await this.#backUp(dataDir)
    writeFileSync(path.join(dataDir, 'standby.signal'), '')
    const from = `host=127.0.0.1 port=${this.port} user=postgres password=${PASSWORD} application_name=${slot}`
    appendFileSync(
      path.join(dataDir, 'postgresql.auto.conf'),
      `primary_conninfo = '${from}'\nprimary_slot_name = '${slot}'\n`,
    )
    own(dataDir)
    return new PostgresServer(dataDir, await freePort())
  }

  /** This moment's state in a folder of its own, for `restore`: as a snapshot of its volume would be. */
  async copy(dataDir: string): Promise<void> {
    await this.#backUp(dataDir)
    const wal = readdirSync(path.join(this.dataDir, 'pg_wal')).filter((name) => /^[0-9A-F]{24}$/.test(name))
    copyAll(
      wal.map((name) => path.join(this.dataDir, 'pg_wal', name)),
      path.join(dataDir, 'pg_wal'),
    )
    own(dataDir)
  }

  /** Goes on from a copy, under the same address. What was committed since is lost. */
  async restore(copy: string): Promise<void> {
    await this.stop()
    rmSync(this.dataDir, { recursive: true, force: true })
    mkdirSync(this.dataDir, { mode: 0o700 })
    copyAll([`${copy}/.`], this.dataDir)
    own(this.dataDir)
    await this.start()
  }

  async start(): Promise<void> {
    this.#running = await startPostgres({
      ...{ dataDir: this.dataDir, port: this.port, password: PASSWORD, throwaway: true },
      settings: ['synchronous_commit=on', 'max_connections=100', 'shared_buffers=32MB'],
    })
  }

  async stop(): Promise<void> {
    await this.#running?.stop()
    this.#running = null
  }

  /** Without a word to anybody, its processes included: those notice that their postmaster is gone. */
  async kill(): Promise<void> {
    const postmaster = this.#running?.process
    this.#running = null
    if (postmaster === undefined || postmaster.exitCode !== null || postmaster.signalCode !== null) return
    const children = childrenOf(postmaster.pid ?? 0)
    const gone = new Promise((resolve) => postmaster.once('exit', resolve))
    postmaster.kill('SIGKILL')
    await gone
    // Their shared memory has to be free before this folder can be started again.
    while (children.filter((pid) => signal(pid, 'SIGKILL')).length > 0) await sleep(10)
  }

  /** As when a network swallows every packet: nothing refuses, nothing answers. */
  freeze(): void {
    this.#signalAll('SIGSTOP')
  }

  thaw(): void {
    this.#signalAll('SIGCONT')
  }

  url(database: string): string {
    return postgresUrl(this.port, PASSWORD, database)
  }

  /** On a connection of its own. */
  async query<R extends pg.QueryResultRow>(sql: string, database = 'postgres'): Promise<R[]> {
    const client = new pg.Client(this.url(database))
    client.on('error', () => {})
    await client.connect()
    try {
      return (await client.query<R>(sql)).rows
    } finally {
      await client.end()
    }
  }

  /** A setting that takes effect by itself, e.g. `recovery_min_apply_delay`. */
  async set(name: string, value: string): Promise<void> {
    await this.query(`ALTER SYSTEM SET ${name} = '${value}'`)
    await this.query('SELECT pg_reload_conf()')
  }

  async #backUp(dataDir: string): Promise<void> {
    const client = new pg.Client(this.url('postgres'))
    await client.connect()
    try {
      await client.query("SELECT pg_backup_start('copy', true)")
      mkdirSync(dataDir, { mode: 0o700 })
      copyAll([`${this.dataDir}/.`], dataDir)
      for (const name of NOT_COPIED) rmSync(path.join(dataDir, name), { recursive: true, force: true })
      for (const name of ['pg_wal/archive_status', 'pg_replslot'])
        mkdirSync(path.join(dataDir, name), { recursive: true })
      const { rows } = await client.query<{ labelfile: string }>(
        'SELECT labelfile FROM pg_backup_stop(false)',
      )
      writeFileSync(path.join(dataDir, 'backup_label'), rows[0]?.labelfile ?? '')
    } finally {
      await client.end()
    }
  }

  #signalAll(name: NodeJS.Signals): void {
    const pid = this.#running?.process.pid
    if (pid === undefined) return
    for (const each of [pid, ...childrenOf(pid)]) signal(each, name)
  }
}

/** What vanishes while it is copied is written again from the log. */
function copyAll(from: readonly string[], to: string): void {
  if (existsSync(to)) spawnSync('cp', ['-a', ...from, to])
}

function own(folder: string): void {
  const as = runAs()
  if (as) spawnSync('chown', ['-R', `${as.uid}:${as.gid}`, folder])
}

function childrenOf(pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  return stdout.split('\n').flatMap((line) => {
    const [child, parent] = line.trim().split(/\s+/).map(Number)
    return child !== undefined && parent === pid ? [child] : []
  })
}

/** @returns whether it was there */
function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name)
  } catch {
    return false
  }
}
