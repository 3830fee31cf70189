// How much a query costs FAISS by how many are asked at once: one scan each up to 19, a matrix product from 20 on,
// and what filling a batch up to 20 with zeros costs. What the index does with it: docs/decisions/.
// Options: --vectors=N --rounds=N
import { parseArgs } from 'node:util'
import { FILL_FROM, MATRIX } from '../api/src/index/vectors/faiss.ts'
import { type Bar, begin, type Figure, finish } from './harness.ts'
import { cpuOf, openBare, underNativeEnvironment } from './search/bare-faiss.ts'

const { values } = parseArgs({
  options: { vectors: { type: 'string', default: '100000' }, rounds: { type: 'string', default: '9' } },
})
const vectors = Number(values.vectors)
const rounds = Number(values.rounds)
const SIZES = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 19, 20, 24, 28, 32] as const

if (process.env.OMP_NUM_THREADS === undefined) {
  underNativeEnvironment([import.meta.filename, ...process.argv.slice(2)], 'inherit')
  process.exit()
}

const run = begin('faiss-batch', ['faiss-node'])
const bare = openBare(vectors)
const asAsked = new Map<number, number>()
for (const size of SIZES) asAsked.set(size, cpuOf(bare, size, rounds))

const single = asAsked.get(1) ?? Number.NaN
const filled = asAsked.get(MATRIX) ?? Number.NaN
const table: Record<string, Figure> = {}
for (const size of SIZES) {
  const ms = asAsked.get(size) ?? Number.NaN
  const filledUp = size >= FILL_FROM && size < MATRIX ? filled : ms
  table[`of ${size}`] = { ms, perQuery: ms / size, perQueryAsTheIndexAsks: filledUp / size }
}
const breakEven = Math.ceil(filled / single)
const bars: Bar[] = [
  {
    bar: `a query in a batch of ${MATRIX} against one alone`,
    value: filled / MATRIX / single,
    limit: 0.5,
    unit: 'times',
    better: 'less',
  },
]
finish(
  run,
  {
    vectors,
    fillsFrom: FILL_FROM,
    fillsTo: MATRIX,
    /** From so many queries on, a filled batch is cheaper than one scan each. */
    breakEven,
    cpuMs: table,
  },
  bars,
)
