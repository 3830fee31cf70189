// The environment, parsed once. Nothing else in the API reads process.env.
// Names and meanings: DESIGN §10 and docs/configuration.md.
// Child processes get theirs from `childEnvironment`, never the whole environment.
import { createHash, hkdfSync } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { LIMITS } from '../../contract/limits.ts'
import { PORTS } from '../../contract/ports.ts'
import { type DatabaseAuth, parseDatabase } from './database/settings.ts'
import { ENGINE_NAMES, type EngineName } from './engine-names.ts'
import { addressProblem } from './index/engines/opensearch/address.ts'

const flag = z
  .enum(['0', '1', 'false', 'true', 'on', 'off'])
  .transform((v) => v === '1' || v === 'true' || v === 'on')

/** A bucket's name; then, of a prefix, parts without anything that an address would need escaped. */
const S3 = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/((?:[\w=-][\w=.-]*\/)*[\w=-][\w=.-]*))?\/?$/

const schema = z.object({
  DATABASE_URL: z.string().min(1),
  DATABASE_REPLICA_URL: z.string().optional(),
  DATABASE_AUTH: z.enum(['password', 'iam']).default('password'),
  DATABASE_CA: z.string().optional(),
  MIGRATE_AT_START: flag.default(false),
  STORAGE: z
    .string()
    .refine((value) => /^file:.+/.test(value) || S3.test(value), 'must be file:PATH or s3://BUCKET/PREFIX'),
  /** What answers until somebody has switched (index/switch/); from then on the database says it. */
  INDEX_ENGINE: z.enum(ENGINE_NAMES).default('embedded'),
  /** The cluster, one address or several, and as its path the name that the index is searched by there. */
  OPENSEARCH_URL: z
    .string()
    .superRefine((value, issues) => {
      const problem = addressProblem(value)
      if (problem !== null) issues.addIssue(problem)
    })
    .optional(),
  /** Where the index process keeps its local checkpoints. */
  INDEX_DIR: z.string().optional(),
  /** Whether checkpoints go to STORAGE too, for other servers to begin with. Default: where STORAGE is S3. */
  INDEX_CHECKPOINTS: z.enum(['shared', 'local']).optional(),
  PUBLIC_URL: z.url().default(`http://localhost:${PORTS.web}`),
  AUTH_SECRET: z.string().min(32, 'needs at least 32 characters'),
  SETUP_TOKEN: z.string().min(16).optional(),
  MODELS: z.string().optional(),
  EMBEDDERS: z.string().optional(),
  /** The model endpoint (worker/), as tokens name it and the API reaches it. */
  AWS_REGION: z.string().optional(),
  LLAMMA_ENDPOINT: z.url({ protocol: /^https?$/, error: 'must be an http or https address' }).optional(),
  /** Where pages stream from it themselves. */
  NEXT_PUBLIC_LLAMMA_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be an http or https address' })
    .optional(),
  /** Signs the endpoint's tokens: a private JWK of `npm run worker:keys`. */
  LLAMMA_SIGNING_KEY: z.string().optional(),
  /** Check the endpoint's receipts: public JWKs of `npm run worker:keys`, as JSON. */
  LLAMMA_RECEIPT_KEYS: z.string().optional(),
  RERANKER: z.string().optional(),
  /** What each person may spend on language models in a calendar month (UTC): tokens, US dollars. 0: nothing at all. */
  BUDGET_TOKENS: z.coerce.number().int().min(0).max(LIMITS.budgetTokens).optional(),
  BUDGET_USD: z.coerce.number().min(0).max(LIMITS.budgetUsd).optional(),
  /** A running Ollama is looked for (local mode only). */
  OLLAMA_DISCOVERY: flag.default(false),
  TRUSTED_PROXY_HOPS: z.coerce.number().int().min(0).max(10).default(1),
  MODEL_DIR: z.string().optional(),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65535).default(PORTS.api),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  TERRACE_RELEASE: z.string().default('dev'),
  /** For which stage metrics are written; unset: none are. */
  TERRACE_STAGE: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$/, 'must be a short name of letters, digits, ., _ and -')
    .optional(),
  /** When the machine's image was made; the image says so itself. */
  TERRACE_IMAGE_MADE_AT: z.iso.datetime({ offset: true }).optional(),
  TERRACE_HOME: z.string().default('.terrace'),
  /** Our parent holds a pipe to our stdin: when that ends, the parent is gone and we stop. */
  TERRACE_SUPERVISED: flag.default(false),
  /** Embedding threads of the ingest process; 0 = one per core. */
  INGEST_THREADS: z.coerce.number().int().min(0).max(64).default(0),
})

