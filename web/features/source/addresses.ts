import { PUBLIC_PATHS } from '../../../contract/ports.ts'

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

type Query = Readonly<Record<string, string | string[] | undefined>>

/** The same read back from an address; what is not a number is not there. */
export function placeOf(query: Query): {
  version: string | undefined
  /** Undefined in an address from before there were several. */
  reading: number | undefined
  page: number
  range: { start: number; end: number } | null
} {
  const number = (value: string | string[] | undefined): number | null =>
    typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : null
  const start = number(query.start)
  const end = number(query.end)
  const reading = number(query.reading) ?? 0
  return {
    version: typeof query.version === 'string' ? query.version : undefined,
    reading: reading > 0 ? reading : undefined,
    page: Math.max(1, number(query.page) ?? 1),
    range: start !== null && end !== null && end > start ? { start, end } : null,
  }
}

/** The file as it was uploaded. */
export function originalAddress(versionId: string): string {
  return `${PUBLIC_PATHS.files}/${encodeURIComponent(versionId)}`
}
