import { t } from '../../lib/t.ts'

/** What a chat ranges over: collections, or one document only. */
export interface Scope {
  readonly collectionIds: readonly string[]
  readonly documentId: string | null
}

interface Named {
  readonly id: string
  readonly name: string
}

/**
 * A scope in a few words.
 * @param collections all that the viewer sees; what a chat once named and they no longer see is left out
 * @param files how many files the chat has of its own
 */
export function scopeWords(
  scope: Scope,
  collections: readonly Named[],
  documentName: string | null,
  files: number,
): string {
  if (scope.documentId !== null) return t('chat.scopeDocument', { name: documentName ?? '…' })
  const chosen = collections.filter((collection) => scope.collectionIds.includes(collection.id))
  const [first] = chosen
  if (first === undefined) return files > 0 ? t('chat.scopeFiles') : t('chat.scopeNone')
  if (chosen.length === 1) return first.name
  if (chosen.length === collections.length) return t('chat.scopeAll')
  return t('chat.scopeMore', { name: first.name, count: chosen.length - 1 })
}

export function toggle(ids: readonly string[], id: string): string[] {
  return ids.includes(id) ? ids.filter((other) => other !== id) : [...ids, id]
}
