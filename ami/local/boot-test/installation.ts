// A whole Terrace of images: the API's and the web tier's roots, each in a container of its own, over a PostgreSQL of this machine.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { PORTS } from '../../../contract/ports.ts'
import { startPostgres } from '../../../local/postgres.ts'
import { imageRoot } from '../image-root.ts'
import { bootContainer, type Container } from '../nspawn.ts'
import { forward } from './forward.ts'

export interface Installation extends AsyncDisposable {
  /** Where people find its pages. */
  readonly url: string
  readonly setupToken: string
  readonly api: Container
  readonly web: Container
  readonly apiUrl: string
}

/** What a server is told at boot; in its place stands a unit that copies what the test says. */
const CONFIGURE = `[Unit]
Description=Environment of the container test, in place of terrace-configure
[Service]
Type=oneshot
RemainAfterExit=yes
RuntimeDirectory=terrace
ExecStart=/usr/bin/install --mode=600 /etc/terrace/test-environment /run/terrace/environment
`

/** The same for a virtual machine, whose disk is not touched: systemd takes both from the firmware. */
export const configureByCredentials = (environment: Readonly<Record<string, string>>) => ({
  'systemd.extra-unit.terrace-configure.service': CONFIGURE.replace(
    'ExecStart=/usr/bin/install --mode=600 /etc/terrace/test-environment',
    'LoadCredential=test.environment\nExecStart=/usr/bin/install --mode=600 %d/test.environment',
  ),
  'test.environment': linesOf(environment),
})

const linesOf = (environment: Readonly<Record<string, string>>): string =>
  Object.entries(environment)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

/** What an API server is told in a test. */
export const apiEnvironment = (of: {
  readonly url: string
  readonly setupToken: string
  readonly databaseUrl: string
}) => ({
  HOST: '0.0.0.0',
  PORT: String(PORTS.api),
  PUBLIC_URL: of.url,
  TRUSTED_PROXY_HOPS: '1',
  DATABASE_URL: of.databaseUrl,
  MIGRATE_AT_START: '1',
  STORAGE: 'file:/var/lib/terrace/storage',
  AUTH_SECRET: randomBytes(32).toString('hex'),
  SETUP_TOKEN: of.setupToken,
})

/** The container test's environment and whatever else it lays over the image. */
function files(environment: Readonly<Record<string, string>>, more: Readonly<Record<string, string>> = {}) {
  return {
    '/etc/systemd/system/terrace-configure.service': CONFIGURE,
    '/etc/terrace/test-environment': linesOf(environment),
    ...more,
  }
}

/** Both are ready. */
export async function startInstallation(report: (line: string) => void = () => {}): Promise<Installation> {
  const facts = { release: 'boot-test', madeAt: '2026-01-01T00:00:00Z' }
  const roots = {
    api: await imageRoot('api', { ...facts, report: (line) => report(`api: ${line}`) }),
    web: await imageRoot('web', { ...facts, report: (line) => report(`web: ${line}`) }),
  }
  await using stack = new AsyncDisposableStack()
  const database = await makeDatabase(stack)
  const page = stack.use(await forward('127.0.0.1'))
  const url = `http://127.0.0.1:${page.port}`
  const setupToken = randomBytes(16).toString('hex')
  const toDatabase = stack.use(await forward('0.0.0.0'))
  toDatabase.to('127.0.0.1', database.port)
  const api = stack.use(
    await bootContainer(roots.api.dir, {
      files: (host) =>
        files(
          apiEnvironment({
            url,
            setupToken,
            databaseUrl: `postgresql://postgres:test@${host}:${toDatabase.port}/terrace`,
          }),
        ),
    }),
  )
  const toApi = stack.use(await forward('0.0.0.0'))
  toApi.to(api.address, PORTS.api)
  const web = stack.use(
    await bootContainer(roots.web.dir, {
      files: (host) =>
        files({
          HOSTNAME: '0.0.0.0',
          PORT: String(PORTS.web),
          API_URL: `http://${host}:${toApi.port}`,
          TRUSTED_PROXY_HOPS: '0',
        }),
    }),
  )
  page.to(web.address, PORTS.web)
  const apiUrl = `http://${api.address}:${PORTS.api}`
  await ready(`${apiUrl}/readyz`, api)
  await ready(`${url}/readyz`, web)
  const all = stack.move()
  return { url, setupToken, api, web, apiUrl, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

/** A PostgreSQL of this machine with an empty database `terrace`. */
export async function makeDatabase(stack: AsyncDisposableStack): Promise<{ port: number }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-image-test-'))
  // PostgreSQL is not run by root, and has to get there.
  chmodSync(folder, 0o755)
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const dataDir = path.join(folder, 'postgres')
  const postgres = await startPostgres({ dataDir, password: 'test', throwaway: true })
  stack.defer(() => postgres.stop())
  const client = new pg.Client(postgres.url('postgres'))
  await client.connect()
  await client.query('CREATE DATABASE terrace')
  await client.end()
  return postgres
}

/** Waits for a 200. @throws Error with the end of the journal after two minutes: nothing that works takes so long */
export async function ready(url: string, container: Container): Promise<unknown> {
  let last = 'no answer'
  for (let waited = 0; waited < 120_000; waited += 50) {
    try {
      const response = await fetch(url)
      const text = await response.text()
      if (response.status === 200) return JSON.parse(text)
      last = `${response.status} ${text}`
    } catch {
      // not listening yet
    }
    await sleep(50)
  }
  const journal = (await container.journal()).trim().split('\n').slice(-60).join('\n')
  throw new Error(`${url} did not become ready (${last}). The end of the journal:\n${journal}`)
}
