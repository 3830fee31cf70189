// What is found for follow-up questions (bench/sets/follow-ups), against the same questions written out: as they are asked,
// with the whole question before them, and as an answer searches for them, without a language model and, where MODELS
// names one, with the first of it. Retrieval only; the documents pass the whole product, as in `npm run eval`.
// `npm run bench -- followups [--split test|dev]`, after `node bench/sets/debian/make.ts`
import path from 'node:path'
import { parseArgs } from 'node:util'
import { pino } from 'pino'
import type { Viewer } from '../api/src/access/port.ts'
import { leanedOn } from '../api/src/chat/followup.ts'
import { searchConversation } from '../api/src/chat/retrieve.ts'
import { Rewriter } from '../api/src/chat/rewrite.ts'
import { parseConfig } from '../api/src/config.ts'
import { createPool } from '../api/src/database/pool.ts'
import { openBeirSet } from '../api/src/evaluation/beir.ts'
import { bootstrapMean, bootstrapRatio } from '../api/src/evaluation/bootstrap.ts'
import { measure } from '../api/src/evaluation/measures.ts'
import { startEmbeddedIndex } from '../api/src/index/engines/embedded.ts'
import { createEmbedders } from '../api/src/models/embedders.ts'
import type { LanguageModel } from '../api/src/models/port.ts'
import { createModels } from '../api/src/models/registry.ts'
import { type PassageHit, searchPassages } from '../api/src/retrieval/search.ts'
import { uploadSet } from './eval/ask.ts'
import { type EvaluatedTerrace, startTerrace } from './eval/terrace.ts'
import { begin, type Figure, finish, ROOT } from './harness.ts'
import { type FollowUp, readFollowUps, splitOf } from './sets/follow-ups/conversations.ts'

/** Passages searched for: 50 hold more than five documents. */
const DEPTH = 50

const { values } = parseArgs({ options: { split: { type: 'string', default: 'test' } } })
const chosen = readFollowUps().filter((conversation) => splitOf(conversation) === values.split)
if (chosen.length === 0) throw new Error(`there is no split "${values.split}": test or dev`)

const run = begin(`followups${values.split === 'test' ? '' : `-${values.split}`}`, [
  'faiss-node',
  'onnxruntime-node',
])
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => stop.abort())
const { signal } = stop

const set = await openBeirSet(path.join(ROOT, '.native/sets/debian'), 'test')
await using terrace = await startTerrace(signal)
const uploaded = await uploadSet(terrace, set, signal, () => {})
console.log(`${set.documents} documents, ${uploaded.passages} passages, ${chosen.length} conversations`)
const known = new Set(uploaded.ids.values())
const unknown = chosen.flatMap(({ answers }) => answers).filter((answer) => !known.has(answer))
if (unknown.length > 0) throw new Error(`the Debian set has no document ${unknown.join(', ')}`)
await using searching = await startSearching(terrace)

const asked = await askAll(chosen)
finish(run, figures(asked), [
  {
    bar: 'recall@5 of follow-ups without a model, over that of the same questions written out',
    value: ratioOf(leaning(asked), 'product').mean,
    limit: 0.75,
    unit: '×',
    better: 'more',
  },
])

/** Ranked documents of one question, best first, by how it was searched for. */
interface Rankings {
  readonly written: readonly string[]
  readonly alone: readonly string[]
  readonly concatenated: readonly string[]
  readonly product: readonly string[]
  readonly model?: readonly string[]
}
type Way = keyof Rankings

interface Answered {
  readonly conversation: FollowUp
  /** Whether the product takes it for one that leans on what was asked. */
  readonly leans: boolean
  readonly rankings: Rankings
}

interface Searching extends AsyncDisposable {
  readonly deps: Parameters<typeof searchConversation>[0]
  readonly viewer: Viewer
  /** Null without MODELS. */
  readonly model: LanguageModel | null
  readonly rewriter: Rewriter
}

