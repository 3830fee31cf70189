// Real text (texts.ts) and its real embeddings. Embedded once by the product's own model, in a folder that is not
// committed; whoever stops it goes on later where it was.
// Alone, to fill that folder: `node bench/opensearch/embeddings.ts [--most=N] [--seconds=S]`
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { parseConfig } from '../../api/src/config.ts'
import { type LocalEmbedder, startEmbedder } from '../../api/src/models/embedder.ts'
import { ROOT } from '../harness.ts'
import { realTexts } from './texts.ts'

export const DIMENSIONS = 384
const BYTES = 4 * DIMENSIONS
const PORTION = 64

export interface EmbeddedTexts {
  readonly texts: readonly string[]
  /** One after the other, unit length, as many as texts. */
  readonly vectors: Float32Array
}

function cacheOf(texts: readonly string[]): string {
  const folder = path.join(ROOT, '.native/bench-embeddings')
  mkdirSync(folder, { recursive: true })
  const key = createHash('sha256').update(texts.join('\n')).digest('hex').slice(0, 12)
  return path.join(folder, `texts-${key}.f32`)
}

/** What is embedded already. */
export function embeddedTexts(): EmbeddedTexts {
  const texts = realTexts()
  const file = cacheOf(texts)
  const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0)
  const count = Math.floor(bytes.length / BYTES)
  return {
    texts: texts.slice(0, count),
    vectors: new Float32Array(new Uint8Array(bytes.subarray(0, count * BYTES)).buffer),
  }
}

/** Embeds up to `most` texts, for at most so many seconds. @throws Error without the model's weights */
export async function embedTexts(most: number, seconds: number): Promise<void> {
  const texts = realTexts()
  const file = cacheOf(texts)
  const done = embeddedTexts().texts.length
  if (done >= Math.min(most, texts.length) || seconds <= 0) return
  // A part of a vector may be left of a run that was killed.
  if (existsSync(file)) truncateSync(file, done * BYTES)
  const embedder = await theEmbedder(19)
  const until = performance.now() + 1000 * seconds
  try {
    for (let from = done; from < Math.min(most, texts.length) && performance.now() < until; from += PORTION) {
      const portion = texts.slice(from, Math.min(from + PORTION, most))
      const vectors = await Promise.all(portion.map((text) => embedder.embed(text, 'background')))
      appendFileSync(file, Buffer.concat(vectors.map((vector) => Buffer.from(vector.buffer))))
      if ((from - done) % (50 * PORTION) === 0)
        console.log(`  embedded: ${from + portion.length} of ${texts.length}`)
    }
  } finally {
    await embedder.close()
  }
}

/** As people ask: what a text says, without the name, with the model's own beginning of a question. */
export async function embedQuestions(
  texts: readonly string[],
): Promise<{ text: string; vector: Float32Array }[]> {
  const questions = texts.map((text) => text.slice(text.indexOf(': ') + 2))
  return withEmbedder((embed) =>
    Promise.all(questions.map(async (text) => ({ text, vector: await embed(text) }))),
  )
}

/** For as long as `use` takes, with what embeds a question. */
export async function withEmbedder<T>(
  use: (embed: (question: string) => Promise<Float32Array>) => Promise<T>,
): Promise<T> {
  const embedder = await theEmbedder(0)
  try {
    return await use((question) => embedder.embed(question, 'query'))
  } finally {
    await embedder.close()
  }
}

async function theEmbedder(nice: number): Promise<LocalEmbedder> {
  const modelDir = process.env.MODEL_DIR || path.join(ROOT, '.native/models')
  const config = parseConfig({
    ...{ DATABASE_URL: 'x://x', STORAGE: 'file:/x', AUTH_SECRET: 'x'.repeat(40), MODEL_DIR: modelDir },
  })
  const embedder = await startEmbedder(config, { threads: 2, nice, log: pino({ enabled: false }) })
  if (embedder === null) throw new Error('no embedder weights: npm run models')
  return embedder
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { most: { type: 'string', default: '100000' }, seconds: { type: 'string', default: '86400' } },
  })
  await embedTexts(Number(values.most), Number(values.seconds))
}
