// The addon compiled here replaces library functions at link time (fastdist.cc): its answers must be those of a loop.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { NATIVE, ROOT } from '../install.mjs'

const folder = [
  path.join(ROOT, 'node_modules/faiss-node'),
  path.join(NATIVE, 'node_modules/faiss-node'),
].find((place) => existsSync(path.join(place, 'build/Release/faiss-node.node')))

// In a process of its own: one process may load the addon once, and a broken one aborts.
const script = `
const faiss = require(process.argv[1])
let seed = 7
const random = () => { seed = (seed * 1103515245 + 12345) % 2147483648; return seed / 1073741824 - 1 }
let compared = 0
for (const d of [1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 64, 100, 384, 385]) {
  for (const [Index, distance, better] of [
    [faiss.IndexFlatIP, (a, b) => a.reduce((s, v, i) => s + v * b[i], 0), (x, y) => y - x],
    [faiss.IndexFlatL2, (a, b) => a.reduce((s, v, i) => s + (v - b[i]) ** 2, 0), (x, y) => x - y],
  ]) {
    const rows = Array.from({ length: 50 }, () => Array.from({ length: d }, () => Math.fround(random())))
    const queries = Array.from({ length: 25 }, () => Array.from({ length: d }, () => Math.fround(random())))
    const index = new Index(d)
    index.add(rows.flat())
    // One at a time, and 25 at once: FAISS changes kernels at 20 queries.
    const batch = index.search(queries.flat(), 5)
    queries.forEach((query, q) => {
      const one = index.search(query, 5)
      const expected = rows.map((row) => distance(row, query)).sort(better).slice(0, 5)
      expected.forEach((value, i) => {
        const tolerance = 1e-4 * Math.max(1, Math.abs(value))
        for (const got of [one.distances[i], batch.distances[q * 5 + i]]) {
          if (Math.abs(got - value) > tolerance) throw new Error('d=' + d + ': ' + got + ' instead of ' + value)
          compared++
        }
      })
    })
  }
}
const errors = []
for (const wrong of [
  () => faiss.Index.fromFactory(4, 'IVF16,Flat', faiss.MetricType.METRIC_INNER_PRODUCT).add([1, 0, 0, 0]),
  () => { const i = new faiss.IndexFlatIP(4); i.add([1, 0, 0, 0]); i.write('/no/such/folder/index') },
]) try { wrong() } catch (error) { errors.push(String(error.message)) }
console.log(JSON.stringify({ compared, errors: errors.length }))
`

test.skipIf(folder === undefined)(
  'its answers are those of a loop, and its errors are JavaScript errors',
  () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', script, folder ?? ''], {
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ compared: 14 * 2 * 25 * 5 * 2, errors: 2 })
  },
)
