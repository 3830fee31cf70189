// What embedding at low priority gives to searches, and what it costs ingestion: questions embedded on one thread,
// twenty a second, while passages are embedded on one thread a core, at niceness 0, 10 and 19, and alone. Rounds are
// interleaved. Options: --seconds=N (of each window) --rounds=N
import os from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { parseConfig } from '../api/src/config.ts'
import { type LocalEmbedder, startEmbedder } from '../api/src/models/embedder.ts'
import { MODEL_DIR } from '../api/test/ingest.ts'
import { type Bar, begin, type Figure, finish, median, quantile } from './harness.ts'
import { readSentences, textMaker } from './search/text.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' } },
})
const windowMs = Number(values.seconds) * 1000
const NICENESS = [0, 10, 19]
const EVERY_MS = 50

const run = begin('ingest-priority', ['onnxruntime-node'])
const config = parseConfig({
  DATABASE_URL: 'x://x',
  STORAGE: 'file:/x',
  AUTH_SECRET: 'x'.repeat(40),
  MODEL_DIR,
})
const log = pino({ enabled: false })
const text = textMaker(readSentences(), 1)
const passages = Array.from({ length: 500 }, () => text.passage(115))

async function embedder(threads: number, nice: number): Promise<LocalEmbedder> {
  const started = await startEmbedder(config, { threads, nice, log })
  if (started === null) throw new Error('no embedder weights: npm run models')
  return started
}

interface Window {
  readonly questions: readonly number[]
  readonly tokensPerSecond: number
}

/** Questions, unless `asked` is false, beside passages on `background`. */
async function measure(background: LocalEmbedder | null, asked: boolean): Promise<Window> {
  const stop = new AbortController()
  let tokens = 0
  const ingest = async () => {
    for (let i = 0; !stop.signal.aborted; i++) {
      const passage = passages[i % passages.length] ?? ''
      if (background === null) return
      try {
        await background.embed(passage, 'passage', stop.signal)
      } catch {
        return
      }
      tokens += background.countTokens(passage) + 2
    }
  }
  const lanes = Array.from({ length: 2 * os.availableParallelism() }, ingest)
  const began = performance.now()
  const questions: number[] = []
  while (performance.now() - began < windowMs) {
    const asking = performance.now()
    if (asked) {
      await front.embed(text.question(), 'query')
      questions.push(performance.now() - asking)
    }
    await sleep(Math.max(0, EVERY_MS - (performance.now() - asking)))
  }
  const seconds = (performance.now() - began) / 1000
  stop.abort()
  await Promise.all(lanes)
  return { questions, tokensPerSecond: tokens / seconds }
}

const front = await embedder(1, 0)
const threads = os.availableParallelism()
const windows = new Map<string, Window[]>()
for (let round = 0; round < Number(values.rounds); round++) {
  const add = (name: string, window: Window) => windows.set(name, [...(windows.get(name) ?? []), window])
  add('questionsAlone', await measure(null, true))
  for (const nice of NICENESS) {
    const background = await embedder(threads, nice)
    add(`ingestAtNice${nice}Alone`, await measure(background, false))
    add(`bothAtNice${nice}`, await measure(background, true))
    await background.close()
  }
}
await front.close()

const figures: Record<string, Figure> = {}
for (const [name, list] of windows) {
  const questions = list.flatMap((window) => window.questions)
  figures[name] = {
    ...(questions.length === 0
      ? {}
      : { questionP50: median(questions), questionP95: quantile(questions, 0.95) }),
    tokensPerSecond: median(list.map((window) => window.tokensPerSecond)),
  }
}
const p95 = (name: string) => quantile(windows.get(name)?.flatMap((window) => window.questions) ?? [], 0.95)
const bars: Bar[] = [
  {
    bar: 'embedding a question while ingesting at niceness 10, times alone, p95',
    value: p95('bothAtNice10') / p95('questionsAlone'),
    limit: 2,
    unit: '×',
    better: 'less',
  },
]
finish(run, figures, bars)
