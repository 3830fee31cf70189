// Whether the index process stays as it is over a million searches: native code loses memory with each, and the process
// is replaced for it. A small index, so that a million take minutes; what is lost does not depend on its size.
// Options: --passages=N --searches=N
import { parseArgs } from 'node:util'
import type { IndexQuery } from '../api/src/index/port.ts'
import { begin, finish, quantile } from './harness.ts'
import { DIMENSIONS, passagesAlone } from './scale/passages.ts'
import { atOnce, measuredIndex } from './scale/server.ts'
import { clusteredVectors } from './search/library.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '10000' },
    searches: { type: 'string', default: '1000000' },
  },
})
const searches = Number(values.searches)
const SAMPLES = 20

const run = begin('wear', ['faiss-node'])
await using stack = new AsyncDisposableStack()
const { pool, configOf, text } = await passagesAlone(Number(values.passages), stack)
const measured = stack.use(await measuredIndex(configOf('a'), pool))
await measured.settled()
const { rows } = await pool.query<{ key: number }>('SELECT key FROM collections')
const filter = { kind: 'collections' as const, keys: rows.map(({ key }) => key) }
const vectors = Array.from(clusteredVectors(1_000, DIMENSIONS, 3), ([, vector]) => vector.slice())
const queries = Array.from({ length: 1_000 }, (_, i): IndexQuery => {
  const vector = vectors[i] ?? null
  return { text: text.question(), vector, limit: 10, filter }
})

/** Megabytes of all index processes after each part; two are there while one is replaced. */
const megabytes: number[] = []
let [done, most, twice] = [0, 0, 0]
const sampler = setInterval(() => {
  const { bytes, processes } = measured.memory()
  most = Math.max(most, bytes)
  if (processes > 1) twice++
}, 500)
const began = performance.now()
for (let part = 0; part < SAMPLES; part++) {
  for (const until = ((part + 1) * searches) / SAMPLES; done < until; done += queries.length)
    await atOnce(measured.index, queries, 32)
  while (measured.memory().processes > 1) await new Promise((resolve) => setTimeout(resolve, 200))
  megabytes.push(measured.memory().bytes / 2 ** 20)
  console.log(`${done} searches: ${megabytes.at(-1)?.toFixed(0)} MB`)
}
const seconds = (performance.now() - began) / 1000
clearInterval(sampler)
// What a young process has is less than what one has that will soon be replaced: halves are compared, not moments.
const half = SAMPLES / 2
const [early, late] = [megabytes.slice(0, half), megabytes.slice(half)]
finish(
  run,
  {
    searches: done,
    seconds,
    megabytes,
    mostMegabytes: most / 2 ** 20,
    samplesWithTwoProcesses: twice,
  },
  [
    {
      bar: 'memory of the index process, median of the second half million over that of the first',
      value: quantile(late, 0.5) / quantile(early, 0.5),
      limit: 1.1,
      unit: '×',
      better: 'less',
    },
  ],
)
