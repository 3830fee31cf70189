// Headers of a download: one byte range (RFC 9110 §14), and a file name that says the same to every browser
// (RFC 6266, RFC 8187).

export interface ByteRange {
  readonly start: number
  /** Inclusive. */
  readonly end: number
}

/**
 * @returns null when the whole file is to be sent: no range, several, or one that is not understood
 */
export function parseRange(header: string | undefined, size: number): ByteRange | 'unsatisfiable' | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '')
  const [, first = '', last = ''] = match ?? []
  if (match === null || (first === '' && last === '')) return null
  if (first === '') {
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size - 1 }
  }
  const start = Number(first)
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1)
  if (last !== '' && Number(last) < start) return null
  return start >= size ? 'unsatisfiable' : { start, end }
}

/** Always an attachment: nothing that was uploaded is ever shown by a browser in our name. */
export function attachment(filename: string): string {
  const plain = filename.replace(/[^\x20-\x7e]|[\\"%]/g, '_')
  // attr-char of RFC 8187: what encodeURIComponent leaves and RFC 8187 does not allow is encoded too.
  const encoded = encodeURIComponent(filename.toWellFormed()).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}
