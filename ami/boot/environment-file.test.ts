// The file that systemd reads: every value comes out of it as it went in, and it lies in memory only.
import { chmod, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatEnvironment, writeInMemory } from './environment-file.ts'
import { readEnvironmentFile } from './test/environment-file-reader.ts'
import { createWorld, type World } from './test/world.ts'

const NASTY = {
  QUOTES: `it's "so" \`said\``,
  MONEY: '$5 $HOME $(id) {$} %h %%',
  BACKSLASHES: 'C:\\new\\table \\\\ \\" end\\',
  LINES: 'one\ntwo\r\n\n# no comment\nTHREE=3\n',
  EDGES: '  spaces and tabs \t',
  EMPTY: '',
  JSON: '[{"id":"a","key":"env:KEY"}]',
  PEM: '-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n',
  WORDS: 'Zürich 日本 🏔 \u2028',
  CONTROLS: '\u0001\u001b[31m\u007f\u0085',
}

describe('the syntax', () => {
  test('gives systemd back what it was given', () => {
    expect(readEnvironmentFile(formatEnvironment(NASTY))).toEqual(NASTY)
  })

  test('whatever stands in a value', () => {
    const bits = fc.constantFrom(
      '"',
      "'",
      '\\',
      '`',
      '$',
      '%',
      '\n',
      '\r',
      ' ',
      '\t',
      '=',
      '#',
      ';',
      'A',
      'é',
      '🏔',
    )
    const text = fc.oneof(
      fc.array(bits, { maxLength: 12 }).map((all) => all.join('')),
      fc.string({ unit: 'grapheme' }),
      fc.string({ unit: 'binary-ascii' }).map((one) => one.replaceAll('\0', '')),
    )
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/)
    fc.assert(
      fc.property(fc.dictionary(name, text, { maxKeys: 5 }), (variables) => {
        expect(readEnvironmentFile(formatEnvironment(variables))).toEqual({ ...variables })
      }),
      { numRuns: 2_000 },
    )
  })

  test.each([
    ['A NAME', 'x', 'A NAME: is not a name for a variable'],
    ['A', 'a\0b', 'A: has a NUL character'],
    ['A', '\ud800', 'A: has characters that Unicode has no meaning for'],
    ['A', '\uffff', 'A: has characters that Unicode has no meaning for'],
    ['A', 'x'.repeat(128 * 1024), 'A: is longer than 128 KiB'],
  ])('refuses what would be left out or could not be started with (%j)', (name, value, sentence) => {
    expect(() => formatEnvironment({ OTHER: 'secret', [name]: value })).toThrow(sentence)
    expect(() => formatEnvironment({ OTHER: 'secret', [name]: value })).not.toThrow('secret')
  })
})

describe('the file', () => {
  let world: World
  beforeEach(async () => {
    world = await createWorld()
  })
  afterEach(() => world[Symbol.asyncDispose]())

  test('is its owner’s alone, takes the place of the one before, and leaves no draft', async () => {
    const file = path.join(world.folder, 'environment')
    await writeFile(file, 'OLD="1"\n')
    await chmod(file, 0o644)
    await writeInMemory(file, 'NEW="2"\n')
    expect(await readFile(file, 'utf8')).toBe('NEW="2"\n')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(world.folder)).toEqual(['environment', 'image.json'])
  })

  // Images are Linux: elsewhere there is no file system to tell by.
  test.runIf(process.platform === 'linux')('is never written to a disk', async () => {
    const here = path.join(import.meta.dirname, 'environment-that-must-not-be')
    try {
      await expect(writeInMemory(here, 'SECRET="x"')).rejects.toThrow('is not in memory (tmpfs)')
      expect(await readdir(import.meta.dirname)).not.toContain('environment-that-must-not-be')
    } finally {
      await rm(here, { force: true })
    }
  })
})
