// A process that writes answers, to be killed: takes one question and says so on stdout.
// `node api/test/answering-server.ts DATABASE_URL MODELS USER_ID CHAT_ID QUESTION`
import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { createAnswers } from '../src/chat/answers.ts'
import { ask } from '../src/chat/ask.ts'
import { Rewriter } from '../src/chat/rewrite.ts'
import { parseConfig } from '../src/config.ts'
import { createPool } from '../src/database/pool.ts'
import { NO_METRICS } from '../src/metrics/metrics.ts'
import { createModels } from '../src/models/registry.ts'
import { createUsage } from '../src/usage/usage.ts'
import { testEmbedders } from './embedders.ts'
import { wordIndex } from './word-index.ts'

const [DATABASE_URL = '', MODELS = '', userId = '', chatId = '', text = ''] = process.argv.slice(2)
const config = parseConfig({
  ...{ DATABASE_URL, MODELS, STORAGE: 'file:/tmp/terrace-unused' },
  AUTH_SECRET: 'test-secret-test-secret-test-secret-test',
})
const log = pino({ level: 'silent' })
const pool = createPool(config, { name: 'terrace-test-answering' })
const models = createModels(config, log)
const answers = createAnswers({
  config,
  log,
  pool,
  index: wordIndex(pool),
  embedders: testEmbedders(),
  models,
  rewriter: new Rewriter(log),
  usage: createUsage({ pool, log, budget: config.budget }),
  metrics: NO_METRICS,
})
const viewer = { userId, sessionId: 'test', name: '', email: '', role: 'member' as const }
const asked = await ask({ pool, models, answers }, viewer, { chatId, text, requestId: randomUUID() })
console.log(JSON.stringify(asked))
process.on('SIGTERM', async () => {
  await answers.stop()
  process.exit()
})
