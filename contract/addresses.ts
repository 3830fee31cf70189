// Addresses of pages that both the interface and what the API hands to other programs lead to.

/** Where a document is read, opened at a passage. */
export function documentAddress(place: {
  documentId: string
  versionId?: string
  /** The reading that `start` and `end` count in. */
  readingId?: number
  page?: number
  start?: number
  end?: number
}): string {
  const query = new URLSearchParams()
  if (place.versionId !== undefined) query.set('version', place.versionId)
  if (place.readingId !== undefined) query.set('reading', String(place.readingId))
  if (place.page !== undefined) query.set('page', String(place.page))
  if (place.start !== undefined && place.end !== undefined) {
    query.set('start', String(place.start))
    query.set('end', String(place.end))
  }
  const words = query.toString()
  return `/documents/${encodeURIComponent(place.documentId)}${words === '' ? '' : `?${words}`}`
}
