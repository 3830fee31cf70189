import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseHtml } from '../ingest/parse/html.ts'
import { documentFile } from './document-file.ts'

const parsed = (document: { title: string; text: string }) => {
  const file = documentFile({ id: 'x', ...document })
  if (file === null) throw new Error('no file')
  return parseHtml(Buffer.from(file.body))
}

test('title and paragraphs come out of the product’s own reader as they were', () => {
  const text = 'If a < b && c > d:\n  print("<p>no markup</p>")\n\nA second paragraph &amp; more.'
  const { title, pages } = parsed({ title: 'Why <i> & how?', text })
  expect(title).toBe('Why <i> & how?')
  const [page] = pages
  expect(page?.text).toBe(
    'Why <i> & how?\n\nIf a < b && c > d:\nprint("<p>no markup</p>")\n\nA second paragraph &amp; more.',
  )
  expect(page?.headings.map(({ start, end }) => page.text.slice(start, end))).toEqual(['Why <i> & how?'])
})

test('without a title the file’s name is its id, and without any text there is no file', () => {
  expect(documentFile({ id: 'a/b', title: '', text: 'x' })).toMatchObject({ name: 'a-b.html' })
  expect(documentFile({ id: '1', title: '', text: 'x' })?.body).not.toContain('<title>')
  expect(documentFile({ id: '1', title: ' ', text: '\n' })).toBeNull()
})

test('no word of any text is lost or made markup', () => {
  const words = fc.array(fc.stringMatching(/^[!-~]{1,12}$/), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(words, (all) => {
      const { pages } = parsed({ title: '', text: all.join(' ') })
      expect(pages.map((page) => page.text).join(' ')).toBe(all.join(' '))
    }),
  )
})
