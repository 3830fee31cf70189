// A reranker on Cloudflare Workers AI, through the account's REST API: POST /accounts/ACCOUNT/ai/run/MODEL with
// `{ query, contexts: [{ text }], top_k }` gives `{ result: { response: [{ id, score }] } }`, `id` being a text's place.
// Questions, passages and keys appear in no log and no error.
import { ForbiddenAddress, type Outbound } from './outbound.ts'
import { type Reranker, RerankerFailure } from './port.ts'
import { readScores } from './rerank-reply.ts'

export interface WorkersAIRerankerOptions {
  /** Up to and without `/accounts`. */
  readonly url: string
  readonly account: string
  readonly model: string
  readonly apiKey: string
}

/** UTF-16 units. The model reads 512 tokens of question and text together; what is sent beyond is paid for in vain. */
const TEXT_LENGTH = 2_400
const QUERY_LENGTH = 1_000

export function createWorkersAIReranker(outbound: Outbound, options: WorkersAIRerankerOptions): Reranker {
  const { url, account, model, apiKey } = options
  const address = `${url.replace(/\/$/, '')}/accounts/${account}/ai/run/${model}`
  return {
    model,
    async rerank(query, texts, signal) {
      signal.throwIfAborted()
      if (texts.length === 0) return []
      const body = {
        query: query.slice(0, QUERY_LENGTH).toWellFormed(),
        contexts: texts.map((text) => ({ text: text.slice(0, TEXT_LENGTH).toWellFormed() })),
        top_k: texts.length,
      }
      try {
        const response = await outbound.request(address, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: 'application/json',
            authorization: `Bearer ${apiKey}`,
          },
          body: JSON.stringify(body),
          signal,
        })
        return await readScores(response, texts.length)
      } catch (error) {
        if (signal.aborted) throw signal.reason
        throw asFailure(error)
      }
    },
  }
}

function asFailure(error: unknown): RerankerFailure {
  if (error instanceof RerankerFailure) return error
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ForbiddenAddress)
      return new RerankerFailure('unavailable', 'its address may not be reached (models/outbound.ts)')
    if ('code' in cause && typeof cause.code === 'string')
      return new RerankerFailure('unavailable', cause.code)
  }
  return new RerankerFailure('unavailable', error instanceof Error ? error.name : typeof error)
}
