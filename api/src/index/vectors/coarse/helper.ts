// The thread that takes part in scans of many rows, one for all segments. It starts with the first such scan, which does
// not wait for it, and none waits ever: without it, or when it is slow, scans take longer, and that is all.
import os from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Blocks, Query, Sink } from './blocks.ts'
import type { HelperData, HelperRows } from './helper-thread.ts'
import { strideOf } from './kernel.ts'
import { OwnersScan, sharedScanMemory } from './shared-scan.ts'

/** 65,536 rows, about 3 ms: with less to do, waking somebody gains little. */
const LEAST_BLOCKS = 512
const PROGRAM = new URL('./helper-thread.ts', import.meta.url)

export interface HelperOptions {
  /** Blocks of a scan from which on it takes part. */
  readonly leastBlocks?: number
  readonly program?: URL
}

interface Running {
  readonly worker: Worker
  readonly dimensions: number
  readonly scan: OwnersScan
  /** Their numbers. */
  readonly known: Map<SharedArrayBuffer, number>
}

export class Helper {
  readonly #leastBlocks: number
  readonly #program: URL
  #running: Running | null = null
  /** It could not start, or died: that may happen again, and scans do without. */
  #failed = false

  constructor({ leastBlocks = LEAST_BLOCKS, program = PROGRAM }: HelperOptions = {}) {
    this.#leastBlocks = leastBlocks
    this.#program = program
  }

  get running(): boolean {
    return this.#running !== null
  }

  /** Blocks that the one that runs has done. */
  get helped(): number {
    return this.#running?.scan.helped ?? 0
  }

  /**
   * Has it take part in the scan of all blocks but the first `done`, for queries that lie on the workbench. Null when it is
   * not worth it, or it is not idle, as long as it starts for instance: a question for a later block.
   */
  join(blocks: Blocks, done: number, queries: readonly Query[], sink: Sink): OwnersScan | null {
    if (this.#failed || blocks.count - done < this.#leastBlocks) return null
    if (this.#running === null) this.#start(blocks.dimensions)
    const running = this.#running
    // Rows of other dimensions would have other workbenches; a process has those of one generation.
    if (running === null || running.dimensions !== blocks.dimensions || !running.scan.helperIsIdle)
      return null
    const { scan } = running
    scan.vectors.set(blocks.queries(queries.length))
    scan.begin(this.#idOf(running, blocks.memory), blocks.count, done, queries, sink)
    return scan
  }

  /** Its memory is free only when the thread is gone: one that waits collects no garbage. The next scan starts another. */
  forget(memory: SharedArrayBuffer): void {
    if (this.#running?.known.has(memory)) this.stop()
  }

  stop(): void {
    const running = this.#running
    this.#running = null
    running?.worker.terminate()
  }

  #idOf({ known, worker }: Running, memory: SharedArrayBuffer): number {
    const there = known.get(memory)
    if (there !== undefined) return there
    const id = known.size
    known.set(memory, id)
    worker.postMessage({ id, memory } satisfies HelperRows)
    return id
  }

  #start(dimensions: number): void {
    if (os.availableParallelism() < 2) {
      this.#failed = true
      return
    }
    const stride = strideOf(dimensions)
    const memory = sharedScanMemory(stride)
    try {
      const worker = new Worker(this.#program, {
        workerData: { memory, dimensions } satisfies HelperData,
        execArgv: [],
        // A few objects a scan; without limits it takes 6 MB more.
        resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 32 },
      })
      // It waits for ever, and nothing waits for it.
      worker.unref()
      const over = () => {
        if (this.#running?.worker !== worker) return
        this.#running = null
        this.#failed = true
      }
      worker.on('error', over)
      worker.on('exit', over)
      this.#running = { worker, dimensions, scan: new OwnersScan(memory, stride), known: new Map() }
    } catch {
      this.#failed = true
    }
  }
}