export type StorageConfig =
  /** An absolute folder. */
  | { readonly kind: 'files'; readonly dir: string }
  /** Without slashes at the prefix's ends; empty for the bucket's root. */
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string }

export type Config = Readonly<{
  databaseUrl: string
  /** Lists and rebuilds of the index are read there when it has what they need (database/replica.ts). */
  databaseReplicaUrl: string | undefined
  /** PEM text. With it the server has to prove its name. */
  databaseCa: string | undefined
  databaseAuth: DatabaseAuth
  migrateAtStart: boolean
  storage: StorageConfig
  /** What answers searches while the database does not say it (index/switch/choice.ts). */
  indexEngine: EngineName
  /** The cluster, whether or not it answers. With user and password, where it has them. */
  openSearchUrl: string | undefined
  indexDir: string
  /** Whether servers share checkpoints through the blob store. */
  sharedCheckpoints: boolean
  publicUrl: string
  /** Whether cookies carry `Secure`: exactly when people come by https. */
  secureCookies: boolean
  authSecret: string
  setupToken: string | undefined
  models: string | undefined
  embedders: string | undefined
  /** Where models of Amazon Bedrock are whose entry names no region. */
  awsRegion: string | undefined
  modelEndpoint: string | undefined
  modelEndpointKey: string | undefined
  /** Undefined: no page streams from the endpoint itself. */
  pageModelEndpoint: string | undefined
  modelEndpointReceiptKeys: string | undefined
  reranker: string | undefined
  /** Of each person and calendar month (UTC); null: no limit. */
  budget: { readonly tokens: number | null; readonly usd: number | null }
  ollamaDiscovery: boolean
  trustedProxyHops: number
  /** Folder with the embedder's weights, or undefined: words only. */
  modelDir: string
  host: string
  port: number
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'
  release: string
  /** Undefined: nothing is measured (metrics/). */
  stage: string | undefined
  imageMadeAt: Date | undefined
  home: string
  supervised: boolean
  ingestThreads: number
}>

