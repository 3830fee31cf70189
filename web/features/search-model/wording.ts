// What a reading is called on the page: people choose how long passages are, not numbers of tokens.
import { t } from '../../lib/t.ts'
import type { Generation, Overview } from './rows.ts'

export type Length = 'short' | 'standard' | 'long'

const LENGTHS: Readonly<Record<number, Length>> = { 120: 'short', 200: 'standard', 320: 'long' }

/** Null for one that only another build offers. */
export const lengthOf = (tokens: number): Length | null => LENGTHS[tokens] ?? null

export function passagesText(tokens: number): string {
  const length = lengthOf(tokens)
  return length === null
    ? t('searchModel.otherPassages', { count: tokens })
    : t(`searchModel.passages.${length}`, { count: tokens })
}

/** Null where documents are read as this build does. */
export function parserText({ parser }: Generation, { parser: own }: Overview): string | null {
  if (parser === own) return null
  return t(parser < own ? 'searchModel.olderParser' : 'searchModel.newerParser')
}

/** By which rows are told apart: several may have the same model. */
export function titleOf(generation: Generation, overview: Overview): string {
  const { name, passageTokens } = generation
  return [name, passagesText(passageTokens), parserText(generation, overview)]
    .filter((part) => part !== null)
    .join(', ')
}

/** Documents first: how many passages there are is known when they are read. */
export function progressText({ documents, documentsRead, passages, embedded }: Generation): string {
  if (documentsRead >= documents) return t('searchModel.progress', { embedded, passages })
  const read = t('searchModel.read', { read: documentsRead, documents })
  return passages === 0 ? read : `${read} · ${t('searchModel.progressSoFar', { embedded, passages })}`
}

/** 0 to 1, and 1 only when all documents are read and all passages have vectors. */
export function shareDone({ documents, documentsRead, passages, embedded }: Generation): number {
  return documents === 0 || passages === 0 ? 0 : (documentsRead / documents) * (embedded / passages)
}
