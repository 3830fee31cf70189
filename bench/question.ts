// From the question's POST, directly to the API by one connection, to the request that reaches the model: rights, search
// at 100,000 passages, choice of passages, prompt. Beside it the bare embedding of such a question in the same run.
// `npm run bench -- question [--passages=N] [--questions=N]`
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { parseConfig } from '../api/src/config.ts'
import { startEmbedder } from '../api/src/models/embedder.ts'
import { MODEL_DIR } from '../api/test/ingest.ts'
import { begin, finish, quantile, spread } from './harness.ts'
import { readSentences, textMaker } from './search/text.ts'
import { startProduct } from './streams/product.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '100000' },
    questions: { type: 'string', default: '300' },
  },
})
const run = begin('question', ['fastify', '@trpc/server', 'faiss-node', 'onnxruntime-node', 'pg'])
const embedder = await startEmbedder(
  parseConfig({ DATABASE_URL: 'x://x', STORAGE: 'file:/x', AUTH_SECRET: 'x'.repeat(40), MODEL_DIR }),
  { threads: 1, log: pino({ enabled: false }) },
)
if (embedder === null) throw new Error('no embedder weights: npm run models')
const text = textMaker(readSentences(), 1)
const bare: number[] = []
for (let i = 0; i < 200; i++) {
  const began = performance.now()
  await embedder.embed(text.question(), 'query')
  bare.push(performance.now() - began)
}
await embedder.close()

console.log(`making ${values.passages} passages`)
await using product = await startProduct(Number(values.passages), true)
await product.firstRequest(50)
const waits = await product.firstRequest(Number(values.questions))
finish(run, { passages: product.passages, questionToModelMs: spread(waits), bareEmbeddingMs: spread(bare) }, [
  {
    bar: 'from the question to the model, p95',
    value: quantile(waits, 0.95),
    limit: 80,
    unit: 'ms',
    better: 'less',
  },
])
