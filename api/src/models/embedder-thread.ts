// One thread with one ONNX session. `run()` is synchronous (measured: it blocks its event loop for the whole run),
// so it may only happen here, never in the API's or the ingest process' main thread.
// Batches of one: int8 vectors change with whatever they are padded together with.
import os from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { InferenceSession, Tensor } from 'onnxruntime-node'

export interface ThreadData {
  readonly model: string
  readonly dimensions: number
  /** Niceness of this thread, 0 to 19; the process' other threads keep theirs. */
  readonly nice: number
}
export interface ThreadTask {
  readonly id: number
  /** With the special ones. */
  readonly tokens: Int32Array
}
export type ThreadResult =
  | { readonly ready: true }
  | { readonly id: number; readonly vector: Float32Array<ArrayBuffer> }
  | { readonly id: number; readonly error: string }

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

async function serve(port: NonNullable<typeof parentPort>, data: ThreadData): Promise<void> {
  // On Linux niceness belongs to a thread (pid 0: the calling one). Elsewhere it would slow the whole process.
  if (data.nice > 0 && process.platform === 'linux') os.setPriority(0, data.nice)
  const session = await InferenceSession.create(data.model, SESSION_OPTIONS)
  let last: Promise<void> = Promise.resolve()
  const work = async (task: ThreadTask) => {
    try {
      const vector = await runModel(session, task.tokens, data.dimensions)
      port.postMessage({ id: task.id, vector } satisfies ThreadResult, [vector.buffer])
    } catch (error) {
      port.postMessage({ id: task.id, error: String(error) } satisfies ThreadResult)
    }
  }
  port.on('message', (message: ThreadTask | 'close') => {
    // Never by terminate(): native code that comes back into a thread that is gone aborts the whole process.
    last = last.then(async () => {
      if (message !== 'close') return await work(message)
      await session.release()
      port.close()
    })
  })
  port.postMessage({ ready: true } satisfies ThreadResult)
}

if (parentPort !== null && workerData !== null) await serve(parentPort, workerData as ThreadData)
