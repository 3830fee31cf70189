// Rows of COPY … TO STDOUT (FORMAT binary): the fastest way to read 100,000 vectors out of PostgreSQL.
// https://www.postgresql.org/docs/18/sql-copy.html, "Binary Format"

/** A row's fields by number; valid until the next row is taken. */
export class CopyRow {
  #buffer: Buffer = Buffer.alloc(0)
  readonly #starts: number[] = []
  readonly #ends: number[] = []

  /** Reads the row at `offset`. @returns where the next one begins, -1 when the row is not all here, 0 at the end */
  parse(buffer: Buffer, offset: number): number {
    if (offset + 2 > buffer.length) return -1
    const fields = buffer.readInt16BE(offset)
    if (fields === -1) return 0
    this.#buffer = buffer
    let at = offset + 2
    for (let i = 0; i < fields; i++) {
      if (at + 4 > buffer.length) return -1
      const length = Math.max(0, buffer.readInt32BE(at))
      if (at + 4 + length > buffer.length) return -1
      this.#starts[i] = at + 4
      this.#ends[i] = at + 4 + length
      at += 4 + length
    }
    return at
  }

  int4(field: number): number {
    return this.#buffer.readInt32BE(this.#starts[field] ?? 0)
  }

  /** Exact up to 2^53. */
  int8(field: number): number {
    return Number(this.#buffer.readBigInt64BE(this.#starts[field] ?? 0))
  }

  text(field: number): string {
    return this.#buffer.toString('utf8', this.#starts[field], this.#ends[field])
  }

  bytes(field: number): Buffer {
    return this.#buffer.subarray(this.#starts[field], this.#ends[field])
  }
}

/** Every row as the same object. @throws Error when the stream ends early */
export async function* copyRows(stream: AsyncIterable<Buffer>): AsyncGenerator<CopyRow> {
  const row = new CopyRow()
  let rest: Buffer = Buffer.alloc(0)
  let started = false
  let ended = false
  for await (const chunk of stream) {
    if (ended) continue
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let offset = 0
    if (!started) {
      if (rest.length < 19) continue
      const header = 19 + rest.readInt32BE(15)
      if (rest.length < header) continue
      offset = header
      started = true
    }
    for (;;) {
      const next = row.parse(rest, offset)
      if (next < 0) break
      if (next === 0) {
        ended = true
        break
      }
      yield row
      offset = next
    }
    rest = rest.subarray(offset)
  }
  if (!ended) throw new Error('COPY ended before its last row')
}
