// A whole Terrace of images: the API's and the web tier's roots, each in a container of its own, over a PostgreSQL of this machine.
import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type ScriptedModel, startScriptedModel } from '../../../api/test/scripted-model.ts'
import { PORTS } from '../../../contract/ports.ts'
import { startPostgres } from '../../../local/postgres.ts'
import type { Tier } from '../../recipe/debian.ts'
import { type ImageRoot, imageRoot } from '../image-root.ts'
import { bootContainer, type Container } from '../nspawn.ts'
import { type Cloud, type Server, type ServerSettings, startCloud } from './cloud.ts'
import { forward } from './forward.ts'

export interface Installation extends AsyncDisposable {
  /** Where people find its pages. */
  readonly url: string
  readonly setupToken: string
  readonly api: Container
  readonly web: Container
  readonly apiUrl: string
  readonly cloud: Cloud
  readonly servers: Readonly<Record<Tier, Server>>
  readonly model: ScriptedModel
  readonly roots: Readonly<Record<Tier, ImageRoot>>
  /** What another server is launched by. @param settings default: those that this installation's own have; `host` is this machine */
  launch(tier: Tier, settings?: (host: string) => ServerSettings): Launched
  /** Another one of a tier in a container, which ends with the rest. */
  boot(tier: Tier, settings?: (host: string) => ServerSettings): Promise<Booted>
  /** Another API over the same database, ready. */
  bootApi(): Promise<Booted>
  /** Where the web server's requests go from now on: address of an API server. */
  useApi(address: string): void
}

export interface Launched {
  /** For whatever boots it: file of its metadata. */
  metadata(host: string): Promise<string>
  /** Once it has been launched. */
  server(): Server
}

export interface Booted {
  readonly container: Container
  readonly server: Server
  readonly url: string
}

/** What an API server is told in a test, each part from where it comes from in a stage. */
export const apiSettings = (of: {
  readonly url: string
  readonly setupToken: string
  /** `HOST:PORT` of a database `terrace`. */
  readonly database: string
  /** As MODELS has them. Default: none. */
  readonly models?: readonly object[]
  /** Default: one of its own. Servers that share sessions share it. */
  readonly authSecret?: string
}): ServerSettings => ({
  document: {
    HOST: '0.0.0.0',
    PORT: String(PORTS.api),
    PUBLIC_URL: of.url,
    TRUSTED_PROXY_HOPS: '1',
    DATABASE_URL: `postgresql://${of.database}/terrace`,
    MIGRATE_AT_START: '1',
    STORAGE: 'file:/var/lib/terrace/storage',
  },
  operators: {
    SETUP_TOKEN: of.setupToken,
    ...(of.models && { MODELS: JSON.stringify(of.models) }),
  },
  secrets: {
    AUTH_SECRET: of.authSecret ?? randomBytes(32).toString('hex'),
    DATABASE_URL: JSON.stringify({ username: 'postgres', password: 'test' }),
  },
})

/** The same for a web server. @param api address of an API */
export const webSettings = (api: string): ServerSettings => ({
  document: { HOSTNAME: '0.0.0.0', PORT: String(PORTS.web), API_URL: api, TRUSTED_PROXY_HOPS: '0' },
})

/** Both are ready. */
export async function startInstallation(report: (line: string) => void = () => {}): Promise<Installation> {
  const facts = { release: 'boot-test', madeAt: '2026-01-01T00:00:00Z' }
  const roots = {
    api: await imageRoot('api', { ...facts, report: (line) => report(`api: ${line}`) }),
    web: await imageRoot('web', { ...facts, report: (line) => report(`web: ${line}`) }),
  }
  await using stack = new AsyncDisposableStack()
  const cloud = stack.use(await startCloud())
  const database = await makeDatabase(stack)
  const page = stack.use(await forward('127.0.0.1'))
  const url = `http://127.0.0.1:${page.port}`
  const setupToken = randomBytes(16).toString('hex')
  const toDatabase = stack.use(await forward('0.0.0.0'))
  toDatabase.to('127.0.0.1', database.port)
  const model = stack.use(await startScriptedModel())
  const toModel = stack.use(await forward('0.0.0.0'))
  toModel.to('127.0.0.1', model.port)
  const launch: Installation['launch'] = (tier, settings = usual[tier]) => {
    let server: Server | undefined
    return {
      async metadata(host) {
        server = await cloud.launch(tier, host, settings(host))
        return server.metadata
      },
      server() {
        if (server === undefined) throw new Error('it was not launched')
        return server
      },
    }
  }
  const boot: Installation['boot'] = async (tier, settings) => {
    const launched = launch(tier, settings)
    const container = all.use(await bootContainer(roots[tier].dir, { metadata: launched.metadata }))
    return { container, server: launched.server(), url: `http://${container.address}:${PORTS[tier]}` }
  }
  const authSecret = randomBytes(32).toString('hex')
  const usual: Record<Tier, (host: string) => ServerSettings> = {
    api: (host) =>
      apiSettings({
        ...{ url, setupToken, authSecret, database: `${host}:${toDatabase.port}` },
        models: [modelEntry(`http://${host}:${toModel.port}/v1`)],
      }),
    web: (host) => webSettings(`http://${host}:${toApi.port}`),
  }
  const bootApi = async () => {
    const booted = await boot('api')
    await ready(`${booted.url}/readyz`, booted.container)
    return booted
  }
  const toApi = stack.use(await forward('0.0.0.0'))
  const all = stack.move()
  try {
    const api = await bootApi()
    toApi.to(api.container.address, PORTS.api)
    const web = await boot('web')
    page.to(web.container.address, PORTS.web)
    await ready(`${url}/readyz`, web.container)
    return {
      ...{ url, setupToken, cloud, model, roots, launch, boot, bootApi },
      ...{ api: api.container, web: web.container, apiUrl: api.url },
      servers: { api: api.server, web: web.server },
      useApi: (address) => toApi.to(address, PORTS.api),
      [Symbol.asyncDispose]: () => all.disposeAsync(),
    }
  } catch (error) {
    await all.disposeAsync()
    throw error
  }
}

/** A language model that the tests speak for. */
const modelEntry = (url: string) => ({
  ...{ id: 'scripted', name: 'Scripted', type: 'openai-compatible', url, model: 'scripted' },
})

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
