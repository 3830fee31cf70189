import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { ERRORS, type ErrorCode } from '../../contract/errors.ts'
import { toFailure } from '../lib/errors.ts'
import { addSentences, errorSentence, t } from '../lib/t.ts'
import { account } from './en/account.ts'
import { collections } from './en/collections.ts'
import { connectModel } from './en/connect-model.ts'
import { direct } from './en/direct.ts'
import { entry } from './en/entry.ts'
import { keys } from './en/keys.ts'
import { models } from './en/models.ts'
import { people } from './en/people.ts'
import { search } from './en/search.ts'
import { searchModel } from './en/search-model.ts'
import { start } from './en/start.ts'
import { testBench } from './en/test-bench.ts'
import { usage } from './en/usage.ts'
import { en } from './en.ts'

const all = {
  ...en,
  ...account,
  ...collections,
  ...connectModel,
  ...direct,
  ...entry,
  ...keys,
  ...models,
  ...people,
  ...search,
  ...searchModel,
  ...start,
  ...testBench,
  ...usage,
}
addSentences(all)

const web = path.join(import.meta.dirname, '..')

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const place = path.join(folder, entry.name)
    if (entry.isDirectory()) return /^(node_modules|\.next|locales)$/.test(entry.name) ? [] : sources(place)
    return /\.tsx?$/.test(entry.name) && !/\.test\./.test(entry.name) ? [readFileSync(place, 'utf8')] : []
  })
}

describe('the catalogue', () => {
  it('has no key in two files: the later would silently win', async () => {
    const seen = new Map<string, string>()
    for (const file of readdirSync(path.join(import.meta.dirname, 'en'))) {
      const exports: Record<string, object> = await import(path.join(import.meta.dirname, 'en', file))
      for (const key of Object.values(exports).flatMap((each) => Object.keys(each))) {
        expect(seen.get(key) ?? file, key).toBe(file)
        seen.set(key, file)
      }
    }
    expect(seen.size).toBe(Object.keys(all).length)
  })

  it('has a sentence of its own for every code that the API can answer with', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      expect(
        errorSentence(code, { reason: 'r', limit: 1, seconds: 1, min: 1, type: 't', crashes: 1 }),
      ).toMatch(/\w.*[.)r1]$/)
    }
    expect(toFailure(new Error('?')).code).toBe('INTERNAL')
  })

  it('has no key that nothing shows', () => {
    const text = sources(web).join('\n')
    // Keys that are put together: `stage.${stage}` and the like.
    const built = [...text.matchAll(/`([\w.]*)\$\{/g)]
      .map((match) => match[1] ?? '')
      .filter((prefix) => prefix.endsWith('.'))
    const unused = Object.keys(all).filter(
      (key) => !text.includes(`'${key}'`) && !built.some((prefix) => key.startsWith(prefix)),
    )
    expect(unused).toEqual([])
  })

  it('fills places and counts', () => {
    expect(t('collections.documents', { count: 1 })).toBe('1 document')
    expect(t('collections.documents', { count: 1234 })).toBe('1,234 documents')
    expect(t('documents.none', { search: '{x} $1' })).toContain('{x} $1')
  })
})
