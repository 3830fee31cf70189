import type { Scope } from '../chat/scope.ts'

export interface AskedSearch {
  readonly query: string
  /** Null: every collection that the viewer sees. */
  readonly collectionIds: readonly string[] | null
  readonly documentId: string | null
}

/** A search as an address. */
export function searchAddress(query: string, scope: Scope | null): string {
  const words = new URLSearchParams()
  if (query !== '') words.set('q', query)
  if (scope !== null && scope.documentId !== null) words.set('document', scope.documentId)
  else for (const id of scope?.collectionIds ?? []) words.append('in', id)
  const text = words.toString()
  return text === '' ? '/search' : `/search?${text}`
}

/** The same read back. */
export function searchOf(address: Readonly<Record<string, string | string[] | undefined>>): AskedSearch {
  const ids = typeof address.in === 'string' ? [address.in] : (address.in ?? null)
  return {
    query: typeof address.q === 'string' ? address.q.trim() : '',
    collectionIds: ids,
    documentId: typeof address.document === 'string' ? address.document : null,
  }
}
