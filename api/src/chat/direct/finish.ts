// A page brings the answer that it got from the model endpoint. The endpoint's receipt says whether that is what the
// model said; without one it is the page's word, kept as *unverified*: never read to a model again, never shared.
// Citations are mapped here as in every answer, from the text as the model wrote it.
import { createCitationMapper } from '../../../../contract/citations.ts'
import type { EndpointErrorCode } from '../../../../contract/endpoint-errors.ts'
import type { ReceiptClaims } from '../../../../contract/model-endpoint.ts'
import { createPieceCleaner } from '../../../../contract/pieces.ts'
import type { Viewer } from '../../access/port.ts'
import { AppError } from '../../errors.ts'
import { asModelError, UpstreamError } from '../../models/model-error.ts'
import type { PageModel } from '../../models/registry.ts'
import { type AttemptEnd, type CitedPassage, saveEnd, saveLateEnd } from '../attempt-end.ts'
import { PAGE_OWNER } from '../attempts.ts'
import { countEnd, waitForWords } from '../measure.ts'
import { findPageAttempt, type Offer, type PageAttempt } from './page-attempts.ts'
import type { DirectDeps } from './prepare.ts'

export interface Brought {
  /** As the model wrote it: the receipt is of this. */
  readonly text: string
  readonly receipt: string | null
  readonly ending: 'done' | 'stopped' | 'failed'
  /** What the endpoint said when it failed. Default: it broke off. */
  readonly code?: EndpointErrorCode | undefined
}

/**
 * Ends a page's attempt. One that has ended, or that a server writes by now, stays as it is; but one that was given up,
 * since its page was not heard of, is completed by an answer that is whole, as long as nothing newer stands in its place.
 * @throws AppError NOT_FOUND; CONFLICT for text that was not offered
 */
export async function finish(
  deps: DirectDeps,
  viewer: Viewer,
  attemptId: string,
  brought: Brought,
): Promise<void> {
  const attempt = await findPageAttempt(deps.pool, viewer, attemptId)
  const { offer } = attempt
  const offered = await deps.models.get(attempt.model).catch(() => null)
  const forPages = offered?.forPages ?? null
  if (!attempt.owned) {
    if (offer === null) return
    // It came too late, or comes again: what was used is known by it all the same.
    const claims = await verified(deps, forPages, attempt, offer, brought)
    await settle(deps, attempt, brought, claims)
    if (claims !== null && attempt.state === 'interrupted')
      await end(deps, attempt, endOf(attempt, offer, brought, claims), saveLateEnd)
    return
  }
  if (offer === null) {
    if (brought.ending !== 'stopped')
      throw new AppError('CONFLICT', { reason: 'nothing was prepared for it' })
    await end(deps, attempt, { ...NOTHING_SAID, model: attempt.model })
    return
  }
  const claims = await verified(deps, forPages, attempt, offer, brought)
  const saved = await end(deps, attempt, endOf(attempt, offer, brought, claims))
  if (claims === null) {
    // What was reserved for it stands: a page that keeps its receipt to itself saves nothing by that.
    deps.log.info({ attempt: attempt.id, ending: brought.ending }, "an answer is a page's word only")
    return
  }
  await settle(deps, attempt, brought, claims)
  // Of now: an old receipt says nothing of a model.
  if (saved) forPages?.answered()
}

/** @returns false when the attempt was no longer the page's */
async function end(
  { pool, metrics }: DirectDeps,
  attempt: PageAttempt,
  ending: AttemptEnd,
  save: typeof saveLateEnd = saveOwn,
): Promise<boolean> {
  const saved = await save(pool, attempt, ending)
  if (!saved) return false
  // That it failed is the page's word only, and may be its own network: nobody is woken by it.
  if (ending.state !== 'failed') countEnd(metrics, ending)
  // So short that the page had not pushed any of it.
  waitForWords(metrics, attempt.askedAt).shown(ending.text)
  return true
}

const saveOwn: typeof saveLateEnd = (pool, attempt, ending) => saveEnd(pool, PAGE_OWNER, attempt, ending)

async function settle(
  { usage }: DirectDeps,
  { id }: PageAttempt,
  { text }: Brought,
  claims: ReceiptClaims | null,
): Promise<void> {
  if (claims === null) return
  const { prompt_tokens: inputTokens, completion_tokens: outputTokens, estimated } = claims.usage
  await usage.settle(id, estimated ? null : { inputTokens, outputTokens }, text)
}

const NOTHING_SAID: AttemptEnd = {
  ...{ state: 'stopped', text: '', citations: [], model: '', behind: false, error: null },
  ...{ inputTokens: null, outputTokens: null },
}

/** What the endpoint signed of exactly this text; null when it did not. */
async function verified(
  { log }: DirectDeps,
  forPages: PageModel | null,
  { id, userId }: PageAttempt,
  offer: Offer,
  { text, receipt, ending }: Brought,
): Promise<ReceiptClaims | null> {
  if (receipt === null || ending !== 'done') return null
  const claims = await forPages?.endpoint.verify(receipt, {
    ...{ id, personId: userId, model: offer.model, prompt: offer.prompt, text },
  })
  if (claims == null) log.warn({ attempt: id }, 'a receipt is not of this answer')
  return claims ?? null
}

function endOf(
  attempt: PageAttempt,
  offer: Offer,
  { text: said, receipt, ending, code = 'MODEL_INTERRUPTED' }: Brought,
  claims: ReceiptClaims | null,
): AttemptEnd {
  const mapper = createCitationMapper(offer.passages.length)
  const text = mapper.push(createPieceCleaner().push(said)) + mapper.end()
  const failure = ending === 'failed' ? asModelError(new UpstreamError({ code }), attempt.model) : null
  const { inputTokens, outputTokens } = offer.rewriting
  return {
    state: ending,
    text,
    citations: citationsIn(mapper.used, offer),
    model: attempt.model,
    behind: attempt.behind,
    wordsOnly: attempt.wordsOnly,
    error: failure === null ? null : { code: failure.code, detail: failure.detail },
    inputTokens: claims === null ? null : claims.usage.prompt_tokens + inputTokens,
    outputTokens: claims === null ? null : claims.usage.completion_tokens + outputTokens,
    receipt: claims === null ? null : receipt,
    unverified: claims === null && text !== '',
  }
}

function citationsIn(used: readonly number[], { passages }: Offer): CitedPassage[] {
  return used
    .toSorted((a, b) => a - b)
    .flatMap((number) => {
      const place = passages[number - 1]
      return place === undefined ? [] : [{ number, ...place }]
    })
}
