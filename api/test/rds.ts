// What Amazon RDS is to the servers, over a real PostgreSQL: an owner who is no superuser and migrates, a role rds_iam, and
// a door that takes TLS only and, as the password of the application's role, a token that AWS's credentials have signed:
//
//   await using rds = await startRds()
//   rds.env                   what a server needs to sign in there
//   rds.db                    as the owner, without the door
//   await rds.refuseKnown()   tokens that were shown so far are refused from now on, as when they have expired
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { parseConfig } from '../src/config.ts'
import { migrate } from '../src/database/migrate.ts'
import { createPool } from '../src/database/pool.ts'
import { type Certificate, selfSigned } from './certificate.ts'
import type { TestDatabase } from './database.ts'
import { PostgresServer } from './postgres-server.ts'
import { type AwsIdentity, tokenProblem } from './rds-token.ts'

export const ROLE = 'terrace_app'
const OWNER = 'terrace'
const OWNER_PASSWORD = 'owner'
const DATABASE = 'terrace'
const IDENTITY: AwsIdentity = {
  accessKeyId: 'AKIDTERRACE',
  secretAccessKey: 'a-secret-of-aws-that-no-log-may-show',
  region: 'eu-central-1',
}

export interface Rds extends AsyncDisposable {
  readonly server: PostgresServer
  readonly db: TestDatabase
  readonly env: Readonly<Record<string, string>>
  /** Why connections were refused, in order. */
  readonly refusals: readonly string[]
  /** Connections that were let in, by application name. */
  readonly admitted: readonly string[]
  refuseKnown(): Promise<void>
}

export async function startRds(): Promise<Rds> {
  await using stack = new AsyncDisposableStack()
  const home = mkdtempSync(path.join(tmpdir(), 'terrace-rds-'))
  chmodSync(home, 0o755)
  stack.defer(() => rmSync(home, { recursive: true, force: true }))
  const server = await PostgresServer.create(path.join(home, 'postgres'))
  const rules = path.join(server.dataDir, 'pg_hba.conf')
  // The door has asked for the token.
  writeFileSync(rules, `host all ${ROLE} 127.0.0.1/32 trust\n${readFileSync(rules, 'utf8')}`)
  await server.start()
  stack.defer(() => server.kill())
  await server.query('CREATE ROLE rds_iam NOLOGIN')
  await server.query(`CREATE ROLE ${OWNER} LOGIN CREATEROLE CREATEDB PASSWORD '${OWNER_PASSWORD}'`)
  // There the owner may give rds_iam to others without having it.
  await server.query(`GRANT rds_iam TO ${OWNER} WITH ADMIN OPTION, INHERIT FALSE, SET FALSE`)
  await server.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER}`)
  const owner = new URL(server.url(DATABASE))
  ;[owner.username, owner.password] = [OWNER, OWNER_PASSWORD]
  await migrate({ connectionString: owner.href })
  const door = stack.use(await Door.open(server.port, selfSigned('localhost')))
  const env = {
    DATABASE_URL: `postgresql://${ROLE}@localhost:${door.port}/${DATABASE}`,
    DATABASE_AUTH: 'iam',
    DATABASE_CA: door.ca,
    AWS_REGION: IDENTITY.region,
    AWS_ACCESS_KEY_ID: IDENTITY.accessKeyId,
    AWS_SECRET_ACCESS_KEY: IDENTITY.secretAccessKey,
  }
  const config = (folder: string, extra: Record<string, string> = {}) =>
    parseConfig({
      ...env,
      STORAGE: `file:${folder}/storage`,
      TERRACE_HOME: folder,
      AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
      LOG_LEVEL: 'silent',
      PORT: '0',
      ...extra,
    })
  const asOwner = { DATABASE_AUTH: 'password', DATABASE_URL: owner.href }
  const { databaseUrl, databaseAuth } = config(home, asOwner)
  const pool = createPool({ databaseUrl, databaseAuth, databaseCa: undefined }, { name: 'terrace-test' })
  stack.defer(() => pool.end())
  const started = stack.move()
  const dispose = () => started.disposeAsync()
  return {
    ...{ server, env, refusals: door.refusals, admitted: door.admitted },
    db: { url: env.DATABASE_URL, pool, config, [Symbol.asyncDispose]: dispose },
    refuseKnown: () => door.refuseKnown(),
    [Symbol.asyncDispose]: dispose,
  }
}

