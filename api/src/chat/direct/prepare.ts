// Everything of an answer but the model's words, for a page that asks the model endpoint itself: passages, prompt, and a
// token for exactly that prompt, whose id is the attempt's. Whatever keeps a page from it, a server answers.
import { LIMITS } from '../../../../contract/limits.ts'
import { ENDPOINT_LIMITS, TOKEN_SECONDS } from '../../../../contract/model-endpoint.ts'
import { type ModelRequest, requestHash } from '../../../../contract/request-hash.ts'
import type { Viewer } from '../../access/port.ts'
import type { Metrics } from '../../metrics/metrics.ts'
import { promptTokens } from '../../usage/metered.ts'
import { type AnswerDeps, availableModel, findPassages, NOTHING_FOUND, promptFor } from '../answer.ts'
import type { Answers } from '../answers.ts'
import { type AttemptEnd, saveEnd } from '../attempt-end.ts'
import { PAGE_LEASE_SECONDS, PAGE_OWNER } from '../attempts.ts'
import { loadContext } from '../context.ts'
import { countEnd, waitForWords } from '../measure.ts'
import {
  beginSearch,
  findPageAttempt,
  handToServer,
  type PageAttempt,
  placesOf,
  saveOffer,
} from './page-attempts.ts'

export interface DirectDeps extends AnswerDeps {
  readonly answers: Answers
  readonly metrics: Metrics
}

export interface PageOffer {
  readonly kind: 'offer'
  /** The attempt's number. */
  readonly attempt: number
  /** Where to POST `request`, with `"stream": true` beside it and nothing else changed: the token is bound to it. */
  readonly url: string
  /** Taken once, within `TOKEN_SECONDS.answer` seconds. */
  readonly token: string
  readonly request: ModelRequest & { readonly max_tokens: number }
  /** How many are in the prompt, numbered from 1. */
  readonly passages: number
  /** Its id in MODELS. */
  readonly model: string
}

/** A server writes it, or it has ended. */
export type Elsewhere = { readonly kind: 'elsewhere' }

const ELSEWHERE: Elsewhere = { kind: 'elsewhere' }
/** The search must be over while the page still owns its attempt. */
const SEARCH_MS = (PAGE_LEASE_SECONDS - 5) * 1_000

/** @throws AppError NOT_FOUND when it is not an attempt of the viewer's */
export async function prepare(
  deps: DirectDeps,
  viewer: Viewer,
  attemptId: string,
): Promise<PageOffer | Elsewhere> {
  const attempt = await findPageAttempt(deps.pool, viewer, attemptId)
  if (!(await beginSearch(deps.pool, attempt.id))) return ELSEWHERE
  try {
    const prepared = await makeOffer(deps, attempt)
    if (prepared !== null) return prepared
  } catch (error) {
    // The server comes to the same end, or to a better one: it waits while the database is away.
    deps.log.warn({ err: error, attempt: attempt.id }, 'an answer was not prepared for its page')
  }
  await handOver(deps, attempt)
  return ELSEWHERE
}

/** A page could not get a first word: this server writes the answer. @throws AppError NOT_FOUND */
export async function relay(deps: DirectDeps, viewer: Viewer, attemptId: string): Promise<void> {
  await handOver(deps, await findPageAttempt(deps.pool, viewer, attemptId))
}

async function handOver({ pool, answers }: DirectDeps, attempt: PageAttempt): Promise<void> {
  const { id, number, answerId, userId, askedAt } = attempt
  const handed = await handToServer(pool, id, answers.serverId)
  if (handed !== null) answers.start({ id, number, answerId, userId, askedAt, ...handed })
}

/** @returns null when no page can be given it */
async function makeOffer(deps: DirectDeps, attempt: PageAttempt): Promise<PageOffer | Elsewhere | null> {
  const { pool, metrics } = deps
  const context = await loadContext(pool, attempt)
  const model = await availableModel(deps.models, context.model)
  // A page that could not get a word would leave what was reserved for it behind: it may have used the token.
  if (model.forPages === null || !model.forPages.mayBeAsked()) return null
  const { found, behind, wordsOnly, rewriting } = await findPassages(
    deps,
    context,
    AbortSignal.timeout(SEARCH_MS),
  )
  if (found.length === 0) {
    const { inputTokens, outputTokens } = rewriting
    const asked = inputTokens + outputTokens > 0
    const end: AttemptEnd = {
      ...{
        state: 'done',
        text: NOTHING_FOUND,
        citations: [],
        model: context.model,
        behind,
        wordsOnly,
        error: null,
      },
      ...{ inputTokens: asked ? inputTokens : null, outputTokens: asked ? outputTokens : null },
    }
    if (await saveEnd(pool, PAGE_OWNER, attempt, end)) {
      countEnd(metrics, end)
      waitForWords(metrics, attempt.askedAt).shown(end.text)
    }
    return ELSEWHERE
  }
  // Meanwhile it may have been asked to write the question out.
  if (!model.forPages.mayBeAsked()) return null
  const { messages, passages, maxOutputTokens } = await promptFor(deps, context, found, model)
  // What the endpoint would let through has to fit into one request of the page's.
  if (maxOutputTokens * ENDPOINT_LIMITS.unitsPerToken > LIMITS.pageAnswerLength) return null
  const { endpoint, model: name, sign } = model.forPages
  const request = { model: name, messages, max_tokens: maxOutputTokens }
  const expires = Math.floor(Date.now() / 1_000) + TOKEN_SECONDS.answer
  const token = await sign({ request, personId: attempt.userId, id: attempt.id, expires })
  // Under the attempt's id, so that any server can settle it. Whoever brings no receipt has used all of it.
  const { id, userId: personId } = attempt
  const wanted = { inputTokens: promptTokens(messages), maxOutputTokens }
  await deps.usage.reserve({ id, personId, purpose: 'answer', model: model.info, ...wanted })
  const offer = {
    prompt: await requestHash(request),
    model: name,
    passages: placesOf(passages),
    ...{ expires, rewriting },
  }
  let given = false
  try {
    given = await saveOffer(pool, id, { model: model.info.id, behind, wordsOnly, offer })
  } finally {
    if (!given) await deps.usage.release(id)
  }
  if (!given) return ELSEWHERE
  return {
    ...{ kind: 'offer', attempt: attempt.number, url: `${endpoint.url}/v1/chat/completions`, token, request },
    ...{ passages: passages.length, model: model.info.id },
  }
}
