// A PostgreSQL that speaks TLS under the name `localhost`, with a role that may sign in over it alone, as on Amazon RDS:
//
//   const postgres = await tlsPostgres()
//   await postgres.password('sesame')      what the role has to say from now on
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { runAs } from '../../local/postgres-binaries.ts'
import { type Certificate, selfSigned } from './certificate.ts'
import { PostgresServer } from './postgres-server.ts'

export const ROLE = 'terrace_app'

export class TlsPostgres implements AsyncDisposable {
  readonly home: string
  readonly server: PostgresServer
  /** PEM of the authority that its certificate is of. */
  readonly ca: string
  readonly #others: PostgresServer[] = []

  private constructor(home: string, server: PostgresServer, ca: string) {
    this.home = home
    this.server = server
    this.ca = ca
  }

  static async start(): Promise<TlsPostgres> {
    const home = mkdtempSync(path.join(tmpdir(), 'terrace-tls-'))
    chmodSync(home, 0o755)
    const server = await PostgresServer.create(path.join(home, 'primary'), ["ssl = 'on'"])
    const certificate = selfSigned('localhost')
    writeCertificate(server, certificate)
    const rules = path.join(server.dataDir, 'pg_hba.conf')
    // In clear inside TLS, as RDS asks for a token.
    const only = `hostssl all ${ROLE} 127.0.0.1/32 password\nhostnossl all ${ROLE} 127.0.0.1/32 reject\n`
    writeFileSync(rules, only + readFileSync(rules, 'utf8'))
    await server.start()
    await server.query(`CREATE ROLE ${ROLE} LOGIN`)
    return new TlsPostgres(home, server, certificate.cert)
  }

  /** Without a password, as DATABASE_AUTH=iam has it. */
  url(server = this.server): string {
    return `postgresql://${ROLE}@localhost:${server.port}/postgres`
  }

  async password(value: string): Promise<void> {
    await this.server.query(`ALTER ROLE ${ROLE} PASSWORD '${value}'`)
  }

  /** Shows another certificate to whoever connects from now on. */
  async present(certificate: Certificate): Promise<void> {
    writeCertificate(this.server, certificate)
    await this.server.query('SELECT pg_reload_conf()')
  }

  /** Ends all connections of the role. */
  async disconnect(server = this.server): Promise<void> {
    await server.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '${ROLE}'`)
  }

  async standby(): Promise<PostgresServer> {
    const standby = await this.server.standby(path.join(this.home, 'standby'), 'standby')
    await standby.start()
    this.#others.push(standby)
    return standby
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of [...this.#others, this.server]) await server.kill()
    rmSync(this.home, { recursive: true, force: true })
  }
}

export function tlsPostgres(): Promise<TlsPostgres> {
  return TlsPostgres.start()
}

/** PostgreSQL reads a key only if it is its own and nobody else's to read. */
function writeCertificate(server: PostgresServer, { cert, key }: Certificate): void {
  for (const [name, text] of Object.entries({ 'server.crt': cert, 'server.key': key })) {
    const file = path.join(server.dataDir, name)
    writeFileSync(file, text, { mode: 0o600 })
    const as = runAs()
    if (as) chownSync(file, as.uid, as.gid)
  }
}
