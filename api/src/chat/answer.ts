// One attempt at an answer, from the question to its end: rewrite → search → choose → prompt → stream → cite.
// What it says on the way goes to the attempt; what it returns is to be saved. It knows nothing of leases, rows or
// watchers, and throws what went wrong.
import type { Logger } from 'pino'
import { createCitationMapper } from '../../../contract/citations.ts'
import { createPieceCleaner } from '../../../contract/pieces.ts'
import { AppError } from '../errors.ts'
import type { WordsOnly } from '../index/port.ts'
import type { LanguageModel } from '../models/port.ts'
import type { Models, OfferedModel } from '../models/registry.ts'
import type { Passage } from '../retrieval/passages.ts'
import type { PassageHit } from '../retrieval/search.ts'
import { metered } from '../usage/metered.ts'
import type { Usage } from '../usage/usage.ts'
import type { AttemptEnd, CitedPassage } from './attempt-end.ts'
import type { AnswerContext } from './context.ts'
import { buildPrompt, type Prompt } from './prompt.ts'
import {
  PASSAGES_QUOTED,
  type RetrievalDeps,
  type Retrieved,
  type Rewrite,
  retrieve,
  withNeighbours,
} from './retrieve.ts'
import type { Rewriter } from './rewrite.ts'

/** The whole answer when nothing relevant was found. No model is asked. */
export const NOTHING_FOUND = 'I found nothing about this in the documents of this chat.'

export interface AnswerDeps extends RetrievalDeps {
  readonly models: Models
  readonly log: Logger
  /** One for the whole server: it remembers which models are of no use for it. */
  readonly rewriter: Rewriter
  readonly usage: Usage
}

/** Where an attempt shows what it does. */
export interface AnswerSink {
  readonly signal: AbortSignal
  /** UTF-16 units said so far. */
  readonly length: number
  /** Told again, with the question as a model has written it out, when that is searched for as well. */
  searching(query?: string): void
  /** The passages that are read, in the order of their numbers, and the model that reads them. */
  reading(passages: readonly Passage[], model: string): void
  say(text: string): void
}

/** What is known of an end when it comes by an error: the text and its citations so far. */
export interface Progress {
  model: string
  passages: readonly Passage[]
  used: readonly number[]
  /** As of `Retrieved`. */
  behind: boolean
  wordsOnly: WordsOnly | null
}

export interface AnswerEnd extends Pick<AttemptEnd, 'inputTokens' | 'outputTokens'> {
  /** The model stopped because it may say no more, as far as its count of tokens tells. */
  readonly cut: boolean
}

export async function answerQuestion(
  deps: AnswerDeps,
  context: AnswerContext,
  sink: AnswerSink,
  progress: Progress,
): Promise<AnswerEnd> {
  sink.searching()
  const searched = await findPassages(deps, context, sink.signal, (query) => sink.searching(query))
  const { found, rewriting } = searched
  progress.behind = searched.behind
  progress.wordsOnly = searched.wordsOnly
  if (found.length === 0) {
    sink.say(NOTHING_FOUND)
    return withRewriting({ inputTokens: null, outputTokens: null, cut: false }, rewriting)
  }
  let model = await availableModel(deps.models, context.model)
  for (;;) {
    progress.model = model.info.id
    if (model.language === null) return withRewriting(quote(found, model, sink, progress), rewriting)
    try {
      const { language } = model
      const usage = await stream(deps, context, found, { ...model, language }, sink, progress)
      return withRewriting(usage, rewriting)
    } catch (error) {
      const retired = error instanceof AppError && error.code === 'MODEL_RETIRED'
      if (!retired || sink.length > 0) throw error
      deps.log.warn({ model: model.info.id, err: error }, 'a model is gone: the next in line answers')
      deps.models.retire(model.info.id)
      model = await deps.models.after(model.info.id)
    }
  }
}

/** The one that is wanted, or the next in line. @throws AppError MODEL_UNKNOWN */
export async function availableModel(models: Models, id: string): Promise<OfferedModel> {
  const model = await models.get(id)
  return model.info.available ? model : await models.after(id)
}

/** Tokens that a question's rewriting took. */
export interface Rewriting {
  readonly inputTokens: number
  readonly outputTokens: number
}

/**
 * The passages to answer from, best first; none when nothing relevant was found.
 * @param onQuery told of the question as a model has written it out, when that is searched for as well
 * @throws what `retrieve` throws; the signal's reason
 */
