// A page, a server and a model endpoint that a test moves by hand. For tests only.
import { openAIShape } from '../../../../worker/src/shapes.ts'
import { type AnswerView, freshAnswer } from '../answer.ts'
import type { AnswerWatch, Connection } from '../watch-answer.ts'
import { answerDirectly, type DirectDeps, type Finish, type Offer } from './direct-answer.ts'

export const OFFER: Offer = {
  attempt: 1,
  url: 'https://models.example.org/v1/chat/completions',
  token: 'token',
  request: { model: 'llama-3-8b', messages: [] },
  passages: 2,
}
/** The server says no. */
export const REFUSED = new Error('refused')
/** As `fetch` fails when there is no network, and when CORS forbids. */
export const NETWORK = new TypeError('Failed to fetch')

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
const encoder = new TextEncoder()

/** @param settle lets everything happen that is due */
export function directWorld(
  settle: () => Promise<unknown>,
  prepare: DirectDeps['prepare'] = async () => OFFER,
) {
  /** What was asked of whom, in order; pushes aside. */
  const said: string[] = []
  const server = {
    /** Can not be reached for now. */
    silent: false,
    /** Hears what it is asked, and never answers. */
    mute: false,
    push: { owned: true, stop: false, late: false },
    /** What it has of the answer by pushes. */
    text: '',
    pushes: 0,
    finishes: [] as Finish[],
    /** What tries to finish, to relay or to stop meet, in turn; then they are taken. */
    failures: [] as Error[],
    /** Null: there is no such answer. */
    stored: freshAnswer(1) as AnswerView | null,
    /** A finish that was taken is an end at once. */
    ends: true,
  }
  const asked = async (what: string) => {
    said.push(what)
    if (server.mute) await new Promise(() => undefined)
    const failure = server.silent ? NETWORK : server.failures.shift()
    if (failure !== undefined) throw failure
  }
  const headers = Promise.withResolvers<Response>()
  headers.promise.catch(() => undefined)
  let model: ReadableStreamDefaultController<Uint8Array> | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      model = controller
    },
  })
  const streamed = new Response(body)
  const leaving = new Set<() => void>()
  const watched = { view: freshAnswer(0), connection: 'live' as Connection, listeners: new Set<() => void>() }
  const direct = answerDirectly(freshAnswer(1), {
    prepare,
    request(_, signal) {
      said.push('fetch')
      signal.addEventListener('abort', () => {
        said.push('abort')
        headers.reject(signal.reason)
        model?.error(signal.reason)
      })
      return headers.promise
    },
    async push(start, text) {
      server.pushes++
      if (server.silent) throw NETWORK
      if (start > server.text.length) throw REFUSED
      server.text = server.text.slice(0, start) + text
      return server.push
    },
    async finish(finish) {
      await asked('finish')
      server.finishes.push(finish)
      if (server.ends) server.stored = { ...freshAnswer(1), state: finish.ending, text: finish.text }
    },
    relay: () => asked('relay'),
    stop: () => asked('stop'),
    isRefusal: (error) => error === REFUSED,
    async snapshot() {
      if (server.silent) throw NETWORK
      return server.stored
    },
    watch(view): AnswerWatch {
      said.push(`watch ${view.attempt}:${view.text.length}`)
      watched.view = view
      return {
        view: () => watched.view,
        connection: () => watched.connection,
        path: () => 'relayed',
        subscribe(listener) {
          watched.listeners.add(listener)
          return () => watched.listeners.delete(listener)
        },
        close: () => said.push('unwatched'),
      }
    },
    onLeave(listener) {
      leaving.add(listener)
      return () => leaving.delete(listener)
    },
    onUnreachable: () => said.push('unreachable'),
    onClosed: () => said.push('closed'),
  })
  const shape = openAIShape({ id: '1', model: 'llama-3-8b', includeUsage: false })
  const send = async (text: string) => {
    model?.enqueue(encoder.encode(text))
    await settle()
  }
  return {
    said,
    server,
    direct,
    leaving,
    /** What a person sees, and how it comes. */
    seen: () => [direct.view().state, direct.view().text, direct.path()],
    async reply(response: Response | Error) {
      await settle()
      if (response instanceof Error) headers.reject(response)
      else headers.resolve(response)
      await settle()
    },
    /** The endpoint's headers, and then the text. */
    async say(text: string) {
      await settle()
      headers.resolve(streamed)
      await send(shape.text(text))
    },
    send,
    end: (receipt?: string) =>
      send(shape.end({ text: '', usage, finish: 'stop', ...(receipt === undefined ? {} : { receipt }) })),
    /** The stream ends without an end, or fails. */
    async cut(error?: Error) {
      if (error === undefined) model?.close()
      else model?.error(error)
      await settle()
    },
    async leave() {
      for (const listener of leaving) listener()
      await settle()
    },
    /** What the server's own watch says. */
    async hear(view: Partial<AnswerView>, connection: Connection = 'live') {
      watched.view = { ...watched.view, ...view }
      watched.connection = connection
      for (const listener of watched.listeners) listener()
      await settle()
    },
  }
}
