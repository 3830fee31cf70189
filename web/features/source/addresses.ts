import { PUBLIC_PATHS } from '../../../contract/ports.ts'

export { documentAddress } from '../../../contract/addresses.ts'

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
