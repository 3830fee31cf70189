// A primary and a real streaming replica of it, migrated, and an address of the primary that can be pointed elsewhere
// as a failover does:
//
//   await using postgres = await replicatedPostgres()
//   postgres.db.pool, postgres.db.config(home)      the primary by its address; the replica as DATABASE_REPLICA_URL
//   await postgres.lag(30)                          the replica applies commits 30 s late
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseConfig } from '../src/config.ts'
import { migrate } from '../src/database/migrate.ts'
import { createPool } from '../src/database/pool.ts'
import type { TestDatabase } from './database.ts'
import { PostgresServer } from './postgres-server.ts'

const DATABASE = 'terrace'
const SLOT = 'replica1'
const APPLY_DELAY = "setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'"

export class ReplicatedPostgres implements AsyncDisposable {
  readonly primary: PostgresServer
  readonly replica: PostgresServer
  /** By the primary's address. Disposed of with the whole. */
  readonly db: TestDatabase
  readonly #home: string
  readonly #address: Address
  #copies = 0

  private constructor(
    home: string,
    servers: { primary: PostgresServer; replica: PostgresServer },
    address: Address,
  ) {
    this.#home = home
    this.primary = servers.primary
    this.replica = servers.replica
    this.#address = address
    this.db = databaseAt(address.url, servers.replica.url(DATABASE))
  }

  static async start(): Promise<ReplicatedPostgres> {
    const home = mkdtempSync(path.join(tmpdir(), 'terrace-replica-'))
    chmodSync(home, 0o755)
    // A slot keeps what its standby has not got, but a standby that went away for good must not fill the disk.
    const settings = ['max_slot_wal_keep_size = 1GB', "wal_sender_timeout = '5s'"]
    const primary = await PostgresServer.create(path.join(home, 'primary'), settings)
    await primary.start()
    await primary.query(`CREATE DATABASE ${DATABASE}`)
    await migrate({ connectionString: primary.url(DATABASE) })
    const replica = await primary.standby(path.join(home, 'replica'), SLOT)
    await replica.start()
    const address = await Address.open(primary)
    return new ReplicatedPostgres(home, { primary, replica }, address)
  }

  /** Commits reach the replica's tables this much later than the primary's. */
  async lag(seconds: number): Promise<void> {
    await this.replica.set('recovery_min_apply_delay', `${seconds * 1_000}`)
    while ((await this.#onReplica(APPLY_DELAY)) !== `${seconds * 1_000}`) await sleep(10)
    // The process that replays hears of it together with this connection's, and has nothing to do.
    await sleep(100)
  }

  async pauseReplay(): Promise<void> {
    await this.replica.query('SELECT pg_wal_replay_pause()')
    while ((await this.#onReplica('pg_get_wal_replay_pause_state()')) !== 'paused') await sleep(10)
  }

  async resumeReplay(): Promise<void> {
    await this.replica.query('SELECT pg_wal_replay_resume()')
  }

  /** The replica gets nothing any more, whatever the primary writes: what promotion then lacks. */
  async detach(): Promise<void> {
    await this.replica.set('primary_conninfo', '')
    while ((await this.#onReplica('count(*) FROM pg_stat_wal_receiver')) !== '0') await sleep(10)
  }

  /** Until the replica has applied all that the primary has written until now. */
  async caughtUp(): Promise<void> {
    const [row] = await this.primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn')
    while ((await this.#onReplica(`pg_last_wal_replay_lsn() >= '${row?.lsn}'`)) !== 'true') await sleep(10)
  }

  /**
   * Makes the replica a primary of its own, where the address leads from now on. Connections to the old one are cut; with
   * `cut: false` they are left as they are, which is what clients have of a machine that dies.
   */
  async promote({ cut = true } = {}): Promise<void> {
    await this.replica.query('SELECT pg_promote(true, 60)')
    this.#address.pointTo(this.replica, cut)
  }

  /** The primary as it is now. @returns a folder for `primary.restore` */
  async copy(): Promise<string> {
    const folder = path.join(this.#home, `copy-${++this.#copies}`)
    await this.primary.copy(folder)
    return folder
  }

  async #onReplica(expression: string): Promise<string> {
    const [row] = await this.replica.query<{ value: unknown }>(`SELECT ${asValue(expression)}`)
    return String(row?.value)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db[Symbol.asyncDispose]()
    await this.#address.close()
    // The replica first: a primary that stops in order waits for it to have everything.
    await this.replica.kill()
    await this.primary.kill()
    rmSync(this.#home, { recursive: true, force: true })
  }
}

export function replicatedPostgres(): Promise<ReplicatedPostgres> {
  return ReplicatedPostgres.start()
}

function asValue(expression: string): string {
  const [value, ...from] = expression.split(' FROM ')
  return [`${value} AS value`, ...from].join(' FROM ')
}

function databaseAt(url: string, replicaUrl: string): TestDatabase {
  const config = (home: string, extra: Record<string, string> = {}) =>
    parseConfig({
      DATABASE_URL: url,
      DATABASE_REPLICA_URL: replicaUrl,
      STORAGE: `file:${home}/storage`,
      TERRACE_HOME: home,
      AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
      SETUP_TOKEN: 'test-setup-token-0123456789',
      LOG_LEVEL: 'silent',
      PORT: '0',
      ...extra,
    })
  const pool = createPool(config('/tmp/terrace-unused'), { name: 'terrace-test', onError: () => {} })
  return { url, pool, config, [Symbol.asyncDispose]: () => pool.end() }
}

/** What a database's DNS name is to its clients: it leads to one server now and to another after a failover. */
class Address {
  readonly url: string
  readonly #server: net.Server
  readonly #open = new Set<net.Socket>()
  #port: number

  private constructor(server: net.Server, to: PostgresServer) {
    this.#server = server
    this.#port = to.port
    const address = server.address()
    const url = new URL(to.url(DATABASE))
    url.port = String(typeof address === 'object' && address !== null ? address.port : 0)
    this.url = url.href
    server.on('connection', (client) => this.#pipe(client))
  }

  static async open(to: PostgresServer): Promise<Address> {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Address(server, to)
  }

  pointTo(server: PostgresServer, cut: boolean): void {
    this.#port = server.port
    if (cut) for (const socket of this.#open) socket.destroy()
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#open) socket.destroy()
    await closed
  }

  #pipe(client: net.Socket): void {
    const upstream = net.connect(this.#port, '127.0.0.1')
    for (const [from, into] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#open.add(from)
      from.pipe(into)
      from.on('error', () => into.destroy())
      from.on('close', () => {
        this.#open.delete(from)
        into.destroy()
      })
    }
  }
}
