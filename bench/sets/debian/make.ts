// Makes the Debian set in BEIR format (README.md beside this file):  node bench/sets/debian/make.ts [--write-qrels]
// Packages are fetched by apt-get (no root needed), checked, unpacked with dpkg-deb and read. The judgements must come
// out as they are committed, or nothing is written; --write-qrels commits new ones after a change of the sources.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { type Section, sectionsOf } from './sections.ts'
import { SOURCES, type Source } from './sources.ts'

const HERE = import.meta.dirname
const NATIVE = path.resolve(HERE, '../../../.native/sets')
const PACKAGES = path.join(NATIVE, 'packages')
const OUT = path.join(NATIVE, 'debian')

interface Question {
  readonly id: string
  readonly text: string
  readonly answers: readonly string[]
}

const { values } = parseArgs({ options: { 'write-qrels': { type: 'boolean', default: false } } })
const documents = SOURCES.flatMap(read)
const questions = [...headings(documents), ...paraphrases(new Set(documents.map(({ id }) => id)))]
const qrels = judgements(questions)
for (const [name, text] of qrels) {
  const file = path.join(HERE, 'qrels', `${name}.tsv`)
  if (values['write-qrels']) {
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, text)
  } else if (!existsSync(file) || readFileSync(file, 'utf8') !== text)
    throw new Error(`the judgements differ from ${path.relative('.', file)}: has a source changed?`)
}
mkdirSync(path.join(OUT, 'qrels'), { recursive: true })
const jsonLines = (rows: readonly object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
writeFileSync(
  path.join(OUT, 'corpus.jsonl'),
  jsonLines(documents.map(({ id, title, text }) => ({ _id: id, title, text }))),
)
writeFileSync(
  path.join(OUT, 'queries.jsonl'),
  jsonLines(questions.map(({ id, text }) => ({ _id: id, text }))),
)
for (const [name, text] of qrels) writeFileSync(path.join(OUT, 'qrels', `${name}.tsv`), text)
console.log(`${documents.length} documents, ${questions.length} questions in ${path.relative('.', OUT)}`)

function read(source: Source): Section[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'terrace-set-'))
  try {
    const { status } = spawnSync('dpkg-deb', ['-x', fetched(source), folder], { stdio: 'inherit' })
    if (status !== 0) throw new Error(`${source.package} could not be unpacked`)
    const taken = new Set<string>()
    return globSync(source.pages, { cwd: folder })
      .filter((page) => !source.without?.test(path.basename(page)))
      .sort()
      .flatMap((page) => sectionsOf(readFileSync(path.join(folder, page), 'utf8'), source, taken))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** The checked .deb. One that lies in the cache already need not be in any archive any more. */
function fetched({ package: name, version, sha256 }: Source): string {
  mkdirSync(PACKAGES, { recursive: true })
  const find = () =>
    globSync(`${name}_${version}_*.deb`, { cwd: PACKAGES }).map((file) => path.join(PACKAGES, file))[0]
  if (find() === undefined)
    spawnSync('apt-get', ['download', `${name}=${version}`], { cwd: PACKAGES, stdio: 'inherit' })
  const file = find()
  if (file === undefined)
    throw new Error(
      `apt-get has no ${name} ${version}. Put its .deb from snapshot.debian.org into ${path.relative('.', PACKAGES)}.`,
    )
  const found = createHash('sha256').update(readFileSync(file)).digest('hex')
  if (found !== sha256) throw new Error(`${file} is not the file that was pinned: its sha256 is ${found}`)
  return file
}

/** The same question in two manuals has two answers. */
function headings(sections: readonly Section[]): Question[] {
  const asked = new Map<string, Section[]>()
  for (const section of sections)
    if (section.question !== null)
      asked.set(section.question, [...(asked.get(section.question) ?? []), section])
  return [...asked].map(([text, answers]) => ({
    id: `heading:${answers[0]?.id}`,
    text,
    answers: answers.map(({ id }) => id),
  }))
}

function paraphrases(known: ReadonlySet<string>): Question[] {
  const lines = readFileSync(path.join(HERE, 'paraphrases.tsv'), 'utf8').trimEnd().split('\n').slice(1)
  return lines.map((line, i) => {
    const [answer = '', text = ''] = line.split('\t')
    if (!known.has(answer) || text === '')
      throw new Error(`paraphrases.tsv:${i + 2}: no document "${answer}"`)
    return { id: `paraphrase:${i + 1}`, text, answers: [answer] }
  })
}

/** By the hash of the answer's id, so that no answer is asked for in both halves. */
function half(answer: string): 'dev' | 'test' {
  const [first = 0] = createHash('sha256').update(answer).digest()
  return first % 2 === 0 ? 'dev' : 'test'
}

/** Files of qrels/: each half, and its two kinds of questions by themselves. */
function judgements(all: readonly Question[]): [name: string, text: string][] {
  const file = (chosen: readonly Question[]) =>
    `query-id\tcorpus-id\tscore\n${chosen.flatMap(({ id, answers }) => answers.map((answer) => `${id}\t${answer}\t1\n`)).join('')}`
  return (['dev', 'test'] as const).flatMap((split): [string, string][] => {
    const own = all.filter(({ answers }) => half(answers[0] ?? '') === split)
    const kind = (name: string) => own.filter(({ id }) => id.startsWith(name))
    return [
      [split, file(own)],
      [`${split}-headings`, file(kind('heading:'))],
      [`${split}-paraphrases`, file(kind('paraphrase:'))],
    ]
  })
}
