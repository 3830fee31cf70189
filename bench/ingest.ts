// Ingestion of real documents (text, HTML, PDF) by the ingest process with parsers, database and all, against the bare
// model on the same texts with the same session options: bare, product, bare. Then the time from the end of an upload's
// request to the first search that finds its words, at several sizes of the library.
// Options: --megabytes=N (of files) --levels=1000,10000,100000 (passages; empty skips) --uploads=N (at each level)
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { parseConfig } from '../api/src/config.ts'
import { migrate } from '../api/src/database/migrate.ts'
import { createPool, type Pool } from '../api/src/database/pool.ts'
import { startJobs } from '../api/src/jobs/jobs.ts'
import { embeddedText } from '../api/src/models/embed-passages.ts'
import { readTokenizer } from '../api/src/models/embedder-tokenizer.ts'
import { openBlobStore } from '../api/src/storage/open.ts'
import { insertCollection, MODEL_DIR, spawnIngest, upload } from '../api/test/ingest.ts'
import { EMBEDDER_WEIGHTS } from '../contract/weights.ts'
import { startPostgres } from '../local/postgres.ts'
import {
  type Bar,
  begin,
  cpuMs,
  descendants,
  type Figure,
  finish,
  pssBytes,
  quantile,
  spread,
} from './harness.ts'
import { type Bare, bareEmbedding } from './ingest/bare.ts'
import { realDocuments } from './ingest/documents.ts'
import { allSearchable } from './ingest/serving.ts'
import { wordsLatency } from './ingest/words.ts'

const { values } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '3' },
    levels: { type: 'string', default: '1000,10000,100000' },
    uploads: { type: 'string', default: '40' },
  },
})
const MAX_TOKENS = 512

const run = begin('ingest', ['onnxruntime-node', 'unpdf', 'pg', 'pg-boss'])
const folder = mkdtempSync(path.join(tmpdir(), 'terrace-bench-'))
chmodSync(folder, 0o755)
const weights = path.join(MODEL_DIR, EMBEDDER_WEIGHTS.folder)
const model = path.join(weights, EMBEDDER_WEIGHTS.files.model.name)
const tokenizer = readTokenizer(path.join(weights, EMBEDDER_WEIGHTS.files.tokenizer.name))
const figures: Record<string, Figure> = {}
const bars: Bar[] = []
try {
  await throughput()
  await latency()
} finally {
  rmSync(folder, { recursive: true, force: true })
}
finish(run, figures, bars)

async function throughput(): Promise<void> {
  const postgres = await startPostgres({ dataDir: path.join(folder, 'postgres'), password: 'bench' })
  const env = {
    DATABASE_URL: postgres.url('postgres'),
    STORAGE: `file:${folder}/storage`,
    TERRACE_HOME: folder,
    MODEL_DIR,
    AUTH_SECRET: 'x'.repeat(40),
    LOG_LEVEL: 'warn',
  }
  await migrate({ connectionString: env.DATABASE_URL })
  const config = parseConfig(env)
  const pool = createPool(config, { name: 'bench' })
  const jobs = await startJobs(config, pool, pino({ enabled: false }), { supervise: false })
  const blobs = await openBlobStore(config)
  const ingest = spawnIngest({ ...env, LOG_LEVEL: 'info' })
  try {
    await ingest.ready()
    const collection = await insertCollection(pool)
    const pid = ingest.child.pid ?? 0
    // Warm: parsers with their libraries compiled, sessions run, statements prepared.
    for (const { name, bytes } of realDocuments(200_000))
      await upload({ pool, jobs, blobs }, collection, name, bytes)
    await allSearchable(pool)
    const documents = realDocuments(Number(values.megabytes) * 1e6)
    const before = { ingest: cpuOf(pid), postgres: cpuOf(postgres.process.pid ?? 0) }
    const began = performance.now()
    const ids: string[] = []
    for (const { name, bytes } of documents)
      ids.push((await upload({ pool, jobs, blobs }, collection, name, bytes)).versionId)
    const accepted = (performance.now() - began) / 1000
    await allSearchable(pool)
    const seconds = (performance.now() - began) / 1000
    const cpu = (cpuOf(pid) - before.ingest) / 1000
    const postgresCpu = (cpuOf(postgres.process.pid ?? 0) - before.postgres) / 1000
    const memory = [pid, ...descendants(pid).map((child) => child.pid)].reduce(
      (sum, id) => sum + pssBytes(id),
      0,
    )
    await ingest.kill('SIGTERM')
    const { texts, textBytes, documentTokens } = await ingested(pool, ids)
    const bare = [await bareEmbedding(model, texts), await bareEmbedding(model, texts)]
    report({
      documents: documents.length,
      accepted,
      seconds,
      cpu,
      postgresCpu,
      memory,
      textBytes,
      documentTokens,
      bare,
    })
  } finally {
    await ingest.kill('SIGKILL')
    await jobs.stop({ graceful: false })
    await pool.end()
    await postgres.stop()
  }
}

