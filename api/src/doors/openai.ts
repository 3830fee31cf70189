// The OpenAI-compatible door: POST /v1/chat/completions, streamed or not, and GET /v1/models.
// What it takes and gives is in docs/doors.md; the official clients, unmodified, are its tests.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorCode } from '../../../contract/errors.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { AnswerContext } from '../chat/context.ts'
import { waitForWords } from '../chat/measure.ts'
import { AppError } from '../errors.ts'
import { toAppError } from '../http/failure.ts'
import { answerOnce, type Effort } from './answer.ts'
import { askableCollections, collectionsOf, modelsOf } from './collections.ts'
import { CompletionStream, completion } from './completion.ts'
import { readConversation } from './conversation.ts'
import { failureOf } from './failure.ts'
import { bodyDeadline, DOOR_TIMES, type DoorDependencies, type Guard } from './guard.ts'
import { openAIError } from './openai-error.ts'
import type { Running } from './running.ts'

/** What asking once more may help with. The official clients do so by themselves, and each time a model is asked. */
const PASSES: readonly ErrorCode[] = ['TOO_MANY_REQUESTS', 'MODEL_BUSY', 'UNAVAILABLE']

export interface OpenAIDependencies extends DoorDependencies {
  readonly guard: Guard
  readonly running: Running
}

/** On a scope whose prefix is /v1. */
export function registerOpenAI(scope: FastifyInstance, deps: OpenAIDependencies): void {
  const { services, guard } = deps
  const { pool } = services
  const models = async (request: FastifyRequest) =>
    modelsOf(await askableCollections(pool, guard.grantOf(request))).map((model) => ({
      ...model,
      object: 'model',
      owned_by: 'terrace',
    }))

  scope.addHook('onRequest', (request) => guard.admit(request, 'ask'))
  scope.addHook('preParsing', bodyDeadline(deps))
  scope.setErrorHandler((error, request, reply) => answerFailure(deps, request, reply, error))
  scope.setNotFoundHandler((request, reply) => answerFailure(deps, request, reply, new AppError('NOT_FOUND')))
  scope.get('/models', async (request) => ({ object: 'list', data: await models(request) }))
  scope.get<{ Params: { '*': string } }>('/models/*', async (request) => {
    const found = (await models(request)).find(({ id }) => id === request.params['*'])
    if (found === undefined) throw new AppError('NOT_FOUND', { param: 'model' })
    return found
  })
  scope.post('/chat/completions', { bodyLimit: LIMITS.doorBytes }, (request, reply) =>
    complete(deps, request, reply),
  )
}

async function complete(
  { services, limits, addressOf, guard, running, times = DOOR_TIMES }: OpenAIDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { pool, models, config, log, metrics } = services
  const askedAt = performance.now()
  const grant = guard.grantOf(request)
  const { viewer } = grant
  using run = await running.follow(reply, grant)
  await limits.procedure('chats.ask', 'mutation', { viewer, address: addressOf(request) })
  const asked = readConversation(request.body)
  const context: AnswerContext = {
    viewer,
    question: asked.question,
    history: asked.history,
    collectionIds: collectionsOf(await askableCollections(pool, grant), asked.model),
    documentId: null,
    model: (await models.list()).defaultId,
  }
  const options = {
    signal: run.signal,
    publicUrl: config.publicUrl,
    note: (effort: Effort) =>
      log.info(
        { requestId: request.id, person: viewer.userId, key: grant.keyId, ...effort },
        effort.whole ? 'answered a program' : 'did not finish an answer to a program',
      ),
  }
  /** That the key ended says more than how the model's stream broke off. */
  const why = (error: unknown) => (run.signal.reason instanceof AppError ? run.signal.reason : error)
  if (!asked.stream) {
    const late = setTimeout(() => run.end(new AppError('MODEL_STALLED')), times.wholeAnswerMs)
    try {
      return completion(
        request.id,
        asked.model,
        await answerOnce(services, context, { ...options, say() {} }),
      )
    } catch (error) {
      throw why(error)
    } finally {
      clearTimeout(late)
    }
  }
  using stream = new CompletionStream(reply, request.id, asked)
  const wait = waitForWords(metrics, askedAt)
  const say = (text: string) => {
    stream.text(text)
    wait.shown(text)
  }
  try {
    const answered = await answerOnce(services, context, { ...options, say })
    stream.end(answered)
  } catch (error) {
    // Until something was sent it is an answer like any other, with a status of its own.
    if (!stream.open) throw why(error)
    const failure = toAppError(why(error), request.id)
    if (!reply.raw.destroyed)
      log.warn({ requestId: request.id, code: failure.code, err: error }, 'an answer failed')
    stream.fail(failure)
  }
  return reply
}

async function answerFailure(
  deps: OpenAIDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
  thrown: unknown,
): Promise<FastifyReply> {
  const failure = failureOf(deps, request, reply, thrown, LIMITS.doorBytes)
  if (!PASSES.includes(failure.code)) reply.header('x-should-retry', 'false')
  return reply.code(failure.status).send(openAIError(failure))
}
