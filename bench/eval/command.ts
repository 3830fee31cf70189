// `npm run eval -- DIR [--split NAME] [--json FILE]`: the search's quality on a set in BEIR format, or, with
// `--collection ID`, on a collection's golden questions in a Terrace that runs (docs/evaluation.md).
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openBeirSet, SetProblem } from '../../api/src/evaluation/beir.ts'
import { evaluate } from '../../api/src/evaluation/evaluation.ts'
import { PORTS } from '../../contract/ports.ts'
import { begin, type Figure, met, type Run, write } from '../harness.ts'
import { type Answers, askAll, uploadSet } from './ask.ts'
import { meanOf } from './mean.ts'
import { barsOf, figuresOf, table } from './report.ts'
import { openGoldenSet } from './running.ts'
import { startTerrace } from './terrace.ts'

const USAGE = `usage: npm run eval -- DIR [--split test] [--json FILE]
       npm run eval -- --collection ID [--url http://localhost:3000] [--json FILE]
       npm run eval -- --mean FILE…   of files written by --json
DIR holds corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv. A collection is asked in the Terrace at --url, as the person
whose account TERRACE_EMAIL and TERRACE_PASSWORD name; its id is in the address of its page.`

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    // What was started notices by itself that we are gone.
    if (stop.signal.aborted) process.exit(130)
    console.error('\nstopping (again: at once) …')
    stop.abort()
  })

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      split: { type: 'string', default: 'test' },
      json: { type: 'string' },
      mean: { type: 'boolean', default: false },
      collection: { type: 'string' },
      url: { type: 'string', default: process.env.PUBLIC_URL || `http://localhost:${PORTS.web}` },
    },
  })
  const { mean, collection, split, json, url } = values
  const [folder, more] = positionals
  if (mean && folder !== undefined) meanOf(positionals)
  else if (collection !== undefined && folder === undefined) await evaluateCollection(collection, url, json)
  else if (collection === undefined && folder !== undefined && more === undefined)
    await evaluateSet(folder, split, json)
  else throw new SetProblem(USAGE)
} catch (error) {
  if (stop.signal.aborted) console.error('Stopped. Nothing is left.')
  else if (error instanceof SetProblem) console.error(error.message)
  else console.error(error)
  process.exitCode = stop.signal.aborted ? 130 : 1
}

async function evaluateSet(folder: string, split: string, json: string | undefined): Promise<void> {
  const set = await openBeirSet(folder, split)
  const name = path.basename(path.resolve(folder))
  const run = begin(`eval-${name}${split === 'test' ? '' : `-${split}`}`, ['faiss-node', 'onnxruntime-node'])
  console.log(`${name}, ${split}: ${set.documents} documents, ${set.questions.length} questions`)
  const { signal } = stop
  await using terrace = await startTerrace(signal)
  const uploaded = await uploadSet(terrace, set, signal, progress('searchable', set.documents))
  console.log(`${uploaded.passages} passages in ${uploaded.seconds.toFixed(0)} s`)
  const answers = await askAll(
    terrace.person.api,
    set.questions,
    uploaded,
    signal,
    progress('asked', set.questions.length),
  )
  report(run, answers, json, {
    ...{ set: name, split, documents: set.documents, documentsWithoutText: uploaded.empty },
    ...{
      passages: uploaded.passages,
      questionsWithoutAnswer: set.unanswerable,
      ingestSeconds: uploaded.seconds,
    },
  })
}

async function evaluateCollection(id: string, url: string, json: string | undefined): Promise<void> {
  const { TERRACE_EMAIL: email = '', TERRACE_PASSWORD: password = '' } = process.env
  if (email === '' || password === '')
    throw new SetProblem(
      'TERRACE_EMAIL and TERRACE_PASSWORD have to name an account that may see the collection',
    )
  const run = begin('eval-collection')
  const { signal } = stop
  const set = await openGoldenSet(id, { url, email, password }, signal)
  console.log(`${set.name}: ${set.documents} documents, ${set.questions.length} golden questions`)
  const answers = await askAll(
    set.api,
    set.questions,
    { collectionId: id },
    signal,
    progress('asked', set.questions.length),
  )
  report(run, answers, json, {
    ...{ set: set.name, documents: set.documents, questionsWithoutAnswer: set.unanswerable },
  })
}

interface About extends Record<string, Figure> {
  readonly questionsWithoutAnswer: number
}

/** Prints the table, and writes what was asked for. */
function report(run: Run, answers: Answers, json: string | undefined, about: About): void {
  const evaluation = evaluate(answers.questions)
  const bars = barsOf(evaluation)
  console.log(`\n${table(evaluation)}\n\nmeans with 95 % intervals over ${evaluation.questions} questions`)
  for (const note of notes(about.questionsWithoutAnswer, answers, Number(about.documentsWithoutText ?? 0)))
    console.log(note)
  for (const bar of bars)
    console.log(`${met(bar) ? '✓' : '✗'} ${bar.bar}: ${bar.value.toFixed(4)} (at least ${bar.limit})`)
  if (json !== undefined)
    write(run, { ...about, ...figuresOf(evaluation, answers) }, bars, path.resolve(json))
}

function notes(
  unanswerable: number,
  { deeper, cut }: { deeper: number; cut: number },
  empty: number,
): string[] {
  return [
    ...(empty > 0 ? [`${empty} documents without any text were left out`] : []),
    ...(unanswerable > 0 ? [`${unanswerable} questions without a relevant document were left out`] : []),
    ...(deeper > 0 ? [`${deeper} questions were asked for more than 50 passages to reach 20 documents`] : []),
    ...(cut > 0 ? [`${cut} questions got fewer than 20 documents from 200 passages`] : []),
  ]
}

/** A line every tenth of the way. */
function progress(what: string, all: number): (done: number) => void {
  let said = 0
  return (done) => {
    const tenth = Math.floor((10 * done) / Math.max(1, all))
    if (tenth > said) console.log(`  ${what}: ${done} of ${all}`)
    said = Math.max(said, tenth)
  }
}
