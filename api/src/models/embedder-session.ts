// The model itself: what a session is made with, and how token ids become a vector.
// Batches of one: int8 vectors change with whatever they are padded together with, and batching saves no CPU.
import { type InferenceSession, Tensor } from 'onnxruntime-node'

/** The options every comparison with the bare model has to use too (bench/ingest.ts). */
export const SESSION_OPTIONS = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  // Every text has another length: patterns are never used again and only take memory.
  enableMemPattern: false,
} as const

/** CLS pooling, then unit length. `tokens` with their special ones. */
export async function runModel(
  session: InferenceSession,
  tokens: Int32Array,
  dimensions: number,
): Promise<Float32Array<ArrayBuffer>> {
  const length = tokens.length
  const ids = new BigInt64Array(length)
  for (let i = 0; i < length; i++) ids[i] = BigInt(tokens[i] ?? 0)
  const shape = [1, length]
  const output = await session.run({
    input_ids: new Tensor('int64', ids, shape),
    attention_mask: new Tensor('int64', new BigInt64Array(length).fill(1n), shape),
    token_type_ids: new Tensor('int64', new BigInt64Array(length), shape),
  })
  const hidden = output.last_hidden_state?.data
  if (!(hidden instanceof Float32Array) || hidden.length < dimensions)
    throw new Error('the model gave no last_hidden_state')
  const vector = new Float32Array(hidden.subarray(0, dimensions))
  let sum = 0
  for (const x of vector) sum += x * x
  const scale = 1 / Math.sqrt(sum)
  for (let i = 0; i < vector.length; i++) vector[i] = (vector[i] ?? 0) * scale
  return vector
}
