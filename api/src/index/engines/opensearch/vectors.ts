// Vectors on their way to the cluster and back: as bytes, for exact scores, and as numbers of a JSON text, for its graph.

/** Digits that tell every float32 from every other. */
const DIGITS = 9

/** Little-endian float32, wherever they begin. */
export function floats(bytes: Uint8Array): Float32Array {
  const copy = new Uint8Array(bytes)
  return new Float32Array(copy.buffer, 0, copy.byteLength >>> 2)
}

/**
 * The same float32 when they are read as such, in little more than half of the text: as doubles they would be written with 17
 * digits, which the cluster would also keep beside each new passage until a merge may drop it.
 */
export function numbers(vector: Float32Array): number[] {
  return Array.from(vector, (value) => Number(value.toPrecision(DIGITS)))
}