interface Measured {
  readonly documents: number
  readonly accepted: number
  readonly seconds: number
  readonly cpu: number
  readonly postgresCpu: number
  readonly memory: number
  readonly textBytes: number
  readonly documentTokens: number
  readonly bare: readonly Bare[]
}

function report(m: Measured): void {
  const tokens = m.bare[0]?.tokens ?? 0
  const bareSeconds = quantile(
    m.bare.map(({ seconds }) => seconds),
    0.5,
  )
  const bareCpu = quantile(
    m.bare.map(({ cpuSeconds }) => cpuSeconds),
    0.5,
  )
  const megabytes = m.textBytes / 1e6
  figures.documents = {
    files: m.documents,
    textMegabytes: megabytes,
    tokens: m.documentTokens,
    embeddedTokens: tokens,
  }
  figures.ingestion = {
    acceptedSeconds: m.accepted,
    seconds: m.seconds,
    tokensPerSecond: tokens / m.seconds,
    cpuSeconds: m.cpu,
    cpuSecondsPerMegabyte: m.cpu / megabytes,
    postgresCpuSeconds: m.postgresCpu,
    pssMegabytes: m.memory / 2 ** 20,
  }
  figures.bare = {
    seconds: bareSeconds,
    tokensPerSecond: tokens / bareSeconds,
    cpuSeconds: bareCpu,
    cpuSecondsPerMegabyte: bareCpu / megabytes,
  }
  bars.push(
    {
      bar: "ingestion, share of the bare embedder's tokens/s on all cores",
      value: bareSeconds / m.seconds,
      limit: 0.85,
      unit: '',
      better: 'more',
    },
    {
      bar: "ingestion, times the bare embedder's CPU per MB",
      value: m.cpu / bareCpu,
      limit: 1.15,
      unit: '×',
      better: 'less',
    },
    {
      bar: 'embedded tokens for each of the document',
      value: tokens / m.documentTokens,
      limit: 1.1,
      unit: '',
      better: 'less',
    },
  )
}

async function latency(): Promise<void> {
  const levels = values.levels.split(',').filter(Boolean).map(Number)
  if (levels.length === 0) return
  for (const passages of levels) {
    console.log(`words at ${passages} passages`)
    const words = await wordsLatency({
      passages,
      uploads: Number(values.uploads),
      modelDir: MODEL_DIR,
    })
    const small = words.small.map(({ found }) => found)
    const megabyte = words.megabyte.map(({ found }) => found)
    figures[`wordsAt${passages}`] = {
      smallPublishedMs: spread(words.small.map(({ published }) => published)),
      smallFoundMs: spread(small),
      megabyteFoundMs: spread(megabyte),
    }
    bars.push(
      {
        bar: `2 kB searchable by words at ${passages} passages, p95`,
        value: quantile(small, 0.95),
        limit: 150,
        unit: 'ms',
        better: 'less',
      },
      {
        bar: `1 MB searchable by words at ${passages} passages, slowest`,
        value: Math.max(...megabyte),
        limit: 3_000,
        unit: 'ms',
        better: 'less',
      },
    )
  }
}

/** The process with everything below it, ended children included where their parent waited for them. */
function cpuOf(pid: number): number {
  return [pid, ...descendants(pid).map((child) => child.pid)].reduce((sum, id) => sum + cpuMs(id), 0)
}

/** What the embedder was given for these versions, and how much text they have. */
async function ingested(
  pool: Pool,
  ids: readonly string[],
): Promise<{ texts: Int32Array[]; textBytes: number; documentTokens: number }> {
  const passages = await pool.query<{ heading: string; text: string }>(
    'SELECT heading, text FROM passages WHERE version_id = ANY($1) ORDER BY version_id, ordinal',
    [ids],
  )
  const pages = await pool.query<{ text: string }>('SELECT text FROM pages WHERE version_id = ANY($1)', [ids])
  return {
    texts: passages.rows.map((row) => Int32Array.from(tokenizer.encode(embeddedText(row), MAX_TOKENS))),
    textBytes: pages.rows.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0),
    documentTokens: pages.rows.reduce((sum, { text }) => sum + tokenizer.count(text), 0),
  }
}
