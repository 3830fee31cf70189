// A set in BEIR format (Thakur et al. 2021): corpus.jsonl {_id, title, text}, queries.jsonl {_id, text} and
// qrels/SPLIT.tsv (query-id, corpus-id, score, with a header). The corpus is read line by line, never held whole; all of
// it is checked before anybody starts to work with it.
import { createReadStream, existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import type { SetDocument } from './document-file.ts'
import type { Judgements } from './measures.ts'

export interface SetQuestion {
  readonly id: string
  readonly text: string
  readonly judgements: Judgements
}

export interface BeirSet {
  /** Those that the split has judgements for, at least one of them above 0, in the order of queries.jsonl. */
  readonly questions: readonly SetQuestion[]
  /** Questions of the split of which no document is relevant. */
  readonly unanswerable: number
  readonly documents: number
  corpus(): AsyncGenerator<SetDocument>
}

/** Something is wrong with the set's files; the message names file and line. */
export class SetProblem extends Error {}

const corpusRow = z.object({ _id: z.string().min(1), title: z.string().nullish(), text: z.string() })
const queryRow = z.object({ _id: z.string().min(1), text: z.string().min(1) })

/** @throws SetProblem */
export async function openBeirSet(folder: string, split: string): Promise<BeirSet> {
  const file = (name: string) => path.join(folder, name)
  const qrels = file(`qrels/${split}.tsv`)
  for (const needed of [file('corpus.jsonl'), file('queries.jsonl')]) requireFile(needed)
  requireFile(qrels, `splits here: ${splits(file('qrels')).join(', ') || 'none'}`)

  const texts = new Map<string, string>()
  for await (const { at, value } of rows(file('queries.jsonl'), queryRow)) {
    if (texts.has(value._id)) throw new SetProblem(`${at}: a second question "${value._id}"`)
    texts.set(value._id, value.text)
  }
  const judged = await readQrels(qrels, texts)
  const documents = await checkCorpus(file('corpus.jsonl'), judged.places)
  const all = [...texts].flatMap(([id, text]): SetQuestion[] => {
    const judgements = judged.judgements.get(id)
    return judgements === undefined ? [] : [{ id, text, judgements }]
  })
  const questions = all.filter(({ judgements }) => [...judgements.values()].some((grade) => grade > 0))
  if (questions.length === 0) throw new SetProblem(`${qrels}: no question has a relevant document`)
  return {
    questions,
    unanswerable: all.length - questions.length,
    documents,
    async *corpus() {
      for await (const { value } of rows(file('corpus.jsonl'), corpusRow)) yield toDocument(value)
    },
  }
}

function toDocument({ _id, title, text }: z.infer<typeof corpusRow>): SetDocument {
  return { id: _id, title: title ?? '', text }
}

interface Qrels {
  readonly judgements: ReadonlyMap<string, Map<string, number>>
  /** Where each document is first named. */
  readonly places: ReadonlyMap<string, string>
}

async function readQrels(file: string, questions: ReadonlyMap<string, string>): Promise<Qrels> {
  const judgements = new Map<string, Map<string, number>>()
  const places = new Map<string, string>()
  for await (const { at, line, number } of lines(file)) {
    const [question = '', document = '', score = '', ...more] = line.split('\t')
    if (number === 1) {
      // Without it a set of one's own would silently lose its first judgement.
      if (/^-?\d+$/.test(score)) throw new SetProblem(`${at}: the first line must name the columns`)
      continue
    }
    if (!/^-?\d+$/.test(score) || more.length > 0)
      throw new SetProblem(`${at}: expected query-id, corpus-id and a whole number, with tabs between`)
    if (!questions.has(question)) throw new SetProblem(`${at}: there is no question "${question}"`)
    const own = judgements.get(question) ?? new Map<string, number>()
    if (own.has(document)) throw new SetProblem(`${at}: "${document}" is judged twice for "${question}"`)
    own.set(document, Number(score))
    judgements.set(question, own)
    if (!places.has(document)) places.set(document, at)
  }
  return { judgements, places }
}

/** @returns how many documents there are */
async function checkCorpus(file: string, judged: ReadonlyMap<string, string>): Promise<number> {
  const ids = new Set<string>()
  for await (const { at, value } of rows(file, corpusRow)) {
    if (ids.has(value._id)) throw new SetProblem(`${at}: a second document "${value._id}"`)
    ids.add(value._id)
  }
  for (const [id, at] of judged)
    if (!ids.has(id)) throw new SetProblem(`${at}: there is no document "${id}" in the corpus`)
  return ids.size
}

async function* rows<T>(file: string, schema: z.ZodType<T>): AsyncGenerator<{ at: string; value: T }> {
  for await (const { at, line } of lines(file)) {
    let parsed: unknown
    try {
      parsed = JSON.parse(line)
    } catch {
      throw new SetProblem(`${at}: this is not a JSON object`)
    }
    const { data, error } = schema.safeParse(parsed)
    if (data === undefined) {
      const [issue] = error?.issues ?? []
      throw new SetProblem(`${at}: ${issue?.path.join('.') || 'the line'}: ${issue?.message}`)
    }
    yield { at, value: data }
  }
}

/**
 * Lines that are not empty. Ended by line feeds only: node:readline also ends them at U+2028, which may stand in the
 * middle of a JSON string.
 */
async function* lines(file: string): AsyncGenerator<{ at: string; line: string; number: number }> {
  let rest = ''
  let number = 0
  const next = (text: string) => {
    number++
    return { at: `${file}:${number}`, line: text.endsWith('\r') ? text.slice(0, -1) : text, number }
  }
  for await (const chunk of createReadStream(file, 'utf8')) {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const line = next(part)
      if (line.line.trim() !== '') yield line
    }
  }
  const last = next(rest)
  if (last.line.trim() !== '') yield last
}

function requireFile(file: string, hint = ''): void {
  if (!existsSync(file)) throw new SetProblem(`${file} is missing${hint === '' ? '' : ` (${hint})`}`)
}

function splits(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) => (name.endsWith('.tsv') ? [name.slice(0, -'.tsv'.length)] : []))
}
