// IPv4 ranges in CIDR notation (RFC 4632): what the stage table is checked with and the network is interpreted by.

export interface Range {
  /** First address, as an unsigned number. */
  readonly first: number
  /** Last address. */
  readonly last: number
  /** Length of the network part, 0 to 32. */
  readonly bits: number
}

/** @throws RangeError for anything but `a.b.c.d/n` with no bit set behind the n-th */
export function parseCidr(text: string): Range {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(text)
  const [a = 256, b = 256, c = 256, d = 256, bits = 33] = match ? match.slice(1).map(Number) : []
  if (Math.max(a, b, c, d) > 255 || bits > 32)
    throw new RangeError(`${text} is not an IPv4 range (a.b.c.d/n)`)
  const first = ((a * 256 + b) * 256 + c) * 256 + d
  const size = 2 ** (32 - bits)
  if (first % size !== 0) throw new RangeError(`${text} does not begin where a /${bits} begins`)
  return { first, last: first + size - 1, bits }
}

export const overlaps = (a: Range, b: Range): boolean => a.first <= b.last && b.first <= a.last
export const contains = (outer: Range, inner: Range): boolean =>
  outer.first <= inner.first && inner.last <= outer.last
