import { expect, test } from 'vitest'
import { safeAddress } from './safe-address.ts'

test.each([
  ['https://www.debian.org/doc/', 'https://www.debian.org/doc/'],
  ['http://example.org', 'http://example.org/'],
  ['mailto:a@example.org', 'mailto:a@example.org'],
])('%s may be followed', (address, href) => {
  expect(safeAddress(address)).toBe(href)
})

test.each([
  'javascript:alert(1)',
  ' javascript:alert(1)',
  'JaVaScRiPt:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'vbscript:x',
  'file:///etc/passwd',
  'blob:https://example.org/1',
  'https://someone:secret@example.org/',
  '/api/auth/sign-out',
  '//example.org/x',
  'chats/new',
  '#top',
  '',
])('%j may not', (address) => {
  expect(safeAddress(address)).toBe('')
})
