// The other thread of a scan (see shared-scan.ts). It has no event loop: it waits for the next scan, and is terminated.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { Blocks } from './blocks.ts'
import { strideOf } from './kernel.ts'
import { HelpersScan } from './shared-scan.ts'

export interface HelperData {
  readonly memory: SharedArrayBuffer
  readonly dimensions: number
}

/** Rows that scans may be of from now on. */
export interface HelperRows {
  readonly id: number
  readonly memory: SharedArrayBuffer
}

function serve(port: MessagePort, { memory, dimensions }: HelperData): never {
  const stride = strideOf(dimensions)
  const scan = new HelpersScan(memory, stride)
  const known = new Map<number, Blocks>()
  for (;;) {
    const id = scan.wait()
    const blocks = known.get(id) ?? receive(id)
    const queries = scan.queries()
    blocks.queries(queries.length).set(scan.vectors.subarray(0, queries.length * stride))
    for (let block = scan.take(); block !== null; block = scan.take()) {
      blocks.scan(block, queries, scan)
      if (!scan.deliver()) break
    }
  }

  /** They were sent before the scan began. */
  function receive(id: number): Blocks {
    const rows: HelperRows | undefined = receiveMessageOnPort(port)?.message
    if (rows?.id !== id) throw new Error(`no rows ${id}`)
    const blocks = new Blocks(dimensions, rows.memory)
    known.set(id, blocks)
    return blocks
  }
}

if (parentPort !== null && workerData !== null) serve(parentPort, workerData as HelperData)
