import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { documentTitle, fittingHeadings, headingText, sectionPath } from './headings.ts'
import { detectLanguage } from './language.ts'
import { SlicedText } from './parse/blocks.ts'
import type { ParsedPage } from './parse/port.ts'
import { PASSAGE_TOKENS } from './reading.ts'
import { sentences } from './sentences.ts'
import { type Passage, splitPages } from './split.ts'

/** One token a word, more for long ones: enough like the real thing, and known. */
const countTokens = (text: string) => (text.match(/\S{1,8}/g) ?? []).length
const options = { title: 'Title', language: 'en', countTokens }

const words = fc.lorem({ maxCount: 60, mode: 'words' })
const odd = fc.string({ unit: 'grapheme', maxLength: 40 })
const line = fc.oneof(
  { weight: 5, arbitrary: words },
  { weight: 3, arbitrary: fc.lorem({ maxCount: 12, mode: 'sentences' }) },
  { weight: 1, arbitrary: odd },
  { weight: 1, arbitrary: fc.constant('x'.repeat(3_000)) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.lorem({ maxCount: 4 }), { minLength: 5, maxLength: 60 })
      .map((rows) => rows.join('\n')),
  },
)

/** Pages with any text, headings and furniture on whole lines of it. */
const page: fc.Arbitrary<ParsedPage> = fc
  .array(
    fc.record({
      text: line,
      kind: fc.constantFrom('body', 'body', 'body', 'heading', 'furniture'),
      gap: fc.constantFrom('\n', '\n\n'),
    }),
    {
      maxLength: 12,
    },
  )
  .map((lines) => {
    let text = ''
    const headings: { start: number; end: number; level: number }[] = []
    const furniture: { start: number; end: number }[] = []
    for (const { text: added, kind, gap } of lines) {
      if (text !== '') text += gap
      const start = text.length
      text += added
      if (text.length === start) continue
      if (kind === 'heading') headings.push({ start, end: text.length, level: 1 + (added.length % 3) })
      if (kind === 'furniture') furniture.push({ start, end: text.length })
    }
    return { text, headings, furniture }
  })

const pages = fc.array(page, { maxLength: 5 })

function textOf(all: readonly ParsedPage[], passage: Passage): string {
  return all[passage.page - 1]?.text.slice(passage.start, passage.end) ?? ''
}

