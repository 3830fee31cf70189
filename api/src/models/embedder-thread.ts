// One thread with one ONNX session. `run()` is synchronous (measured: it blocks its event loop for the whole run),
// so it may only happen here, never in the API's or the ingest process' main thread.
import os from 'node:os'
import { parentPort, workerData } from 'node:worker_threads'
import { InferenceSession } from 'onnxruntime-node'
import { runModel, SESSION_OPTIONS } from './embedder-session.ts'

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
