// A question that belongs to no chat: answered by the chat's own way (chat/answer.ts), kept nowhere.
import { documentAddress } from '../../../contract/addresses.ts'
import {
  type AnswerDeps,
  type AnswerEnd,
  answerQuestion,
  citedPassages,
  type Progress,
} from '../chat/answer.ts'
import { cleanLine, cleanText } from '../chat/clean.ts'
import type { AnswerContext } from '../chat/context.ts'
import { countEnd } from '../chat/measure.ts'
import { AppError } from '../errors.ts'
import type { WordsOnly } from '../index/port.ts'
import type { Metrics } from '../metrics/metrics.ts'
import { fetchPassages, type Passage } from '../retrieval/passages.ts'

export interface Answered {
  readonly text: string
  readonly annotations: readonly Annotation[]
  /** Of the model that really answered: its id in MODELS, or `passages`. */
  readonly model: string
  /** The newest changes may be missing: the index was seconds behind. */
  readonly behind: boolean
  /** Why it was searched for by words only; null when nothing was away. */
  readonly wordsOnly: WordsOnly | null
  /** Null where the model did not say. 0 when no model was asked. */
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** The model stopped because it may say no more. */
  readonly cut: boolean
}

/** What an answer took, for the log. */
export interface Effort {
  readonly model: string
  /** Null where the model did not say, as when it was broken off. */
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** UTF-16 units that were said. */
  readonly said: number
  /** False: it failed, or was broken off. */
  readonly whole: boolean
}

/** As in OpenAI's chat completions. Indices count UTF-16 units of the text, the end is exclusive. */
export interface Annotation {
  readonly type: 'url_citation'
  readonly url_citation: {
    readonly start_index: number
    readonly end_index: number
    /** The document's name. */
    readonly title: string
    /** Where the document opens at the cited passage. */
    readonly url: string
  }
}

const NAME_LENGTH = 200

/**
 * @param options.publicUrl without a slash at its end
 * @param options.note called once, at the end, also when it throws
 * @throws what chat/answer.ts throws; the signal's reason
 */
export async function answerOnce(
  deps: AnswerDeps & { readonly metrics: Metrics },
  context: AnswerContext,
  options: {
    readonly signal: AbortSignal
    readonly publicUrl: string
    say(text: string): void
    note(effort: Effort): void
  },
): Promise<Answered> {
  const { signal, publicUrl } = options
  const progress: Progress = { model: context.model, passages: [], used: [], behind: false, wordsOnly: null }
  const pieces: string[] = []
  let length = 0
  const say = (text: string) => {
    pieces.push(text)
    length += text.length
    options.say(text)
  }
  const sink = {
    ...{ signal, say, searching() {}, reading() {} },
    get length() {
      return length
    },
  }
  let end: AnswerEnd | null = null
  try {
    end = await answerQuestion(deps, context, sink, progress)
    countEnd(deps.metrics, { state: 'done', error: null })
  } catch (error) {
    countFailure(deps.metrics, signal, error)
    throw error
  } finally {
    const { inputTokens = null, outputTokens = null } = end ?? {}
    options.note({ model: progress.model, inputTokens, outputTokens, said: length, whole: end !== null })
  }
  const { inputTokens, outputTokens, cut } = end
  signal.throwIfAborted()
  const quoted = length === 0 && progress.used.length > 0
  const quotation = quoted ? quote(progress.passages) : null
  if (quotation !== null) say(quotation.text)
  const text = pieces.join('')
  const marks = quotation?.marks ?? findMarks(text)
  const askedNoModel = quoted || progress.passages.length === 0
  return {
    ...{ text, model: progress.model, behind: progress.behind, wordsOnly: progress.wordsOnly, cut },
    annotations: annotate(marks, await stillReadable(deps, context, progress), publicUrl),
    // Rewriting may have asked one.
    inputTokens: askedNoModel ? (inputTokens ?? 0) : inputTokens,
    outputTokens: askedNoModel ? (outputTokens ?? 0) : outputTokens,
  }
}

/** A program that went away, or whose key ended, has no answer that failed. */
function countFailure(metrics: Metrics, signal: AbortSignal, error: unknown): void {
  const why: unknown = signal.aborted ? signal.reason : error
  if (why instanceof AppError) countEnd(metrics, { state: 'failed', error: why })
  else if (!signal.aborted) countEnd(metrics, { state: 'failed', error: null })
}

/** Where `[number]` stands in a text. */
interface Mark {
  readonly number: number
  readonly start: number
  readonly end: number
}

/** "Most relevant passages" as text: quotes with their sources, and not a word of our own. */
function quote(passages: readonly Passage[]): { text: string; marks: Mark[] } {
  const marks: Mark[] = []
  let text = ''
  for (const [i, passage] of passages.entries()) {
    const lines = cleanText(passage.text).trim().split('\n')
    const quoted = lines.map((line) => `> ${line}`.trimEnd()).join('\n')
    const source = `${cleanLine(passage.documentName, NAME_LENGTH)}, page ${passage.page}`
    text += `${i === 0 ? '' : '\n\n'}${quoted}\n\n${source} `
    // Known, and not looked for: a document may have brackets of its own.
    const number = i + 1
    const mark = `[${number}]`
    marks.push({ number, start: text.length, end: text.length + mark.length })
    text += mark
  }
  return { text, marks }
}

/** The cited passages by number, without those that were deleted or forbidden while the answer was written. */
async function stillReadable(
  { pool }: AnswerDeps,
  { viewer }: AnswerContext,
  progress: Progress,
): Promise<Map<number, Passage>> {
  const cited = citedPassages(progress)
  if (cited.length === 0) return new Map()
  const passages = await fetchPassages(
    pool,
    viewer,
    cited.map(({ passageId }) => passageId),
  )
  const byId = new Map(passages.map((passage) => [passage.passageId, passage]))
  return new Map(
    cited.flatMap(({ number, passageId }) => {
      const passage = byId.get(passageId)
      return passage === undefined ? [] : [[number, passage] as const]
    }),
  )
}

/** A fenced block, inline code (which ends with its paragraph), or a citation. What stands in code is none. */
const CODE_OR_CITATION = /(`{3,})[\s\S]*?(?:\1|$)|(`{1,2})(?:(?!\n\n)[\s\S])*?\2|\[(\d{1,3})\]/g

/** The citations of a model's text, which contract/citations.ts has brought to the form `[n]`. */
function findMarks(text: string): Mark[] {
  return [...text.matchAll(CODE_OR_CITATION)].flatMap((match) =>
    match[3] === undefined
      ? []
      : [{ number: Number(match[3]), start: match.index, end: match.index + match[0].length }],
  )
}

/** One for every citation that a readable passage stands behind. */
function annotate(
  marks: readonly Mark[],
  passages: ReadonlyMap<number, Passage>,
  publicUrl: string,
): Annotation[] {
  return marks.flatMap(({ number, start, end }) => {
    const passage = passages.get(number)
    if (passage === undefined) return []
    const { charStart, charEnd, ...place } = passage
    return [
      {
        type: 'url_citation',
        url_citation: {
          start_index: start,
          end_index: end,
          title: cleanLine(passage.documentName, NAME_LENGTH),
          url: publicUrl + documentAddress({ ...place, start: charStart, end: charEnd }),
        },
      },
    ]
  })
}