/**
 * Parses an environment.
 * @throws Error naming every variable that is missing or wrong, without its value.
 */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''))
  const result = schema.safeParse(given)
  if (!result.success) {
    const lines = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
    throw new Error(`The environment is not complete:\n${lines.join('\n')}`)
  }
  const e = result.data
  if (e.INDEX_ENGINE === 'opensearch' && e.OPENSEARCH_URL === undefined)
    throw new Error('The environment is not complete:\n  OPENSEARCH_URL: INDEX_ENGINE=opensearch needs it')
  const home = path.resolve(e.TERRACE_HOME)
  return {
    databaseUrl: e.DATABASE_URL,
    databaseReplicaUrl: e.DATABASE_REPLICA_URL,
    ...parseDatabase(e),
    migrateAtStart: e.MIGRATE_AT_START,
    storage: parseStorage(e.STORAGE),
    indexEngine: e.INDEX_ENGINE,
    openSearchUrl: e.OPENSEARCH_URL,
    indexDir: path.resolve(e.INDEX_DIR ?? path.join(home, 'index')),
    sharedCheckpoints:
      (e.INDEX_CHECKPOINTS ?? (e.STORAGE.startsWith('s3:') ? 'shared' : 'local')) === 'shared',
    publicUrl: e.PUBLIC_URL.replace(/\/$/, ''),
    secureCookies: e.PUBLIC_URL.startsWith('https:'),
    authSecret: e.AUTH_SECRET,
    setupToken: e.SETUP_TOKEN,
    models: e.MODELS,
    embedders: e.EMBEDDERS,
    awsRegion: e.AWS_REGION,
    modelEndpoint: e.LLAMMA_ENDPOINT ?? e.NEXT_PUBLIC_LLAMMA_ENDPOINT,
    modelEndpointKey: e.LLAMMA_SIGNING_KEY,
    pageModelEndpoint: e.NEXT_PUBLIC_LLAMMA_ENDPOINT,
    modelEndpointReceiptKeys: e.LLAMMA_RECEIPT_KEYS,
    reranker: e.RERANKER,
    budget: { tokens: e.BUDGET_TOKENS ?? null, usd: e.BUDGET_USD ?? null },
    ollamaDiscovery: e.OLLAMA_DISCOVERY,
    trustedProxyHops: e.TRUSTED_PROXY_HOPS,
    modelDir: path.resolve(e.MODEL_DIR ?? path.join(home, 'models')),
    host: e.HOST,
    port: e.PORT,
    logLevel: e.LOG_LEVEL,
    release: e.TERRACE_RELEASE,
    stage: e.TERRACE_STAGE,
    imageMadeAt: e.TERRACE_IMAGE_MADE_AT === undefined ? undefined : new Date(e.TERRACE_IMAGE_MADE_AT),
    home,
    supervised: e.TERRACE_SUPERVISED,
    ingestThreads: e.INGEST_THREADS,
  }
}

function parseStorage(value: string): StorageConfig {
  const [, bucket, prefix = ''] = S3.exec(value) ?? []
  return bucket === undefined
    ? { kind: 'files', dir: path.resolve(value.slice('file:'.length)) }
    : { kind: 's3', bucket, prefix }
}

/** Reads this process's environment. @throws like parseConfig */
export function loadConfig(): Config {
  return parseConfig(process.env)
}

/** What MODELS, EMBEDDERS and RERANKER name as `env:NAME`: a secret that stands in the environment under a name of the operator's choice. */
export function readNamedSecret(name: string): string | undefined {
  const value = process.env[name]
  return value === '' ? undefined : value
}

/**
 * What `npm run owner:reset` needs, without the rest of a server's environment. On one machine the secret lies
 * where `npm start` keeps it.
 * @throws Error when there is no secret
 */
export function loadResetConfig(): Pick<Config, 'authSecret' | 'publicUrl'> {
  const { AUTH_SECRET, PUBLIC_URL, PORT, TERRACE_HOME } = process.env
  const publicUrl = (PUBLIC_URL || `http://localhost:${PORT || PORTS.web}`).replace(/\/$/, '')
  if (AUTH_SECRET) return { authSecret: AUTH_SECRET, publicUrl }
  const file = path.join(path.resolve(TERRACE_HOME || '.terrace'), 'secrets.json')
  if (!existsSync(file)) throw new Error('There is no installation here. Start it once, or set AUTH_SECRET.')
  const { authSecret } = z
    .object({ authSecret: z.string().min(32) })
    .parse(JSON.parse(readFileSync(file, 'utf8')))
  return { authSecret, publicUrl }
}

/**
 * What commands on the database need, without the rest of a server's environment.
 * @throws Error when DATABASE_URL is not set, or what sign-in needs
 */
