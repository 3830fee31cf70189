import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { openBeirSet } from './beir.ts'

const root = mkdtempSync(path.join(tmpdir(), 'terrace-beir-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const CORPUS = ['{"_id": "d1", "title": "One", "text": "First."}', '{"_id": "d2", "text": "Second."}']
const QUERIES = [
  '{"_id": "q1", "text": "which?"}',
  '{"_id": "q2", "text": "none?"}',
  '{"_id": "q3", "text": "unasked?"}',
]
const QRELS = ['query-id\tcorpus-id\tscore', 'q1\td2\t2', 'q1\td1\t0', 'q2\td1\t0']

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const row of rows) found.push(row)
  return found
}

function set(files: { corpus?: string[]; queries?: string[]; qrels?: string[] | null } = {}): string {
  const folder = mkdtempSync(path.join(root, 'set-'))
  writeFileSync(path.join(folder, 'corpus.jsonl'), (files.corpus ?? CORPUS).join('\n'))
  writeFileSync(path.join(folder, 'queries.jsonl'), `${(files.queries ?? QUERIES).join('\n')}\n`)
  mkdirSync(path.join(folder, 'qrels'))
  const { qrels = QRELS } = files
  if (qrels !== null) writeFileSync(path.join(folder, 'qrels/test.tsv'), `${qrels.join('\r\n')}\r\n`)
  return folder
}

test('reads the questions of a split, and the corpus when it is asked for', async () => {
  const opened = await openBeirSet(set(), 'test')
  expect(opened.questions).toEqual([
    {
      id: 'q1',
      text: 'which?',
      judgements: new Map([
        ['d2', 2],
        ['d1', 0],
      ]),
    },
  ])
  expect([opened.unanswerable, opened.documents]).toEqual([1, 2])
  expect(await all(opened.corpus())).toEqual([
    { id: 'd1', title: 'One', text: 'First.' },
    { id: 'd2', title: '', text: 'Second.' },
  ])
})

test('a line separator inside of a text ends no line, nor does the end of a chunk', async () => {
  const text = `a\u2028b\u0085${'é'.repeat(200_000)}`
  const opened = await openBeirSet(
    set({ corpus: [JSON.stringify({ _id: 'd1', text }), CORPUS[1] ?? ''] }),
    'test',
  )
  expect((await all(opened.corpus()))[0]?.text).toBe(text)
})

test.each([
  [
    'a line that is no JSON',
    { corpus: [CORPUS[0] ?? '', '{"_id": "d2"'] },
    /corpus\.jsonl:2: this is not a JSON/,
  ],
  ['a document without text', { corpus: ['{"_id": "d1"}'] }, /corpus\.jsonl:1: text: /],
  ['an id that is no text', { queries: ['{"_id": 1, "text": "x"}'] }, /queries\.jsonl:1: _id: /],
  [
    'a second document of an id',
    { corpus: [...CORPUS, CORPUS[0] ?? ''] },
    /corpus\.jsonl:3: a second document "d1"/,
  ],
  ['a second question of an id', { queries: [...QUERIES, QUERIES[0] ?? ''] }, /queries\.jsonl:4: a second/],
  ['judgements without a header', { qrels: QRELS.slice(1) }, /test\.tsv:1: the first line must name/],
  ['too few columns', { qrels: [...QRELS, 'q1 d1 1'] }, /test\.tsv:5: expected query-id/],
  ['a grade that is no whole number', { qrels: [...QRELS, 'q2\td2\t0.5'] }, /test\.tsv:5: expected/],
  ['an unknown question', { qrels: [...QRELS, 'q9\td1\t1'] }, /test\.tsv:5: there is no question "q9"/],
  ['an unknown document', { qrels: [...QRELS, 'q2\td9\t1'] }, /test\.tsv:5: there is no document "d9"/],
  ['a pair that is judged twice', { qrels: [...QRELS, 'q1\td2\t1'] }, /test\.tsv:5: "d2" is judged twice/],
  ['no relevant document at all', { qrels: [QRELS[0] ?? '', 'q2\td1\t0'] }, /no question has a relevant/],
])('says where it is wrong: %s', async (_, files, message) => {
  await expect(openBeirSet(set(files), 'test')).rejects.toThrow(message)
})

test('says which file is missing, and which splits there are', async () => {
  await expect(openBeirSet(set(), 'dev')).rejects.toThrow(/qrels\/dev\.tsv is missing \(splits here: test\)/)
  await expect(openBeirSet(set({ qrels: null }), 'test')).rejects.toThrow(/splits here: none/)
  await expect(openBeirSet(path.join(root, 'nowhere'), 'test')).rejects.toThrow(/corpus\.jsonl is missing/)
})