export async function findPassages(
  deps: AnswerDeps,
  context: AnswerContext,
  signal: AbortSignal,
  onQuery: (query: string) => void = () => {},
): Promise<Omit<Retrieved, 'passages'> & { found: readonly PassageHit[]; rewriting: Rewriting }> {
  const rewriting = { inputTokens: 0, outputTokens: 0 }
  const { passages: found, ...marks } = await retrieve(
    deps,
    context,
    signal,
    rewriteBy(deps, context, onQuery, rewriting),
  )
  signal.throwIfAborted()
  return { found, ...marks, rewriting }
}

/** Has the model that will answer write the question out, if it is a language model. */
function rewriteBy(
  { models, rewriter, usage }: AnswerDeps,
  { model, question, history, asked = history, viewer }: AnswerContext,
  onQuery: (query: string) => void,
  spent: { inputTokens: number; outputTokens: number },
): Rewrite {
  return async (signal) => {
    const chosen = await availableModel(models, model).catch(() => null)
    if (chosen === null || chosen.language === null) return null
    const { userId } = viewer
    const rewritten = await rewriter.rewrite(chosen.language, question, asked, signal, userId, (language) =>
      metered(usage, language, { personId: userId, purpose: 'rewriting' }),
    )
    spent.inputTokens += rewritten.inputTokens ?? 0
    spent.outputTokens += rewritten.outputTokens ?? 0
    if (rewritten.query !== null) onQuery(rewritten.query)
    return rewritten.query
  }
}

/** What rewriting took is part of what the answer took; where a model does not tell, nothing is made up. */
function withRewriting(usage: AnswerEnd, rewriting: Rewriting): AnswerEnd {
  if (rewriting.inputTokens + rewriting.outputTokens === 0) return usage
  return {
    ...usage,
    inputTokens: (usage.inputTokens ?? 0) + rewriting.inputTokens,
    outputTokens: (usage.outputTokens ?? 0) + rewriting.outputTokens,
  }
}

/** "Most relevant passages": quotes with their sources, and not a word of our own. */
function quote(found: readonly PassageHit[], model: OfferedModel, sink: AnswerSink, progress: Progress) {
  const passages = found.slice(0, PASSAGES_QUOTED)
  progress.passages = passages
  progress.used = passages.map((_, index) => index + 1)
  sink.reading(passages, model.info.id)
  return { inputTokens: null, outputTokens: null, cut: false }
}

/** What a language model is asked. */
export async function promptFor(
  deps: AnswerDeps,
  context: AnswerContext,
  found: readonly PassageHit[],
  model: OfferedModel,
): Promise<Prompt> {
  return buildPrompt({
    question: context.question,
    history: context.history,
    passages: await withNeighbours(deps, context.viewer, found),
    contextTokens: model.info.contextTokens,
    maxOutputTokens: model.maxOutputTokens,
  })
}

async function stream(
  deps: AnswerDeps,
  context: AnswerContext,
  found: readonly PassageHit[],
  model: OfferedModel & { readonly language: LanguageModel },
  sink: AnswerSink,
  progress: Progress,
) {
  const prompt = await promptFor(deps, context, found, model)
  const { passages } = prompt
  progress.passages = passages
  sink.reading(passages, model.info.id)
  const mapper = createCitationMapper(passages.length)
  const cleaner = createPieceCleaner()
  progress.used = mapper.used
  const personId = context.viewer.userId
  // Another model is another call: the page's token is of no use for it.
  const { offered } = context
  const shared = offered?.model === model.info.id && model.forPages !== null ? offered : undefined
  const call = { personId, purpose: 'answer', ...(shared === undefined ? {} : { shared }) } as const
  const language = metered(deps.usage, model.language, call)
  try {
    for await (const event of language.stream(prompt.messages, {
      maxOutputTokens: prompt.maxOutputTokens,
      signal: sink.signal,
      personId,
    })) {
      if (event.type === 'end') {
        const { inputTokens, outputTokens } = event
        return { inputTokens, outputTokens, cut: (outputTokens ?? 0) >= prompt.maxOutputTokens }
      }
      const text = mapper.push(cleaner.push(event.text))
      if (text !== '') sink.say(text)
    }
    throw new AppError('MODEL_BROKEN', {}, { internal: `model ${model.info.id}: its stream has no end` })
  } finally {
    // Also what came before a stop or an error is shown to its last character.
    const rest = mapper.end()
    if (rest !== '') sink.say(rest)
  }
}

/** The passages whose numbers an answer uses, by number. */
export function citedPassages(progress: Pick<Progress, 'used' | 'passages'>): CitedPassage[] {
  return progress.used
    .toSorted((a, b) => a - b)
    .flatMap((number) => {
      const hit = progress.passages[number - 1]
      if (hit === undefined) return []
      const { passageId, documentId, versionId, readingId, page, charStart, charEnd } = hit
      return [{ number, passageId, documentId, versionId, readingId, page, charStart, charEnd }]
    })
}
