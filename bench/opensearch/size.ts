// What an index takes in its cluster.
import { z } from 'zod'
import type { Cluster } from '../../api/src/index/engines/opensearch/cluster.ts'

const stats = z.object({
  _all: z.object({
    primaries: z.object({
      store: z.object({ size_in_bytes: z.number() }),
      segments: z.object({ count: z.number() }),
    }),
  }),
})
const nodes = z.object({
  nodes: z.record(
    z.string(),
    z.object({
      jvm: z.object({ mem: z.object({ heap_used_in_bytes: z.number() }) }),
    }),
  ),
})

/** Bytes on disk of one copy, its segments, and the heap that all nodes use. @throws Trouble */
export async function sizeOf(
  cluster: Cluster,
  index: string,
): Promise<{ diskBytes: number; segments: number; heapBytes: number }> {
  const { _all } = stats.parse(await cluster.send({ method: 'GET', path: `/${index}/_stats/store,segments` }))
  const found = nodes.parse(await cluster.send({ method: 'GET', path: '/_nodes/stats/jvm' }))
  const heaps = Object.values(found.nodes).map(({ jvm }) => jvm.mem.heap_used_in_bytes)
  return {
    diskBytes: _all.primaries.store.size_in_bytes,
    segments: _all.primaries.segments.count,
    heapBytes: heaps.reduce((sum, bytes) => sum + bytes, 0),
  }
}