const SSL_REQUEST = 80877103

class Door implements AsyncDisposable {
  readonly port: number
  readonly ca: string
  readonly refusals: string[] = []
  readonly admitted: string[] = []
  readonly #server: net.Server
  readonly #upstream: number
  readonly #context: tls.SecureContext
  readonly #open = new Set<net.Socket>()
  readonly #known = new Set<string>()
  readonly #refused = new Set<string>()

  private constructor(server: net.Server, upstream: number, certificate: Certificate) {
    const address = server.address()
    this.port = typeof address === 'object' && address !== null ? address.port : 0
    this.ca = certificate.cert
    this.#server = server
    this.#upstream = upstream
    this.#context = tls.createSecureContext(certificate)
    server.on('connection', (socket) => {
      this.#keep(socket)
      void this.#admit(socket).catch(() => socket.destroy())
    })
  }

  static async open(upstream: number, certificate: Certificate): Promise<Door> {
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Door(server, upstream, certificate)
  }

  async refuseKnown(): Promise<void> {
    for (const token of this.#known) this.#refused.add(token)
    for (const socket of this.#open) socket.destroy()
    // Two tokens of one second are the same.
    await sleep(1_100)
  }

  async #admit(plain: net.Socket): Promise<void> {
    const first = await read(plain, 8)
    if (first.readUInt32BE(4) !== SSL_REQUEST) {
      this.refusals.push('no TLS')
      plain.destroy()
      return
    }
    plain.write('S')
    const socket = new tls.TLSSocket(plain, { isServer: true, secureContext: this.#context })
    this.#keep(socket)
    const length = await read(socket, 4)
    const startup = Buffer.concat([length, await read(socket, length.readUInt32BE(0) - 4)])
    const said = startup.subarray(8).toString().split('\0')
    const role = said[said.indexOf('user') + 1] ?? ''
    socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]))
    const head = await read(socket, 5)
    const token = (await read(socket, head.readUInt32BE(1) - 4)).subarray(0, -1).toString()
    const place = { host: 'localhost', port: this.port, role }
    const problem = this.#refused.has(token) ? 'expired' : tokenProblem(token, place, IDENTITY)
    this.#known.add(token)
    if (problem !== null) {
      this.refusals.push(problem)
      socket.end(fatal(`PAM authentication failed for user "${role}"`))
      return
    }
    this.admitted.push(said[said.indexOf('application_name') + 1] ?? '')
    const upstream = net.connect(this.#upstream, '127.0.0.1')
    this.#keep(upstream)
    upstream.write(startup)
    socket.pipe(upstream).pipe(socket)
    socket.once('close', () => upstream.destroy())
    upstream.once('close', () => socket.destroy())
  }

  #keep(socket: net.Socket): void {
    this.#open.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#open.delete(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#open) socket.destroy()
    await closed
  }
}

/** So many bytes and no more. */
async function read(socket: net.Socket, bytes: number): Promise<Buffer> {
  for (;;) {
    const chunk: Buffer | null = socket.read(bytes)
    if (chunk !== null && chunk.length === bytes) return chunk
    await new Promise<void>((resolve, reject) => {
      socket.once('readable', resolve)
      socket.once('close', () => reject(new Error('closed')))
    })
  }
}

/** ErrorResponse, as PostgreSQL sends it. */
function fatal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C28000\0M${message}\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeUInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