describe('passages of any document', () => {
  test('are ranges of their page, in order, apart, without white space around them, whole characters', () => {
    fc.assert(
      fc.property(pages, (all) => {
        let before = { page: 1, end: 0 }
        for (const passage of splitPages(all, options)) {
          expect(passage.page).toBeGreaterThanOrEqual(before.page)
          if (passage.page > before.page) before = { page: passage.page, end: 0 }
          expect(passage.start).toBeGreaterThanOrEqual(before.end)
          const text = textOf(all, passage)
          expect(text.length).toBe(passage.end - passage.start)
          expect(text).toBe(text.trim())
          expect(text).not.toBe('')
          if (all[passage.page - 1]?.text.isWellFormed()) expect(text.isWellFormed()).toBe(true)
          before = { page: passage.page, end: passage.end }
        }
      }),
    )
  })

  test('hold every character that is no heading and no furniture', () => {
    fc.assert(
      fc.property(pages, (all) => {
        const passages = splitPages(all, options)
        all.forEach((page, i) => {
          const own = passages.filter((passage) => passage.page === i + 1)
          const outside = [...page.headings, ...page.furniture]
          for (let at = 0; at < page.text.length; at++) {
            const held = own.filter((passage) => passage.start <= at && at < passage.end).length
            expect(held).toBeLessThanOrEqual(1)
            if (held === 1 || /\s/.test(page.text.charAt(at))) continue
            expect(outside.some((range) => range.start <= at && at < range.end)).toBe(true)
          }
        })
      }),
      { numRuns: 60 },
    )
  })

  test('never exceed what the model reads, and say how many tokens they have', () => {
    fc.assert(
      fc.property(pages, fc.constantFrom(undefined, ...PASSAGE_TOKENS), (all, passageTokens) => {
        for (const passage of splitPages(all, { ...options, ...(passageTokens && { passageTokens }) })) {
          expect(passage.tokens).toBeLessThanOrEqual(Math.round((passageTokens ?? 200) * 1.4))
          expect(countTokens(passage.heading)).toBeLessThanOrEqual(32)
        }
      }),
    )
  })

  test.each(PASSAGE_TOKENS)('of prose are about as long as is asked for: %s tokens', (passageTokens) => {
    const text = Array.from({ length: 600 }, (_, i) => `Sentence ${i} says a thing about it.`).join(' ')
    const passages = splitPages([{ text, headings: [], furniture: [] }], { ...options, passageTokens })
    for (const { tokens } of passages.slice(0, -1)) {
      expect(tokens).toBeGreaterThan(passageTokens * 0.85)
      expect(tokens).toBeLessThanOrEqual(passageTokens)
    }
  })

  test('are found by their words also where a heading has no text under it', () => {
    const text = 'Opening hours\n\nClosed\n\nMondays'
    const page = {
      text,
      headings: [
        { start: 0, end: 13, level: 1 },
        { start: 23, end: 30, level: 1 },
      ],
      furniture: [],
    }
    const found = splitPages([page], options)
    expect(found.map((passage) => [passage.heading, textOf([page], passage)])).toEqual([
      ['Title > Opening hours', 'Closed'],
      ['Title', 'Mondays'],
    ])
  })
})

describe('where a passage ends', () => {
  const sentence = (n: number) => `Sentence number ${n} has exactly eight words now.`
  const paragraph = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => sentence(from + i)).join(' ')

  test('at a paragraph, when the next one does not fit', () => {
    const text = [paragraph(0, 18), paragraph(20, 12)].join('\n\n')
    const found = splitPages([{ text, headings: [], furniture: [] }], options)
    expect(found.map((passage) => text.slice(passage.start, passage.end))).toEqual([
      paragraph(0, 18),
      paragraph(20, 12),
    ])
  })

  test('at a sentence, in a long paragraph', () => {
    const text = paragraph(0, 60)
    for (const passage of splitPages([{ text, headings: [], furniture: [] }], options))
      expect(text.slice(passage.start, passage.end)).toMatch(/^Sentence .* now\.$/s)
  })

  test('at a row, in a table', () => {
    const text = Array.from({ length: 300 }, (_, i) => `Row ${i} | of. a table | Value ${i}`).join('\n')
    for (const passage of splitPages([{ text, headings: [], furniture: [] }], options))
      expect(text.slice(passage.start, passage.end)).toMatch(/^Row .*\d$/s)
  })
})

describe('headings', () => {
  test('replace those of their rank and below', () => {
    const path = [
      [1, 'A'],
      [2, 'B'],
      [3, 'C'],
      [2, 'D'],
    ] as const
    let at = sectionPath([], 1, 'x')
    for (const [level, text] of path) at = sectionPath(at, level, text)
    expect(headingText('Book', at).parts).toEqual(['Book', 'A', 'D'])
    expect(headingText('a', at).parts).toEqual(['a', 'D'])
  })

  test('cost at most a tenth of a document, the section itself last to go', () => {
    const heading = {
      parts: ['A book with quite a long title', 'Part one of the book', 'Chapter twelve', 'Its last section'],
    }
    const passages = Array.from({ length: 100 }, () => ({ heading, tokens: 150 }))
    const made = fittingHeadings(passages, 15_500, { countTokens })
    const spent = made.reduce((sum, text) => sum + countTokens(text) + 2, 0)
    expect(15_000 + spent).toBeLessThanOrEqual(15_500 * 1.1)
    expect(made[0]).toMatch(/Its last section$/)
    expect(fittingHeadings(passages, 30_000, { countTokens })[0]).toBe(heading.parts.join(' > '))
  })

  test.each([
    ['A Real Title', 'x.pdf', 'A Real Title'],
    ['untitled', 'annual_report-2024.pdf', 'annual report-2024'],
    ['Microsoft Word - draft.doc', 'Draft.docx', 'Draft'],
    [null, 'café-menu.txt', 'café menu'],
    ['12', 'a.b.pdf', 'a.b'],
  ])('the title of %j in %s is %j', (own, filename, title) => {
    expect(documentTitle(own, filename)).toBe(title)
  })
})

