// An archive that is the same for the same files, on every machine: names sorted, no times, nobody's ids. No tool's own: those
// of a Mac and of a Debian make others. The format is that of POSIX.1-1988 (ustar), which every tar reads.

export interface TarEntry {
  /** With slashes, relative. */
  readonly name: string
  readonly content: Uint8Array
  readonly isExecutable?: boolean
  /** Where a symbolic link points to; its content is none. */
  readonly link?: string
}

const BLOCK = 512
const NAME_BYTES = 100
const PREFIX_BYTES = 155

/** @throws Error for a name that is too long for the format */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  const sorted = entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  const parts = sorted.flatMap((entry) => {
    const { content } = entry
    return [headerOf(entry), content, Buffer.alloc((BLOCK - (content.length % BLOCK)) % BLOCK)]
  })
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)])
}

function headerOf({ name, content, isExecutable = false, link }: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK)
  const [prefix, last] = placesOf(name)
  const put = (text: string, at: number) => header.write(text, at)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  if (Buffer.byteLength(link ?? '') > NAME_BYTES) throw new Error(`${name} points too far for an archive`)
  put(last, 0)
  put(octal(isExecutable ? 0o755 : 0o644, 7), 100)
  put(octal(0, 7), 108)
  put(octal(0, 7), 116)
  put(octal(content.length, 11), 124)
  put(octal(0, 11), 136)
  put(link === undefined ? '0' : '2', 156)
  put(link ?? '', 157)
  put('ustar\x0000', 257)
  put(prefix, 345)
  // The sum of all bytes, its own being spaces.
  put('        ', 148)
  put(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  )
  return header
}

/** A long name is divided at one of its slashes. */
function placesOf(name: string): readonly [prefix: string, last: string] {
  const fits = (text: string, bytes: number) => Buffer.byteLength(text) <= bytes
  if (fits(name, NAME_BYTES)) return ['', name]
  for (let at = name.indexOf('/'); at > 0; at = name.indexOf('/', at + 1)) {
    const [prefix, last] = [name.slice(0, at), name.slice(at + 1)]
    if (fits(prefix, PREFIX_BYTES) && fits(last, NAME_BYTES)) return [prefix, last]
  }
  throw new Error(`${name}: too long for an archive`)
}
