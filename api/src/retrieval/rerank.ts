// The best of what a search found, ordered once more by a reranker, where one is configured. It has little time, and no
// say in whether there is an answer: when it is late, fails or makes no sense, everything stays in the order in which it was
// found, which is logged and told by /readyz.
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { parseReranker } from '../models/configured-reranker.ts'
import { createOutbound } from '../models/outbound.ts'
import { type Reranker, RerankerFailure } from '../models/port.ts'
import { keyOf } from '../models/setting.ts'
import { createWorkersAIReranker } from '../models/workers-ai-reranker.ts'
import type { PassageHit } from './search.ts'

export interface Reranking {
  /** Hits that it wants to see, at most; fewer are fine. */
  readonly candidates: number
  /** The same hits, the first `candidates` of them in the reranker's order. @throws the signal's reason, nothing else */
  order(query: string, hits: readonly PassageHit[], signal: AbortSignal): Promise<readonly PassageHit[]>
  /** As of the last question that it was asked for. */
  status(): 'ok' | 'failing'
  close(): Promise<void>
}

export interface RerankingOptions {
  readonly candidates: number
  readonly timeoutMs: number
  readonly log: Logger
  readonly onClose?: () => Promise<void>
}

/** After a failure nobody waits for it for so long. */
const REST_MS = 10_000

/** Null without RERANKER. @throws Error in plain words when it is not valid or the key that it names is not set */
export function createReranking(config: Pick<Config, 'reranker'>, log: Logger): Reranking | null {
  const configured = parseReranker(config.reranker)
  if (configured === null) return null
  const { url, account, model, key, candidates, timeoutSeconds } = configured
  const outbound = createOutbound([new URL(url).origin])
  const apiKey = keyOf('RERANKER', null, key)
  return rerankingBy(createWorkersAIReranker(outbound, { url, account, model, apiKey }), {
    ...{ candidates, timeoutMs: timeoutSeconds * 1_000, log },
    onClose: () => outbound.close(),
  })
}

export function rerankingBy(reranker: Reranker, options: RerankingOptions): Reranking {
  const { candidates, timeoutMs, log, onClose } = options
  let state: 'ok' | 'failing' = 'ok'
  let restingUntil = 0
  return {
    candidates,
    async order(query, hits, signal) {
      if (hits.length < 2 || performance.now() < restingUntil) return hits
      const best = hits.slice(0, candidates)
      const late = AbortSignal.timeout(timeoutMs)
      try {
        const scores = await reranker.rerank(query, best.map(textOf), AbortSignal.any([signal, late]))
        const ordered = byScore(best, scores)
        state = 'ok'
        return [...ordered, ...hits.slice(candidates)]
      } catch (error) {
        if (signal.aborted) throw signal.reason
        state = 'failing'
        restingUntil = performance.now() + REST_MS
        const reason = late.aborted ? 'late' : error instanceof RerankerFailure ? error.reason : 'unknown'
        log.warn({ reranker: reranker.model, reason, err: error }, 'passages stay in the order of the search')
        return hits
      }
    },
    status: () => state,
    close: async () => onClose?.(),
  }
}

/** As it was indexed: where it stands says what it is about. */
function textOf({ documentName, heading, text }: PassageHit): string {
  return `${[documentName, heading].filter((part) => part !== '').join(' > ')}\n${text}`
}

/** Equal scores keep the order of the search. The port's promise is checked: an adapter that breaks it orders nothing. */
function byScore(hits: readonly PassageHit[], scores: readonly number[]): PassageHit[] {
  if (scores.length !== hits.length || !scores.every(Number.isFinite))
    throw new RerankerFailure('broken', 'not one number for each text')
  return hits
    .map((hit, place) => ({ hit, place, score: scores[place] ?? 0 }))
    .sort((a, b) => b.score - a.score || a.place - b.place)
    .map(({ hit }) => hit)
}
