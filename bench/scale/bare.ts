// FAISS by itself at one size, in a process of its own (see search/bare-faiss.ts): reading a checkpoint's segments, and
// one query. Prints one line of JSON.
import { loadAddon } from '../../api/src/index/vectors/faiss.ts'
import { clusteredVectors } from '../search/library.ts'

const K = 66

if (import.meta.main) {
  const files = process.argv.slice(2)
  const faiss = loadAddon()
  if (faiss === null) throw new Error('faiss-node is neither in node_modules nor in .native')
  const began = performance.now()
  const indexes = files.map((file) => faiss.Index.read(file))
  const readMs = performance.now() - began
  const queries = Array.from(clusteredVectors(40, 384, 3), ([, vector]) => Array.from(vector))
  const searchMs: number[] = []
  for (const query of queries) {
    const started = performance.now()
    for (const index of indexes) index.search(query, Math.min(K, index.ntotal()))
    searchMs.push(performance.now() - started)
  }
  console.log(JSON.stringify({ readMs, searchMs: searchMs.slice(5) }))
}
