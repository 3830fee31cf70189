// A chat's whole world for a test: a person with a collection of documents, a scripted model, and servers that write
// answers, as many as the test starts.
import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import type { Viewer } from '../src/access/port.ts'
import { type Answers, createAnswers } from '../src/chat/answers.ts'
import { type Asked, ask } from '../src/chat/ask.ts'
import { createChat } from '../src/chat/chats.ts'
import type { DirectDeps } from '../src/chat/direct/prepare.ts'
import { Rewriter } from '../src/chat/rewrite.ts'
import { type AnswerEvent, watchAnswer } from '../src/chat/watch.ts'
import { type Metrics, NO_METRICS } from '../src/metrics/metrics.ts'
import { createModels, type Models } from '../src/models/registry.ts'
import type { Reranking } from '../src/retrieval/rerank.ts'
import { createUsage, type Usage } from '../src/usage/usage.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { testEmbedders } from './embedders.ts'
import { type ScriptedModel, startScriptedModel } from './scripted-model.ts'
import { shelveCollection, shelveDocument } from './shelf.ts'
import { wordIndex } from './word-index.ts'

export interface Server {
  readonly answers: Answers
  readonly models: Models
  /** What it gives to chat/direct. */
  readonly deps: DirectDeps
  readonly usage: Usage
  stop(): Promise<void>
}

export interface Watched {
  readonly id: string
  readonly event: AnswerEvent
}

export interface Conversation extends AsyncDisposable {
  readonly db: TestDatabase
  readonly scripted: ScriptedModel
  readonly viewer: Viewer
  readonly collectionId: string
  /** The first server; its models are `m` (the scripted one, `knobs` in its name) and `passages`. */
  readonly server: Server
  startServer(): Server
  person(): Promise<Viewer>
  chat(more?: { model?: string; collectionIds?: string[]; documentId?: string }): Promise<string>
  ask(chatId: string, text: string, server?: Server): Promise<Asked>
  /** Everything that a watcher hears until the end, or until `signal` aborts. */
  watch(
    answerId: string,
    options?: { lastEventId?: string; server?: Server; signal?: AbortSignal; viewer?: Viewer },
  ): Promise<Watched[]>
}

export interface ConversationOptions {
  /** Knobs of the scripted model, as in `rate=20&tokens=100`. */
  readonly knobs?: string
  readonly models?: readonly object[]
  readonly documents?: Readonly<Record<string, readonly string[]>>
  /** Default: none. */
  readonly reranking?: Reranking
  /** The index never gets to where the log is. */
  readonly behind?: boolean
  /** The search engine is away: words stand in. */
  readonly away?: boolean
  /** More of the environment. */
  readonly env?: Readonly<Record<string, string>>
  /** Of all its servers. Default: none. */
  readonly metrics?: Metrics
}

export const HANDBOOK = {
  'handbook.txt': [
    'To hold a package at its present version, run apt-mark hold with its name. It stays until it is released.',
    'To release a held package, run apt-mark unhold with its name, and the next upgrade fetches the newest version.',
    'The file sources.list names the archives from which packages are fetched.',
  ],
  'faq.txt': ['A held package is shown as kept back when the system is upgraded with apt.'],
}

export async function conversation(options: ConversationOptions = {}): Promise<Conversation> {
  await using stack = new AsyncDisposableStack()
  const db = stack.use(await testDatabase())
  const scripted = stack.use(await startScriptedModel())
  const log = pino({ level: 'silent' })
  const entry = (id: string, knobs: string) => ({
    ...{ id, name: id, type: 'openai-compatible', url: scripted.url, model: `scripted?${knobs}` },
    // Long enough not to take a busy machine for a silent model.
    ...(/hang|stall/.test(knobs) ? { firstTokenSeconds: 1, stallSeconds: 1 } : {}),
  })
  const config = db.config('/tmp/terrace-unused', {
    MODELS: JSON.stringify(
      options.models?.map((model) => ({ ...entry('m', ''), ...model })) ?? [entry('m', options.knobs ?? '')],
    ),
    ...options.env,
  })
  const index = wordIndex(db.pool, options)
  const person = async (): Promise<Viewer> => {
    const userId = `user-${randomUUID()}`
    await db.pool.query('INSERT INTO users (id, name, email) VALUES ($1, $1, $1)', [userId])
    return { userId, sessionId: 'test', name: userId, email: userId, role: 'member' }
  }
  const viewer = await person()
  const collectionId = await shelveCollection(db.pool, viewer.userId)
  for (const [name, texts] of Object.entries(options.documents ?? HANDBOOK))
    await shelveDocument(db.pool, collectionId, name, texts)
  const servers = new AsyncDisposableStack()
  stack.use(servers)
  const startServer = (): Server => {
    const models = createModels(config, log)
    const { reranking = null, metrics = NO_METRICS } = options
    const rewriter = new Rewriter(log)
    const usage = createUsage({ pool: db.pool, log, budget: config.budget })
    const answers = createAnswers({
      ...{
        config,
        log,
        pool: db.pool,
        index,
        embedders: testEmbedders(),
        models,
        reranking,
        rewriter,
        usage,
        metrics,
      },
    })
    let stopped: Promise<void> | undefined
    const stop = () => {
      stopped ??= answers
        .stop()
        .then(() => usage.close())
        .then(() => models.close())
      return stopped
    }
    servers.defer(stop)
    const deps = {
      ...{ pool: db.pool, index, embedders: testEmbedders(), models, reranking, rewriter, log },
      ...{ answers, usage, metrics },
    }
    return { answers, models, usage, deps, stop }
  }
  const server = startServer()
  const started = stack.move()
  return {
    ...{ db, scripted, viewer, collectionId, server, startServer, person },
    chat: async (more = {}) => {
      const scope = { collectionIds: more.collectionIds ?? [collectionId], documentId: more.documentId }
      const { id } = await createChat({ pool: db.pool, models: server.models }, viewer, {
        ...scope,
        model: more.model,
      })
      return id
    },
    ask: (chatId, text, on = server) =>
      ask({ pool: db.pool, ...on }, viewer, { chatId, text, requestId: randomUUID() }),
    async watch(answerId, { lastEventId = null, server: on = server, signal, viewer: who = viewer } = {}) {
      const heard: Watched[] = []
      const until = signal ?? AbortSignal.timeout(20_000)
      const deps = { pool: db.pool, answers: on.answers }
      for await (const [id, event] of watchAnswer(deps, who, answerId, lastEventId, until))
        heard.push({ id, event: event as AnswerEvent })
      return heard
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}

/**
 * The text that a watcher shows, put together from its pieces; throws when one is missing or there twice.
 * Who came after the end has only that.
 */
export function heardText(heard: readonly Watched[], already = ''): string {
  const only = heard.length === 1 ? heard[0]?.event : undefined
  if (only?.type === 'end') return only.text
  let text = already
  for (const { event } of heard) {
    if (event.type === 'reset') text = ''
    if (event.type !== 'text') continue
    if (event.start !== text.length) throw new Error(`text at ${event.start}, expected ${text.length}`)
    text += event.text
  }
  return text
}

export function heardEnd(heard: readonly Watched[]): Extract<AnswerEvent, { type: 'end' }> {
  const event = heard.at(-1)?.event
  if (event?.type !== 'end') throw new Error(`no end, but ${event?.type}`)
  return event
}
