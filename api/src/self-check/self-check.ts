// What an API server is made of, tried together on this machine without a database: a document of the image is read by a
// parser in its own sandbox, embedded, and found by a question through FAISS. For the boot test of an image (docs/boot.md):
// weights, native code and sandbox depend on the machine's processor and kernel, everything else was tested before.
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Logger } from 'pino'
import { EMBEDDER_WEIGHTS } from '../../../contract/weights.ts'
import { loadFaiss } from '../index/vectors/faiss.ts'
import { dot, type Seeker, type VectorEngine } from '../index/vectors/port.ts'
import { segmentHeader } from '../index/vectors/segment-file.ts'
import type { PageOutput } from '../ingest/parse/child.ts'
import { startParserPool } from '../ingest/parse/pool.ts'
import { embeddedText } from '../models/embed-passages.ts'
import { startEmbedder } from '../models/embedder.ts'
import type { Embedder } from '../models/port.ts'
import { findWeights } from '../models/weights.ts'

/** A sample, and a question whose answer stands in one passage of it. */
export interface Sample {
  readonly file: string
  readonly question: string
  /** Words of the passage that has to come first. */
  readonly expected: string
}

const SAMPLE: Sample = {
  file: path.resolve(import.meta.dirname, '../../../docs/samples/3-asking-and-citations.md'),
  question: 'What happens to an answer when I close the page while it is written?',
  expected: 'Nothing is lost when you close the page',
}
const PARSING_MS = 120_000

export interface SelfCheckOptions {
  readonly modelDir: string
  readonly log: Logger
  /** Default: FAISS's, where it can be loaded. */
  readonly engine?: VectorEngine | null
  /** Default: one of the image's own samples. */
  readonly sample?: Sample
}

/** @returns what is wrong, in words; nothing: all of it works. Never throws */
export async function selfCheck(options: SelfCheckOptions): Promise<string[]> {
  try {
    return await check(options)
  } catch (error) {
    return [error instanceof Error ? sentence(error) : String(error)]
  }
}

const sentence = ({ message, cause }: Error): string =>
  cause instanceof Error ? `${message} (${sentence(cause)})` : message

async function check({ modelDir, log, engine = loadFaiss(), sample = SAMPLE }: SelfCheckOptions) {
  if (engine === null) return ['FAISS’s addon can not be loaded']
  const found = await findWeights(modelDir)
  if (found.state !== 'found')
    return [
      found.state === 'missing'
        ? `the weights of ${EMBEDDER_WEIGHTS.model} are missing: ${found.file}`
        : `${found.file} is not the pinned file of ${EMBEDDER_WEIGHTS.model}`,
    ]
  const embedder = await startEmbedder({ modelDir }, { threads: 1, log })
  if (embedder === null) return [`${EMBEDDER_WEIGHTS.model} can not be started`]
  await using stack = new AsyncDisposableStack()
  stack.defer(() => embedder.close())
  const { passages, findings } = await read(sample, found.weights.tokenizer, log)
  const vectors = await Promise.all(passages.map((text) => embedder.embed(text, 'passage')))
  const query = await embedder.embed(sample.question, 'query')
  return [...findings, ...(await searched(embedder, engine, { sample, passages, vectors, query }))]
}

/** By a parser's own process, locked in as those of ingest are. */
async function read(sample: Sample, tokenizer: string, log: Logger) {
  const parsers = await startParserPool({ log, tokenizer, size: 1 })
  try {
    const { name, network } = parsers.sandbox
    const pages: PageOutput[] = []
    const file = {
      filename: path.basename(sample.file),
      bytes: (await stat(sample.file)).size,
      body: async () => createReadStream(sample.file),
    }
    const hooks = {
      onProgress: () => undefined,
      onSplitting: () => undefined,
      onPage: (page: PageOutput) => void pages.push(page),
    }
    await parsers.parse(file, hooks, AbortSignal.timeout(PARSING_MS))
    const passages = pages.flatMap((page) =>
      page.passages.map(({ heading, start, end }) =>
        embeddedText({ heading, text: page.text.slice(start, end) }),
      ),
    )
    return { passages, findings: network ? [`its parsers are not locked in: ${name}`] : [] }
  } finally {
    await parsers.close()
  }
}

interface Searched {
  readonly sample: Sample
  readonly passages: readonly string[]
  readonly vectors: readonly Float32Array[]
  readonly query: Float32Array
}

async function searched(embedder: Embedder, engine: VectorEngine, of: Searched): Promise<string[]> {
  const { sample, passages, vectors, query } = of
  if (passages.length < 2) return [`${path.basename(sample.file)} has become ${passages.length} passages`]
  const offered = await scan(engine, embedder.identity.dimensions ?? query.length, vectors, query)
  const wrong = offered.filter(({ label, lower, upper }) => {
    const exact = dot(query, vectors[label] ?? new Float32Array(query.length), 0)
    // NaN is within nothing.
    return !(exact >= lower && exact <= upper)
  })
  if (wrong.length > 0) return [`FAISS’s scores of ${wrong.length} passages are not those of their vectors`]
  const [best] = offered.toSorted((one, other) => other.lower - one.lower)
  if (best === undefined) return ['FAISS has found nothing']
  const first = passages[best.label] ?? ''
  return first.includes(sample.expected)
    ? []
    : [`the passage that was found first is not the one with “${sample.expected}”`]
}

interface Offered {
  readonly label: number
  readonly lower: number
  readonly upper: number
}

async function scan(
  engine: VectorEngine,
  dimensions: number,
  vectors: readonly Float32Array[],
  query: Float32Array,
): Promise<Offered[]> {
  const folder = await mkdtemp(path.join(tmpdir(), 'terrace-self-check-'))
  try {
    const file = path.join(folder, 'segment')
    const floats = vectors.map(
      (vector) => new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength),
    )
    await writeFile(file, Buffer.concat([segmentHeader(dimensions, vectors.length), ...floats]))
    const segment = engine.open(file, dimensions)
    const offered: Offered[] = []
    const seeker: Seeker = {
      vector: query,
      expected: vectors.length,
      floor: Number.NEGATIVE_INFINITY,
      offer: (label, lower, upper) => void offered.push({ label, lower, upper }),
    }
    segment.scan([seeker])
    segment.close()
    return offered
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
