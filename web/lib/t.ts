// Every word that a person reads comes from the catalogue in locales/, by a key and typed parameters.
// `{name}` in a sentence is replaced; an entry with `one` and `other` is chosen by `count`.
import type { ErrorCode, ErrorDetail } from '../../contract/errors.ts'
import type { account } from '../locales/en/account.ts'
import type { collections } from '../locales/en/collections.ts'
import type { connectModel } from '../locales/en/connect-model.ts'
import type { direct } from '../locales/en/direct.ts'
import type { entry } from '../locales/en/entry.ts'
import type { keys } from '../locales/en/keys.ts'
import type { models } from '../locales/en/models.ts'
import type { people } from '../locales/en/people.ts'
import type { search } from '../locales/en/search.ts'
import type { searchModel } from '../locales/en/search-model.ts'
import type { start } from '../locales/en/start.ts'
import type { testBench } from '../locales/en/test-bench.ts'
import type { usage } from '../locales/en/usage.ts'
import { en } from '../locales/en.ts'

export const LOCALE = 'en'

/** With the sentences that come with a page of their own. */
type Catalogue = typeof en &
  typeof account &
  typeof collections &
  typeof connectModel &
  typeof direct &
  typeof entry &
  typeof keys &
  typeof models &
  typeof people &
  typeof search &
  typeof searchModel &
  typeof start &
  typeof testBench &
  typeof usage
export type Key = keyof Catalogue
type Sentence<K extends Key> = Catalogue[K] extends { other: infer S } ? S : Catalogue[K]
type Names<S> = S extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never
type Plain = { [K in Key]: [Params<K>] extends [never] ? K : never }[Key]
type Params<K extends Key> = Names<Sentence<K>> | (Catalogue[K] extends { other: string } ? 'count' : never)
/** A key whose sentence needs no parameters, for labels handed to components. */
export type PlainKey = Plain

type Rest<K extends Key> = [Params<K>] extends [never] ? [] : [params: Record<Params<K>, string | number>]

const plural = new Intl.PluralRules(LOCALE)
const numbers = new Intl.NumberFormat(LOCALE)

const show = (value: string | number | boolean | null | undefined): string =>
  typeof value === 'number' ? numbers.format(value) : String(value ?? '')

const fill = (sentence: string, params: Readonly<Record<string, string | number | boolean | null>>): string =>
  sentence.replace(/\{(\w+)\}/g, (_, name: string) => show(params[name]))

type Entry = string | { readonly one: string; readonly other: string }
const sentences: Record<string, Entry> = { ...en }

/** A page that few people see brings its sentences along: otherwise every page would carry them. */
export function addSentences(more: Readonly<Record<string, Entry>>): void {
  Object.assign(sentences, more)
}

export function t<K extends Key>(key: K, ...rest: Rest<K>): string {
  const params: Record<string, string | number> = rest[0] ?? {}
  const entry = sentences[key] ?? ''
  if (typeof entry === 'string') return fill(entry, params)
  return fill(plural.select(Number(params.count)) === 'one' ? entry.one : entry.other, params)
}

/** The sentence for an error's code; details that are absent stay empty. */
export function errorSentence(code: ErrorKeyCode, detail: ErrorDetail): string {
  return fill(String(sentences[`error.${code}`]), detail)
}
type ErrorKeyCode = Key extends infer K ? (K extends `error.${infer Code}` ? Code : never) : never

/** The catalogue has every code of contract/errors.ts (a test says so); asking it spares pages the API's own sentences. */
export const isErrorCode = (value: unknown): value is ErrorCode =>
  typeof value === 'string' && value !== 'NETWORK' && Object.hasOwn(sentences, `error.${value}`)
