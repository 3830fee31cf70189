// The answers that this page is getting from the model endpoint itself. They belong to the page and not to what shows
// them: whoever leaves a chat and comes back finds its answer further along.
import { toFailure } from '../../../lib/errors.ts'
import type { Client } from '../../../lib/trpc.ts'
import { nameWork } from '../../../lib/under-way.ts'
import { freshAnswer } from '../answer.ts'
import { answerSource } from '../answer-source.ts'
import { watchAnswer } from '../watch-answer.ts'
import { answerDirectly, type DirectAnswer } from './direct-answer.ts'

/** Milliseconds. A network that forbids the endpoint does so for longer than one answer. */
const UNREACHABLE_FOR = 10 * 60_000

const running = new Map<string, DirectAnswer>()
let unreachableUntil = 0

// A page that is loaded again lets go of them; one that a server writes goes on there.
nameWork(() => running.size > 0)

/** False for a while after the endpoint could not be reached from here. */
export const mayTry = (): boolean => Date.now() >= unreachableUntil

export const findDirect = (answerId: string): DirectAnswer | undefined => running.get(answerId)

/** @param attempt as `chats.ask` or `chats.retry` have left it to this page; `number` counts the answer's attempts */
export function beginDirect(
  client: Client,
  attempt: {
    readonly chatId: string
    readonly answerId: string
    readonly attemptId: string
    readonly number: number
  },
): void {
  const { chatId, answerId, attemptId, number } = attempt
  const { chats } = client
  const source = answerSource(client, chatId, answerId)
  const answer = answerDirectly(freshAnswer(number), {
    async prepare(signal) {
      const prepared = await chats.prepare.mutate({ attemptId }, { signal })
      if (prepared.kind === 'elsewhere') return null
      // The page's policy allows no other.
      if (!isNamedHere(prepared.url))
        throw new TypeError('the API offers an endpoint that this page may not ask')
      return prepared
    },
    request: ({ url, token, request }, signal) =>
      fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ ...request, stream: true }),
        credentials: 'omit',
        cache: 'no-store',
        redirect: 'error',
        referrerPolicy: 'no-referrer',
        signal,
      }),
    push: (start, text, signal) => chats.push.mutate({ attemptId, start, text }, { signal }),
    finish: (finish, signal) => chats.finish.mutate({ attemptId, ...finish }, { signal }),
    relay: (signal) => chats.relay.mutate({ attemptId }, { signal }),
    stop: (signal) => chats.stop.mutate({ answerId }, { signal }),
    isRefusal: (error) => !PASSING.has(toFailure(error).code),
    snapshot: source.snapshot,
    watch: (view) => watchAnswer(view, source),
    onLeave(listener) {
      window.addEventListener('pagehide', listener)
      return () => window.removeEventListener('pagehide', listener)
    },
    onClosed: () => leave(),
    onUnreachable() {
      unreachableUntil = Date.now() + UNREACHABLE_FOR
    },
  })
  running.set(answerId, answer)
  const stopListening = answer.subscribe(() => {
    if (answer.connection() === 'ended' || answer.connection() === 'gone') leave()
  })
  function leave(): void {
    stopListening()
    if (running.get(answerId) === answer) running.delete(answerId)
  }
}

/** Failures that may be over in a moment. */
const PASSING: ReadonlySet<string> = new Set(['NETWORK', 'UNAVAILABLE', 'INTERNAL', 'TOO_MANY_REQUESTS'])

function isNamedHere(url: string): boolean {
  const named = document.querySelector<HTMLMetaElement>('meta[name=terrace-model-endpoint]')?.content
  return named !== undefined && new URL(named).origin === new URL(url).origin
}
