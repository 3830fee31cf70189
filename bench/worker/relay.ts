// A Terrace that relays the endpoint's answers: PostgreSQL, API, index and ingestion as they are run, a document that was
// uploaded and published, a person who asks about it and watches the answer by tRPC.
import { randomBytes, randomUUID } from 'node:crypto'
import type { AnswerEvent } from '../../api/src/chat/watch.ts'
import { parseConfig } from '../../api/src/config.ts'
import { MODEL_DIR } from '../../api/test/ingest.ts'
import { client, sessionCookie } from '../../api/test/server.ts'
import { freePort } from '../../local/postgres.ts'
import { startServing } from '../ingest/serving.ts'
import { type Endpoint, MODELS, type Model } from './endpoint.ts'
import type { ModelProcess } from './model.ts'
import { now } from './reader.ts'

export interface Relayed {
  /** Milliseconds from the question's request to the first text of its answer: rights, search, prompt, endpoint, model. */
  readonly firstText: number
  /** Milliseconds that each stamped token was under way from the model to the watcher. */
  readonly ages: number[]
}

export interface Relay extends AsyncDisposable {
  answer(model: Model): Promise<Relayed>
  /** Milliseconds from the request to stop an answer to the model's hearing of it. */
  stop(model: ModelProcess): Promise<number>
}

const DOCUMENT = `The zubwix of a terrace is the stone on which its lowest wall stands. It is laid in spring, when the
ground has settled, and it is looked after every seven years.`
const QUESTION = 'What is the zubwix of a terrace?'

export async function startRelay(endpoint: Endpoint): Promise<Relay> {
  await using stack = new AsyncDisposableStack()
  const env = {
    AUTH_SECRET: randomBytes(32).toString('hex'),
    PORT: String(await freePort()),
    LLAMMA_ENDPOINT: endpoint.url,
    LLAMMA_SIGNING_KEY: JSON.stringify(endpoint.signingKey),
    MODELS: JSON.stringify(
      Object.keys(MODELS).map((name) => ({ id: name, name, type: 'worker', model: name })),
    ),
  }
  const serving = stack.use(await startServing({ passages: 1_000, modelDir: MODEL_DIR, env }))
  await serving.upload('zubwix.txt', DOCUMENT)
  await serving.settled()
  const { rows } = await serving.client.query<{ id: string; token: string }>(
    `SELECT d.collection_id AS id, s.token FROM documents d, sessions s
     WHERE d.name = 'zubwix.txt' AND s.user_id = $1`,
    [serving.server.userId],
  )
  const { id: collectionId = '', token = '' } = rows[0] ?? {}
  const config = parseConfig({ ...env, DATABASE_URL: serving.server.databaseUrl, STORAGE: 'file:unused' })
  const { api, subscribe } = client(`http://127.0.0.1:${env.PORT}`, config, sessionCookie(config, token))

  const ask = async (model: Model) => {
    // One person asks for many here, which has a limit.
    await serving.client.query('DELETE FROM rate_limits')
    const chat = await api.chats.create.mutate({ collectionIds: [collectionId], model })
    const at = now()
    const question = { chatId: chat.id, text: QUESTION, requestId: randomUUID() }
    const { answerId } = await api.chats.ask.mutate(question)
    return { at, answerId }
  }
  const started = stack.move()
  return {
    async answer(model) {
      const { at, answerId } = await ask(model)
      let first: number | undefined
      const ages: number[] = []
      for await (const { event, data } of subscribe('chats.watch', { answerId })) {
        const arrived = now()
        if (event !== 'message') continue
        const said = data as AnswerEvent
        if (said.type === 'end') {
          if (said.state !== 'done') throw new Error(`the answer ended as ${said.state}`)
          break
        }
        if (said.type !== 'text') continue
        first ??= arrived - at
        for (const [stamp] of said.text.matchAll(/\d{13}\.\d+/g)) ages.push(arrived - Number(stamp))
      }
      return { firstText: first ?? Number.NaN, ages }
    },
    async stop(model) {
      const { answerId } = await ask('endless')
      for await (const { event, data } of subscribe('chats.watch', { answerId }))
        if (event === 'message' && (data as AnswerEvent).type === 'text') break
      const at = now()
      const stopped = api.chats.stop.mutate({ answerId })
      const heard = await model.aborted()
      await stopped
      return heard - at
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  }
}
