// A page that gets its answers from the model endpoint itself, as far as the API sees it: the deployed bundle of worker/
// in its runtime, and what a page does with an offer.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import { createCitationMapper } from '../../contract/citations.ts'
import { freePort } from '../../local/postgres.ts'
import { type Endpoint, startEndpoint, streamed } from '../../worker/test/endpoint.ts'
import { ask } from '../src/chat/ask.ts'
import { loadContext } from '../src/chat/context.ts'
import { finish } from '../src/chat/direct/finish.ts'
import { type PageOffer, prepare } from '../src/chat/direct/prepare.ts'
import { getChat } from '../src/chat/messages.ts'
import { type Conversation, conversation, type Server } from './conversation.ts'

/** Logical names, and what the scripted model behind each does. */
const NAMES = {
  'llama-3-8b': 'scripted?text=Run apt-mark hold with its name [1, 99]. It is kept back then [^98].',
  spare: 'scripted?text=Run it [1].',
  slow: 'scripted?text=Run apt-mark hold [1].&rate=5&tokens=60',
  busy: 'scripted?error=429&code=3040',
  hanging: 'scripted?hang=1',
  dying: 'scripted?text=Run apt-mark hold [1].&die=2',
}
export const SHOWN = 'Run apt-mark hold with its name [1]. It is kept back then.'

interface PageEndpoint extends AsyncDisposable {
  readonly endpoint: Endpoint
  /** Of an installation whose pages ask it. */
  readonly settings: Readonly<Record<string, string>>
}

async function startPageEndpoint(): Promise<PageEndpoint> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const endpoint = await startEndpoint({
    models: Object.fromEntries(Object.entries(NAMES).map(([name, provider]) => [name, [provider]])),
    bindings: { AUDIENCE: url },
    port,
  })
  const settings = {
    LLAMMA_ENDPOINT: url,
    NEXT_PUBLIC_LLAMMA_ENDPOINT: `${url}/`,
    LLAMMA_SIGNING_KEY: JSON.stringify(endpoint.keys.LLAMMA_SIGNING_KEY),
    LLAMMA_RECEIPT_KEYS: JSON.stringify(endpoint.keys.LLAMMA_RECEIPT_KEYS),
    MODELS: JSON.stringify(
      Object.keys(NAMES).map((name) => ({ id: name, name, type: 'worker', model: name })),
    ),
  }
  return { endpoint, settings, [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose]() }
}

/** One endpoint for a file's tests, from their first to their last. */
export function pageEndpoint(): Pick<PageEndpoint, 'endpoint' | 'settings'> & {
  /** Whose pages may ask it. @param more of the server's environment */
  begun(more?: Record<string, string>, options?: { readonly away?: boolean }): Promise<Conversation>
} {
  let started: PageEndpoint | undefined
  beforeAll(async () => {
    started = await startPageEndpoint()
  })
  afterAll(async () => {
    await started?.[Symbol.asyncDispose]()
  })
  const page = () => {
    if (started === undefined) throw new Error('the endpoint is not started before the tests are')
    return started
  }
  return {
    get endpoint() {
      return page().endpoint
    },
    get settings() {
      return page().settings
    },
    begun: (more = {}, options = {}) => conversation({ env: { ...page().settings, ...more }, ...options }),
  }
}

export const QUESTION = 'How do I hold a package at its present version?'

export function askDirect(
  { db, server, viewer }: Conversation,
  chatId: string,
  text = QUESTION,
  requestId = randomUUID(),
) {
  const { models, answers } = server
  return ask({ pool: db.pool, models, answers }, viewer, { chatId, text, requestId, direct: true })
}

/** @throws Error when there is none */
export async function offered(c: Conversation, attemptId: string, on: Server = c.server): Promise<PageOffer> {
  const prepared = await prepare(on.deps, c.viewer, attemptId)
  if (prepared.kind !== 'offer') throw new Error('no offer')
  return prepared
}

export interface Taken {
  readonly status: number
  /** As the model wrote it. */
  readonly text: string
  readonly receipt: string | null
}

/** Asks the endpoint as a page does. */
export async function take({ url, token, request }: PageOffer): Promise<Taken> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ ...request, stream: true }),
  })
  if (!response.ok) {
    await response.body?.cancel()
    return { status: response.status, text: '', receipt: null }
  }
  let text = ''
  let receipt: string | null = null
  for (const event of await streamed(response)) {
    const { choices = [], receipt: signed } = Object(event) as {
      choices?: { delta: { content?: string } }[]
      receipt?: string
    }
    text += choices[0]?.delta.content ?? ''
    receipt = signed ?? receipt
  }
  return { status: response.status, text, receipt }
}

/** The text as a page shows it. */
export function shown(text: string, passages: number): string {
  const mapper = createCitationMapper(passages)
  return mapper.push(text) + mapper.end()
}

/** A question, answered by way of the page. @returns what the endpoint gave, and the ids */
export async function answeredDirectly(
  c: Conversation,
  chatId: string,
  change: (taken: Taken) => Partial<Taken> = () => ({}),
) {
  const asked = await askDirect(c, chatId)
  const offer = await offered(c, asked.attemptId)
  const taken = await take(offer)
  const { text, receipt } = { ...taken, ...change(taken) }
  await finish(c.server.deps, c.viewer, asked.attemptId, { text, receipt, ending: 'done' })
  return { ...asked, offer, taken }
}

/** The chat's last answer as it is shown, with its newest attempt. @throws Error when there is none */
export async function answerIn(c: Conversation, chatId: string) {
  const chat = await getChat({ pool: c.db.pool, answers: c.server.answers }, c.viewer, chatId)
  const last = chat.messages.at(-1)
  if (last?.attempt == null) throw new Error('no answer')
  const { text, citations, attempt } = last
  return { ...attempt, text, citations }
}

export const attemptRow = async (c: Conversation, attemptId: string) =>
  (await c.db.pool.query('SELECT * FROM attempts WHERE id = $1', [attemptId])).rows[0]

/** Its owner was not heard of for longer than its lease. */
export const lapse = (c: Conversation, attemptId: string) =>
  c.db.pool.query("UPDATE attempts SET lease_until = now() - interval '1 second' WHERE id = $1", [attemptId])

/** What a model is given of the turns before the next question. */
export async function historyOf(c: Conversation, chatId: string) {
  const { attemptId } = await askDirect(c, chatId, 'And how is it released?')
  return (await loadContext(c.db.pool, { id: attemptId, userId: c.viewer.userId })).history
}
