// The Debian set as it is committed (bench/sets/debian), and how a manual's page becomes its documents.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { sectionsOf } from '../../bench/sets/debian/sections.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../bench/sets/debian')

function lines(file: string): string[][] {
  const [, ...rows] = readFileSync(path.join(FOLDER, file), 'utf8').trimEnd().split('\n')
  return rows.map((row) => row.split('\t'))
}

test('no answer is asked for in both halves, which are made by its hash', () => {
  const [dev, test] = [lines('qrels/dev.tsv'), lines('qrels/test.tsv')]
  const answers = (rows: readonly string[][]) => new Set(rows.map(([, answer = '']) => answer))
  expect([...answers(dev)].filter((answer) => answers(test).has(answer))).toEqual([])
  const odd = (answer: string) => (createHash('sha256').update(answer).digest()[0] ?? 0) % 2
  // A question with two answers stands where the first one does.
  const first = (rows: readonly string[][]) =>
    new Map(rows.toReversed().map(([id = '', answer = '']) => [id, answer]))
  expect([...first(dev).values()].map(odd)).not.toContain(1)
  expect([...first(test).values()].map(odd)).not.toContain(0)
  for (const [half, rows] of [['dev', dev] as const, ['test', test] as const]) {
    const parts = [...lines(`qrels/${half}-headings.tsv`), ...lines(`qrels/${half}-paraphrases.tsv`)]
    expect(parts.map(String).toSorted()).toEqual(rows.map(String).toSorted())
  }
})

test('at least 70 paraphrases, each once, all of them in one of the halves', () => {
  const paraphrases = lines('paraphrases.tsv')
  expect(paraphrases.length).toBeGreaterThanOrEqual(70)
  expect(new Set(paraphrases.map(([, text]) => text)).size).toBe(paraphrases.length)
  const judged = [...lines('qrels/dev-paraphrases.tsv'), ...lines('qrels/test-paraphrases.tsv')]
  expect(judged.length).toBe(paraphrases.length)
})

test('a heading that asks is left out of its answer, and of other answers that point to it', () => {
  const words =
    'The answer is long enough to be one, as it goes on about this and that for a while until it ends.'
  const page = `<html><body><div class="navheader">Next</div><h1>Chapter 3. Boots</h1><p>Short.</p>
    <h2>3.1. How do I lace them?</h2><p>${words}</p><h3>With one hand</h3><p>${words}</p>
    <h2>3.2. Where are they made?</h2><p>See <a href="#a">“How do I lace them?”</a> first. ${words}</p>
    <h2>3.3. Makers</h2><p>${words}</p></body></html>`
  const source = {
    ...{ name: 'boots', title: 'The Boot FAQ', package: '', version: '', sha256: '', pages: '' },
    asks: ({ text }: { text: string }) => text.endsWith('?'),
  }
  const sections = sectionsOf(page, source, new Set())
  expect(sections.map(({ id, title, question }) => [id, title, question])).toEqual([
    ['boots/how-do-i-lace-them', 'The Boot FAQ: Boots', 'How do I lace them?'],
    ['boots/where-are-they-made', 'The Boot FAQ: Boots', 'Where are they made?'],
    ['boots/makers', 'The Boot FAQ: Boots', null],
  ])
  expect(sections.map(({ text }) => text).join()).not.toContain('How do I lace')
  expect(sections[0]?.text).toBe(`${words}\n\nWith one hand\n\n${words}`)
})