/** What an API server searches with, in this process, beside the server that took the documents. */
async function startSearching({ databaseUrl, home, modelDir }: EvaluatedTerrace): Promise<Searching> {
  await using stack = new AsyncDisposableStack()
  const config = parseConfig({
    DATABASE_URL: databaseUrl,
    STORAGE: `file:${home}/storage`,
    TERRACE_HOME: home,
    INDEX_DIR: path.join(home, 'index-of-the-benchmark'),
    MODEL_DIR: modelDir,
    AUTH_SECRET: 'x'.repeat(40),
    MODELS: process.env.MODELS,
  })
  const log = pino({ level: 'warn' }, pino.destination(2))
  const pool = createPool(config, { name: 'terrace-bench' })
  stack.defer(() => pool.end())
  const embedders = await createEmbedders(config, { threads: 1, log })
  stack.defer(() => embedders.close())
  const index = await startEmbeddedIndex(config, log)
  stack.defer(() => index.close())
  const { rows } = await pool.query<{ epoch: string; seq: string }>('SELECT epoch, seq FROM index_head')
  const [head] = rows
  if (head === undefined) throw new Error('the log has no head')
  await index.waitFor({ epoch: head.epoch, seq: Number(head.seq) }, 60_000)
  const models = createModels(config, log)
  stack.defer(() => models.close())
  const { defaultId } = await models.list()
  const { language } = await models.get(defaultId)
  const viewer: Viewer = {
    ...{ userId: 'eval', sessionId: '', name: 'Evaluation', email: 'eval@example.org', role: 'member' },
  }
  const started = stack.move()
  return {
    ...{ deps: { pool, index, embedders }, viewer, model: language, rewriter: new Rewriter(log) },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

async function askAll(conversations: readonly FollowUp[]): Promise<Answered[]> {
  const answered: Answered[] = []
  for (const conversation of conversations) {
    const { turns, followUp, full } = conversation
    const rankings = {
      written: await searchFor(full),
      alone: await searchFor(followUp),
      concatenated: await searchFor(`${turns.at(-1)} ${followUp}`),
      product: await converse(conversation, async () => null),
      ...(searching.model === null
        ? {}
        : { model: await converse(conversation, rewriteBy(searching.model, conversation)) }),
    }
    answered.push({ conversation, leans: leanedOn(followUp, turns) !== null, rankings })
  }
  return answered
}

async function searchFor(query: string): Promise<string[]> {
  const { deps, viewer } = searching
  const request = { query, limit: DEPTH, collectionIds: [uploaded.collectionId] }
  const { mode, passages } = await searchPassages(deps, viewer, request, signal)
  if (mode !== 'words+meaning') throw new Error(`the search went by ${mode}`)
  return documentsOf(passages)
}

async function converse(
  { turns, followUp }: FollowUp,
  rewrite: (signal: AbortSignal) => Promise<string | null>,
): Promise<string[]> {
  const request = { limit: DEPTH, collectionIds: [uploaded.collectionId] }
  const asking = { question: followUp, asked: turns, rewrite }
  const { passages } = await searchConversation(searching.deps, searching.viewer, request, asking, signal)
  return documentsOf(passages)
}

/** Its history has no answers: they would be the model's own. */
function rewriteBy(model: LanguageModel, { turns, followUp }: FollowUp) {
  const history = turns.map((question) => ({ question, answer: '' }))
  return async (either: AbortSignal) =>
    (await searching.rewriter.rewrite(model, followUp, history, either)).query
}

/** Each once, where its best passage stands, by the set's ids. */
function documentsOf(passages: readonly PassageHit[]): string[] {
  return [...new Set(passages.map(({ documentId }) => uploaded.ids.get(documentId) ?? documentId))]
}

function valuesOf(answered: readonly Answered[], way: Way, name: 'recall@5' | 'MRR@10'): number[] {
  return answered.map(({ conversation, rankings }) =>
    measure(name, rankings[way] ?? [], new Map(conversation.answers.map((answer) => [answer, 1]))),
  )
}

function leaning(answered: readonly Answered[]): Answered[] {
  return answered.filter(({ conversation }) => conversation.kind !== 'independent')
}

function ratioOf(answered: readonly Answered[], way: Way) {
  return bootstrapRatio(valuesOf(answered, way, 'recall@5'), valuesOf(answered, 'written', 'recall@5'))
}

function figures(answered: readonly Answered[]): Record<string, Figure> {
  const followUps = leaning(answered)
  const others = answered.filter(({ conversation }) => conversation.kind === 'independent')
  const ways: readonly Way[] = [
    'written',
    'alone',
    'concatenated',
    'product',
    ...(searching.model === null ? [] : (['model'] as const)),
  ]
  const perWay = (of: (way: Way) => Figure) => Object.fromEntries(ways.map((way) => [way, of(way)]))
  const kinds = [...new Set(followUps.map(({ conversation }) => conversation.kind))]
  const recall = (list: readonly Answered[], way: Way) => valuesOf(list, way, 'recall@5')
  const worse = recall(others, 'product').filter(
    (value, i) => value < (recall(others, 'alone')[i] ?? 0),
  ).length
  const count = (list: readonly Answered[]) => list.filter(({ leans }) => leans).length
  return {
    split: values.split,
    passages: uploaded.passages,
    model: searching.model?.info.name ?? 'none: not measured',
    followUps: {
      n: followUps.length,
      takenForFollowUps: count(followUps),
      'recall@5': perWay((way) => ({ ...bootstrapMean(recall(followUps, way)) })),
      'MRR@10': perWay((way) => ({ ...bootstrapMean(valuesOf(followUps, way, 'MRR@10')) })),
      'recall@5 over that written out': perWay((way) => ({ ...ratioOf(followUps, way) })),
      'recall@5 by kind': Object.fromEntries(
        kinds.map((kind) => {
          const own = followUps.filter(({ conversation }) => conversation.kind === kind)
          return [kind, { n: own.length, ...perWay((way) => bootstrapMean(recall(own, way)).mean) }]
        }),
      ),
    },
    independent: {
      n: others.length,
      takenForFollowUps: count(others),
      'lose an answer from the first five': worse,
      'recall@5': perWay((way) => ({ ...bootstrapMean(recall(others, way)) })),
      'MRR@10': perWay((way) => ({ ...bootstrapMean(valuesOf(others, way, 'MRR@10')) })),
    },
    // Of those that are taken for follow-ups, how many are.
    gatePrecision: count(followUps) / Math.max(1, count(followUps) + count(others)),
  }
}