test('sentences are not cut after abbreviations, and leave nothing out', () => {
  const text =
    'See Fig. 3 and e.g. Dr. Smith. It costs approx. 5 EUR. J. Doe agreed! Did you? Ja, z.B. heute.'
  const found = sentences(text, { start: 0, end: text.length }, 'en')
  expect(found.map(({ start, end }) => text.slice(start, end).trim())).toEqual([
    'See Fig. 3 and e.g. Dr. Smith.',
    'It costs approx. 5 EUR.',
    'J. Doe agreed!',
    'Did you?',
    'Ja, z.B. heute.',
  ])
  expect(found.map(({ start, end }) => text.slice(start, end)).join('')).toBe(text)
})

test.each([
  ['en', 'The quick brown fox jumps over the lazy dog and it is not the only one that does so in this town.'],
  [
    'de',
    'Der schnelle braune Fuchs springt über den faulen Hund, und das ist nicht der einzige, der es in der Stadt tut.',
  ],
  [
    'fr',
    'Le renard brun saute par-dessus le chien paresseux et ce n’est pas le seul qui le fait dans la ville.',
  ],
  ['es', 'El zorro marrón salta sobre el perro perezoso y no es el único que lo hace en la ciudad.'],
  ['pt', 'A raposa marrom salta sobre o cão preguiçoso e não é a única que faz isso na cidade.'],
  ['nl', 'De snelle bruine vos springt over de luie hond en het is niet de enige die dat in de stad doet.'],
  ['sv', 'Den snabba bruna räven hoppar över den lata hunden och det är inte den enda som gör det i staden.'],
  [
    'ru',
    'Быстрая лиса прыгает через ленивую собаку, и это не единственная лиса, которая так делает в городе.',
  ],
  ['ja', '素早い茶色の狐がのろまな犬を飛び越える。'],
  ['zh', '敏捷的棕色狐狸跳过懒狗。'],
  ['ko', '빠른 갈색 여우가 게으른 개를 뛰어넘는다.'],
  ['el', 'Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.'],
  ['en', '12345 67890'],
])('%s is told', (language, text) => {
  expect(detectLanguage(text)).toBe(language)
})

test('slices of any blocks keep their text, and a heading stays with what follows', () => {
  const block = fc.record({
    text: fc.lorem({ maxCount: 200 }),
    level: fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined, freq: 6 }),
  })
  fc.assert(
    fc.property(fc.array(block, { maxLength: 40 }), (blocks) => {
      const slices = new SlicedText()
      for (const { text, level } of blocks)
        slices.add(level === undefined ? { text } : { text: text.slice(0, 80), level })
      const pages = slices.finish()
      const bare = (text: string) => text.replace(/\s+/g, '')
      expect(bare(pages.map((page) => page.text).join(''))).toBe(
        bare(blocks.map(({ text, level }) => (level === undefined ? text : text.slice(0, 80))).join('')),
      )
      for (const page of pages.slice(0, -1))
        expect(page.headings.some((heading) => heading.end === page.text.length && heading.start > 0)).toBe(
          false,
        )
      for (const page of pages)
        for (const heading of page.headings)
          expect(page.text.slice(heading.start, heading.end).trim()).not.toBe('')
    }),
  )
})
