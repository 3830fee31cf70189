import fc from 'fast-check'
import { expect, test } from 'vitest'
import { reflow } from './reflow.ts'

test('full lines run on, a paragraph’s last line ends', () => {
  const page = [
    'Support for the m68k architecture was dropped in the Etch release, because it did',
    'not meet the criteria set by the Debian Release Managers.',
    'This architecture covers Amigas.',
  ].join('\n')
  expect(reflow(page)).toBe(
    'Support for the m68k architecture was dropped in the Etch release, because it did ' +
      'not meet the criteria set by the Debian Release Managers.\nThis architecture covers Amigas.',
  )
})

test('lists, headings, indented code and blank lines keep their lines', () => {
  const page = [
    'mips: SGI’s big-endian MIPS systems, Indy and Indigo2; little-endian MIPS machines',
    '• powerpc: this covers some IBM and Motorola PowerPC machines, including Macintosh',
    '2. The second of the things that are worth knowing before one begins to upgrade it',
    '    apt update && apt full-upgrade --download-only --assume-yes --quiet --quiet',
    '',
    'The end',
  ].join('\n')
  expect(reflow(page)).toBe(page)
})

test('a word that was divided at its hyphen goes on without a blank', () => {
  const page =
    'SGI’s big-endian MIPS systems, Indy and Indigo2; mipsel: little-endian, Dig-\nital DECstations.'
  expect(reflow(page)).toContain('Dig-\u2060ital DECstations')
  expect(reflow(page).length).toBe(page.length)
})

test('short lines are left alone', () => {
  const verse = 'one two three\nfour five six\nseven'
  expect(reflow(verse)).toBe(verse)
})

test('no offset ever moves', () => {
  const line = fc.array(fc.constantFrom('word', ' ', '-', '•', '1.', '😀', ':'), { maxLength: 30 })
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const page = lines.map((parts) => parts.join('')).join('\n')
      const shown = reflow(page)
      expect(shown.length).toBe(page.length)
      expect(shown.replace(/[\u2060 \n]/g, '')).toBe(page.replace(/[ \n]/g, ''))
    }),
  )
})
