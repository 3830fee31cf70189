import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { fileKind } from './kind.ts'

describe('what a file without a telling name is', () => {
  test('HTML after comments is HTML', () => {
    const html = '<?xml version="1.0"?>\n<!-- a -- b -->\n<!----><!doctype html><title>x</title>'
    expect(fileKind('page', Buffer.from(html))).toBe('html')
    expect(fileKind('page', Buffer.from('<!-- <html> --> and so on'))).toBe('text')
  })

  test('a row of comments is looked at once, not in every way it can be cut up', () => {
    const look = () => fileKind('notes', Buffer.from(`${'<!---->'.repeat(140)}x`))
    // Only a guard: what takes every way there is would never end.
    expect(runInNewContext('look()', { look }, { timeout: 20_000 })).toBe('text')
  })
})
