// One answer, from the request to the last event: token, body, ledger, model, receipt, in this order, so that nothing is
// spent on what will be refused.

import { PROVIDER_MODEL_HEADER, TOKEN_SECONDS } from '../../contract/model-endpoint.ts'
import { type ModelRequest, requestHash, sha256 } from '../../contract/request-hash.ts'
import { type BegunAnswer, beginAnswer, type Outcome, readAnswer } from './answer.ts'
import type { Configuration, Env } from './configuration.ts'
import { asEndpointError, EndpointError } from './errors.ts'
import { LEDGER_NAME } from './ledger.ts'
import { logFailure } from './log.ts'
import type { ModelInput } from './model-stream.ts'
import { readAsked, readJson } from './request.ts'
import { type Ending, event, openAIShape, plainShape, type Shape } from './shapes.ts'
import { readToken, signReceipt, type Token } from './tokens.ts'

export interface Context {
  readonly env: Env
  readonly configuration: Configuration
  readonly requestId: string
  /** Of the reply: what was decided before the answer. */
  readonly headers: Headers
}

const READER_GONE = new EndpointError('INTERNAL', {}, 'the reader is gone')

const REFUSED = {
  expired: 'TOKEN_EXPIRED',
  replayed: 'TOKEN_REPLAYED',
  revoked: 'TOKEN_REVOKED',
} as const

type AskingToken = Exclude<Token, { kind: 'revocation' }>

/** `POST /v1/chat/completions`, and `POST /` with `plain`. @throws EndpointError before anything was sent */
export async function complete(request: Request, context: Context, plain: boolean): Promise<Response> {
  const { configuration, requestId, headers } = context
  const token = await readToken(request, configuration)
  if (token.kind === 'revocation') throw new EndpointError('TOKEN_KIND')
  const [defaultModel] = plain ? configuration.models.keys() : []
  const asked = readAsked(await readJson(request), defaultModel)
  const { model } = asked.request
  const providers = configuration.models.get(model)
  if (providers === undefined) throw new EndpointError('UNKNOWN_MODEL', { param: 'model' })
  await checkBinding(token, asked.request)
  await admit(token, context)
  const begun = await beginAnswer(
    context.env.AI,
    providers,
    modelInput(asked.request, token, configuration),
    configuration,
    request.signal,
    (provider, error) => logFailure(requestId, error, provider),
  )
  headers.set(PROVIDER_MODEL_HEADER, begun.model)
  const shape = plain
    ? plainShape(model)
    : openAIShape({ id: requestId, model, includeUsage: asked.includeUsage })
  const answer = readAnswer(begun)
  const sign = (outcome: Outcome) => ending(outcome, begun, token, configuration)
  if (asked.stream) return streamed(answer, shape, sign, begun, request.signal, context)
  try {
    for (;;) {
      const { done, value } = await answer.next()
      if (done) return Response.json(shape.whole(await sign(value)), { headers })
    }
  } catch (thrown) {
    const error = asEndpointError(thrown)
    logFailure(requestId, error, begun.model)
    throw error
  }
}

/** An answer token is for one model and one prompt. */
async function checkBinding(token: AskingToken, request: ModelRequest): Promise<void> {
  if (token.kind !== 'answer') return
  if (token.claims.model !== request.model) throw new EndpointError('TOKEN_OTHER_MODEL', { param: 'model' })
  if (token.claims.prompt !== (await requestHash(request))) throw new EndpointError('TOKEN_OTHER_PROMPT')
}

async function admit({ kind, claims }: AskingToken, { env, configuration, headers }: Context): Promise<void> {
  const verdict = await env.LEDGER.getByName(LEDGER_NAME).admit({
    id: claims.jti,
    until: (claims.exp + TOKEN_SECONDS.clockTolerance) * 1_000,
    once: kind === 'answer',
    // A script may be named as a person's id is.
    holder: `${kind} ${claims.sub}`,
    requestsPerMinute: configuration.requestsPerMinute,
    requestsPerHolder: configuration.requestsPerHolder,
  })
  if (!verdict.admitted) {
    if (verdict.reason === 'rate') {
      const { own, seconds } = verdict
      throw new EndpointError(own ? 'OWN_RATE_LIMITED' : 'RATE_LIMITED', { seconds })
    }
    throw new EndpointError(REFUSED[verdict.reason])
  }
  // The token is used up: trying again with it can only fail.
  if (kind === 'answer') headers.set('x-should-retry', 'false')
}

function modelInput(
  request: ModelRequest,
  { claims }: AskingToken,
  { maxTokens }: Configuration,
): ModelInput {
  const { model: _, messages, max_tokens = maxTokens, ...sampling } = request
  const most = Math.min(max_tokens, claims.max_tokens ?? maxTokens, maxTokens)
  return { messages, max_tokens: most, stream: true, ...sampling }
}

async function ending(
  outcome: Outcome,
  { model: provider_model }: BegunAnswer,
  token: AskingToken,
  { audience, receiptKey }: Configuration,
): Promise<Ending> {
  if (token.kind !== 'answer') return outcome
  const { iss: aud, sub, jti, model, prompt } = token.claims
  const receipt = await signReceipt(
    {
      iss: audience,
      aud,
      sub,
      jti,
      iat: Math.floor(Date.now() / 1_000),
      model,
      provider_model,
      answer: await sha256(outcome.text),
      prompt,
      usage: outcome.usage,
      finish_reason: outcome.finish,
    },
    receiptKey,
  )
  return { ...outcome, receipt }
}

function streamed(
  answer: AsyncGenerator<string, Outcome>,
  shape: Shape,
  sign: (outcome: Outcome) => Promise<Ending>,
  begun: BegunAnswer,
  gone: AbortSignal,
  { headers, requestId }: Context,
): Response {
  const { readable, writable } = new IdentityTransformStream()
  const writer = writable.getWriter()
  const encoder = new TextEncoder()
  const write = (text: string) =>
    writer.write(encoder.encode(text)).catch(() => {
      throw READER_GONE
    })
  const pump = async () => {
    try {
      for (;;) {
        const { done, value } = await answer.next()
        if (!done) await write(shape.text(value))
        else return await write(shape.end(await sign(value)))
      }
    } catch (thrown) {
      const error = asEndpointError(thrown)
      begun.stream.cancel()
      if (error === READER_GONE || gone.aborted) return
      logFailure(requestId, error, begun.model)
      // The status has left with the first token: this is all that is left to say it with.
      await write(event(error.body))
    }
  }
  pump()
    .then(() => writer.close())
    // Nobody reads any more.
    .catch(() => {})
  headers.set('content-type', 'text/event-stream; charset=utf-8')
  // A proxy that collects or compresses what comes in small pieces would undo the streaming.
  headers.set('cache-control', 'no-cache, no-transform')
  headers.set('x-accel-buffering', 'no')
  return new Response(readable, { headers })
}
