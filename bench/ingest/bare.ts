// The bare model on all cores: one session a thread with the product's session options, token ids ready-made, nothing
// else. The physical limit that ingestion is held against. Its threads are as nice as ingestion's, so that whatever else
// runs on the machine hurts both alike.
import { once } from 'node:events'
import os from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { InferenceSession } from 'onnxruntime-node'
import { disableOnnxTelemetry } from '../../api/src/config.ts'
import { runModel, SESSION_OPTIONS } from '../../api/src/models/embedder-session.ts'

export interface Bare {
  readonly tokens: number
  readonly seconds: number
  readonly cpuSeconds: number
}

interface Job {
  readonly model: string
  readonly texts: readonly Int32Array[]
  readonly next: Int32Array<SharedArrayBuffer>
}

const DIMENSIONS = 384
/** As in ingest/process.ts. */
const NICENESS = 10

/** Embeds every text once, on as many threads as there are cores. */
export async function bareEmbedding(model: string, texts: readonly Int32Array[]): Promise<Bare> {
  disableOnnxTelemetry()
  const next = new Int32Array(new SharedArrayBuffer(4))
  const threads = await Promise.all(
    Array.from({ length: os.availableParallelism() }, async () => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { model, texts, next } satisfies Job,
      })
      // Listened for from the beginning: the first thread may be gone before the last is done.
      const exited = once(worker, 'exit')
      await once(worker, 'message')
      return { worker, exited }
    }),
  )
  const cpu = process.cpuUsage()
  const began = performance.now()
  await Promise.all(
    threads.map(({ worker }) => {
      const done = once(worker, 'message')
      worker.postMessage('go')
      return done
    }),
  )
  const seconds = (performance.now() - began) / 1000
  const used = process.cpuUsage(cpu)
  await Promise.all(threads.map(({ exited }) => exited))
  return {
    tokens: texts.reduce((sum, tokens) => sum + tokens.length, 0),
    seconds,
    cpuSeconds: (used.user + used.system) / 1e6,
  }
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort
  const { model, texts, next } = workerData as Job
  if (process.platform === 'linux') os.setPriority(0, NICENESS)
  const session = await InferenceSession.create(model, SESSION_OPTIONS)
  const warm = texts[0]
  if (warm !== undefined) await runModel(session, warm, DIMENSIONS)
  port.once('message', async () => {
    for (let i = Atomics.add(next, 0, 1); i < texts.length; i = Atomics.add(next, 0, 1)) {
      const tokens = texts[i]
      if (tokens !== undefined) await runModel(session, tokens, DIMENSIONS)
    }
    port.postMessage('done')
    await session.release()
  })
  port.postMessage('ready')
}
