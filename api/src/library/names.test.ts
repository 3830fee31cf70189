import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cleanFileName, cleanTitle } from './names.ts'

test.each([
  ['report.pdf', 'report.pdf'],
  ['../../etc/passwd', 'passwd'],
  ['..\\..\\windows\\system.ini', 'system.ini'],
  ['C:\\Users\\me\\notes.txt', 'notes.txt'],
  ['folder/sub/a.md', 'a.md'],
  ['folder/', 'folder'],
  ['/', 'unnamed'],
  ['', 'unnamed'],
  ['...', 'unnamed'],
  ['..', 'unnamed'],
  ['.env', 'env'],
  ['a\0b.txt', 'ab.txt'],
  ['a\nb\t c.txt', 'a b c.txt'],
  ['\u202efdp.exe', 'fdp.exe'],
  ['in\u200bvis\ufeffible\u2066.pdf', 'invisible.pdf'],
  ['tag\u{e0041}\u{e0042}.txt', 'tag.txt'],
  ['cafe\u0301.txt', 'café.txt'],
  ['Ångström 日本語 ملف.pdf', 'Ångström 日本語 ملف.pdf'],
  ['family 👨‍👩‍👧.txt', 'family 👨‍👩‍👧.txt'],
  ['نمی\u200cدانم.txt', 'نمی\u200cدانم.txt'],
  ['lone \ud800 surrogate.txt', 'lone \ufffd surrogate.txt'],
  ['  spaces  around .txt ', 'spaces around .txt'],
  ['dots at the end...', 'dots at the end'],
  ['a.txt/..', 'a.txt'],
])('%j becomes %j', (raw, clean) => {
  expect(cleanFileName(raw)).toBe(clean)
})

test('a long name keeps its ending and is cut between characters', () => {
  expect(cleanFileName(`${'x'.repeat(300)}.pdf`)).toBe(`${'x'.repeat(251)}.pdf`)
  expect(cleanFileName('x'.repeat(300))).toBe('x'.repeat(255))
  expect(cleanFileName(`a.${'x'.repeat(300)}`)).toHaveLength(255)
  const family = '👨‍👩‍👧'
  const clean = cleanFileName(`${family.repeat(50)}.txt`)
  expect(clean).toBe(`${family.repeat(31)}.txt`)
  expect(family.length * 31 + 4).toBeLessThanOrEqual(255)
})

/** Any UTF-16, with what names are attacked with made likely. */
const unit = fc.oneof(
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '.',
      '..',
      '/',
      '\\',
      '\0',
      ' ',
      '\u202e',
      '\u200f',
      '\u2066',
      '\u200d',
      '\u0301',
      '\u212a',
      '\u1100',
      '\u1161',
      '\r\n',
      '\u0085',
      '\ud83d',
      '\ude00',
      'a',
      '.pdf',
      'x'.repeat(120),
    ),
  },
)
const anyName = fc.array(unit, { maxLength: 12 }).map((parts) => parts.join(''))

test('whatever is sent, the name is safe, short and stable', () => {
  fc.assert(
    fc.property(anyName, (raw) => {
      const name = cleanFileName(raw)
      expect(name.length).toBeGreaterThan(0)
      expect(name.length).toBeLessThanOrEqual(255)
      expect(name.isWellFormed()).toBe(true)
      expect(name).toBe(name.normalize('NFC'))
      expect(name).not.toMatch(/[/\\\p{Cc}\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u)
      expect(name).not.toMatch(/^[. ]|[. ]$/u)
      expect(cleanFileName(name)).toBe(name)
    }),
    { numRuns: 3_000 },
  )
})

test('an ordinary ending survives whatever stands before it', () => {
  fc.assert(
    fc.property(anyName, fc.constantFrom('.pdf', '.docx', '.md'), (raw, extension) => {
      const name = cleanFileName(`a${raw.replace(/[/\\]/g, '')}b${extension}`)
      expect(name.endsWith(extension)).toBe(true)
    }),
    { numRuns: 2_000 },
  )
})

test('titles are one visible line, and an empty one is refused', () => {
  expect(cleanTitle('  Q1/Q2\nreport\u202e ', 120)).toBe('Q1/Q2 report')
  expect(cleanTitle('x'.repeat(200), 120)).toHaveLength(120)
  for (const nothing of ['', '  ', '\u200b\u202e', '\0'])
    expect(() => cleanTitle(nothing, 120)).toThrow('the name is empty')
})
