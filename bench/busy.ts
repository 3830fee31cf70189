// What uploads do to a server that is also asked: the time of a search while the ingest process embeds text that
// was just uploaded, beside the same with nothing else running; and the memory of API + index process over many uploads.
// Options: --passages=N --questions=N (of each of the three measurements) --uploads=N (of 2 kB, for memory; 0 skips)
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { MODEL_DIR } from '../api/test/ingest.ts'
import { type Bar, begin, cpuMs, descendants, type Figure, finish, quantile, spread } from './harness.ts'
import { realDocuments } from './ingest/documents.ts'
import { type Serving, startServing } from './ingest/serving.ts'

const { values } = parseArgs({
  options: {
    passages: { type: 'string', default: '100000' },
    questions: { type: 'string', default: '600' },
    uploads: { type: 'string', default: '1000' },
  },
})
const questions = Number(values.questions)
const uploads = Number(values.uploads)
/** Before the memory is looked at: pools are filled, code is compiled, a checkpoint has been written. */
const WARM_UPLOADS = 200

const run = begin('busy', ['fastify', 'faiss-node', 'onnxruntime-node', 'pg', 'pg-boss'])
const figures: Record<string, Figure> = {}
const bars: Bar[] = []
{
  console.log(`making ${values.passages} passages`)
  await using serving = await startServing({ passages: Number(values.passages), modelDir: MODEL_DIR })
  await searches(serving, 200)
  for (const { name, bytes } of realDocuments(200_000)) await serving.upload(name, bytes)
  await serving.settled()
  await sleep(5_000)
  await whileIngesting(serving)
  if (uploads > 0) await memory(serving)
}
finish(run, figures, bars)

async function whileIngesting(serving: Serving): Promise<void> {
  console.log('searching, with nothing else running')
  const before = await searches(serving, questions)
  console.log('searching, while text is embedded')
  let over = false
  // The same long text again and again: nearly all that ingestion costs is embedding.
  const feeding = (async () => {
    for (let lot = 0; !over; lot++) {
      for (const { name, bytes } of realDocuments(400_000)) {
        if (over) break
        // Other bytes than in the lot before, which every one of these formats allows at its end.
        await serving.upload(`${lot} ${name}`, Buffer.concat([bytes, Buffer.from(`\n% ${lot}\n`)]))
      }
      await untilFewOpen(serving, () => over)
    }
  })()
  await sleep(3_000)
  const cpu = ingestCpu(serving)
  const began = performance.now()
  const meanwhile = await searches(serving, questions)
  const ingestCores = (ingestCpu(serving) - cpu) / (performance.now() - began)
  over = true
  await feeding
  await serving.settled()
  await sleep(2_000)
  const after = await searches(serving, questions)
  const alone = [...before, ...after]
  figures.searchMs = { alone: spread(alone), whileIngesting: spread(meanwhile) }
  figures.ingestCores = ingestCores
  bars.push({
    bar: 'search p95 beside embedding, times that alone',
    value: quantile(meanwhile, 0.95) / quantile(alone, 0.95),
    limit: 2,
    unit: '×',
    better: 'less',
  })
}

async function memory(serving: Serving): Promise<void> {
  console.log(`${WARM_UPLOADS} uploads to warm up, then ${uploads}`)
  const seen = new Set<number>()
  let peak = 0
  const size = () => {
    const { api, index, pids } = serving.server.memory()
    for (const pid of pids) seen.add(pid)
    peak = Math.max(peak, api + index)
    return { total: api + index, api, index }
  }
  await many(serving, WARM_UPLOADS)
  await quiet(serving)
  const before = size()
  const sampler = setInterval(size, 250)
  const began = performance.now()
  await many(serving, uploads)
  await quiet(serving)
  clearInterval(sampler)
  const after = size()
  figures.memory = {
    uploads,
    seconds: (performance.now() - began) / 1000,
    beforeMb: before.total / 2 ** 20,
    afterMb: after.total / 2 ** 20,
    peakMb: peak / 2 ** 20,
    apiMb: after.api / 2 ** 20,
    indexMb: after.index / 2 ** 20,
    replacements: seen.size - 1,
  }
  bars.push({
    bar: 'growth of API + index per upload of 2 kB',
    value: (after.total - before.total) / uploads,
    limit: 20_480,
    unit: 'bytes',
    better: 'less',
  })
}

/** Four at once, as a browser does. */
async function many({ text, upload }: Serving, count: number): Promise<void> {
  let left = count
  const one = async () => {
    while (left-- > 0) {
      const body = `${text.passage(80)}\n\n${text.passage(80)}\n\n${text.passage(80)}\n\n${text.passage(80)}`
      await upload(`Upload ${left}.txt`, body.slice(0, 2_000))
    }
  }
  await Promise.all([one(), one(), one(), one()])
}

/** All is searchable, and an index process that was being replaced has been. */
async function quiet(serving: Serving): Promise<void> {
  await serving.settled()
  await sleep(15_000)
  while (serving.server.memory().pids.length > 1) await sleep(500)
  await sleep(5_000)
}

async function searches({ text, search }: Serving, count: number): Promise<number[]> {
  const ms: number[] = []
  for (let i = 0; i < count; i++) {
    const question = text.question()
    const began = performance.now()
    await search(question)
    ms.push(performance.now() - began)
  }
  return ms
}

async function untilFewOpen({ client }: Serving, over: () => boolean): Promise<void> {
  while (!over()) {
    const { rows } = await client.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM document_versions WHERE stage <> 'searchable'`,
    )
    if ((rows[0]?.n ?? 0) < 10) return
    await sleep(200)
  }
}

/** Milliseconds used by the ingest process and its parsers. */
function ingestCpu({ ingestPid }: Serving): number {
  return [ingestPid, ...descendants(ingestPid).map(({ pid }) => pid)].reduce(
    (sum, pid) => sum + cpuMs(pid),
    0,
  )
}