export function loadDatabaseConfig(): Pick<Config, 'databaseUrl' | 'databaseCa' | 'databaseAuth'> {
  const { DATABASE_URL, DATABASE_CA, DATABASE_AUTH, AWS_REGION } = process.env
  if (!DATABASE_URL) throw new Error('Set DATABASE_URL to the database that this is about.')
  if (DATABASE_AUTH && DATABASE_AUTH !== 'password' && DATABASE_AUTH !== 'iam')
    throw new Error('DATABASE_AUTH is password or iam.')
  const settings = {
    DATABASE_URL,
    DATABASE_AUTH: DATABASE_AUTH || undefined,
    AWS_REGION: AWS_REGION || undefined,
  }
  return {
    databaseUrl: DATABASE_URL,
    ...parseDatabase({ ...settings, DATABASE_CA: DATABASE_CA || undefined }),
  }
}

/**
 * For `npm run engine`: like `loadDatabaseConfig`; on one machine, where `npm start` runs a PostgreSQL of its own, that one.
 * @throws Error when there is neither
 */
export function loadEngineConfig(): Pick<Config, 'databaseUrl' | 'databaseCa' | 'databaseAuth'> {
  if (process.env.DATABASE_URL) return loadDatabaseConfig()
  const home = path.resolve(process.env.TERRACE_HOME || '.terrace')
  try {
    const { postgresPassword } = z
      .object({ postgresPassword: z.string() })
      .parse(JSON.parse(readFileSync(path.join(home, 'secrets.json'), 'utf8')))
    const usual = path.join(home, 'postgres')
    const outside = path.join(home, 'postgres-outside.txt')
    const folder = existsSync(usual) || !existsSync(outside) ? usual : readFileSync(outside, 'utf8').trim()
    // Its fourth line is the port: https://www.postgresql.org/docs/current/storage-file-layout.html
    const port = readFileSync(path.join(folder, 'postmaster.pid'), 'utf8').split('\n')[3]?.trim()
    const databaseUrl = `postgresql://postgres:${encodeURIComponent(postgresPassword)}@127.0.0.1:${port}/terrace`
    return { databaseUrl, databaseCa: undefined, databaseAuth: { kind: 'password' } }
  } catch (cause) {
    throw new Error(
      `No Terrace runs with the data in ${home}. Start it, or set DATABASE_URL to the database that this is about.`,
      { cause },
    )
  }
}

/** A key for one purpose, derived from the one secret (HKDF-SHA256, RFC 5869). 32 bytes. */
export function deriveKey(config: Pick<Config, 'authSecret'>, label: string): Buffer {
  const salt = createHash('sha256').update('terrace').digest()
  return Buffer.from(hkdfSync('sha256', config.authSecret, salt, label, 32))
}

/**
 * The environment for a child process: only what is named, plus what any program needs to start.
 * Parsers get nothing else: a document that takes one over finds no secret there.
 */
export function childEnvironment(extra: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const base: Record<string, string> = {}
  for (const name of ['PATH', 'LANG', 'TZ', 'TMPDIR', 'NODE_EXTRA_CA_CERTS']) {
    const value = process.env[name]
    if (value !== undefined) base[name] = value
  }
  // Named, because the web tier's types (Next's) call an environment without it incomplete.
  return { ...base, ...extra, NODE_ENV: process.env.NODE_ENV ?? 'production' }
}

/** What the AWS SDK's own chain of region, endpoint and credentials reads, for children that reach the bucket. */
export function awsEnvironment(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(process.env))
    if (/^AWS_/.test(name) && value !== undefined) found[name] = value
  return found
}

/** Node's cache of compiled modules, for children that are trusted to write it; nothing where this process has none. */
export function compileCache(): Record<string, string> {
  const folder = process.env.NODE_COMPILE_CACHE
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: folder }
}

/**
 * ONNX Runtime's own builds (1.29 and later) send what runs, on what machine and how fast to Microsoft, and keep a
 * device id in the home folder, unless this is set before the library is loaded. Nothing leaves a team's account.
 * To be called on the main thread: only there does a variable reach native code.
 */
export function disableOnnxTelemetry(): void {
  process.env.ORT_DISABLE_TELEMETRY = '1'
}
