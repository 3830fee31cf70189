// Whether two engines say the same: what they hold at one place of the log, and what they answer.
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Queryable } from '../../database/pool.ts'
import { ENGINE_NAMES, type EngineName } from '../../engine-names.ts'
import type { Embedders } from '../../models/embedders.ts'
import { EMBEDDER_DIGEST } from '../../models/generation.ts'
import type { IndexAnswer, IndexQuery } from '../port.ts'
import type { Comparison, Counts, Difference } from './checks.ts'
import { type SampleQuestion, sampleQuestions } from './questions.ts'
import type { RunningEngine } from './switching-index.ts'

const BEST = 10
const WORST_SHOWN = 5
const TRIES = 100
const BETWEEN_MS = 50
/** So often counted differently, they are. */
const DIFFERED = 10
const WAIT_MS = 2_000

export type Engines = Readonly<Record<EngineName, RunningEngine>>

export interface CompareDeps {
  readonly db: Queryable
  readonly engines: Engines
  readonly embedders: Pick<Embedders, 'ofDigest'>
  readonly signal: AbortSignal
}

/** @throws Error in a sentence: they could not be brought to one place of the log, or one does not answer */
export async function compareEngines(deps: CompareDeps, sample: number): Promise<Comparison> {
  const { seq, counts } = await countBoth(deps)
  const questions = await sampleQuestions(deps.db, sample)
  const embed = await embedderOf(deps, counts.embedded.generation)
  const differences: Difference[] = []
  let overlap = 0
  for (const question of questions) {
    const found = await askBoth(deps, question, await embed(question.text))
    overlap += found.overlap
    if (found.overlap < 1) differences.push(found)
  }
  differences.sort((a, b) => a.overlap - b.overlap)
  return {
    ...{ seq, counts, questions: questions.length },
    overlap: questions.length === 0 ? 1 : overlap / questions.length,
    worst: differences.slice(0, WORST_SHOWN),
  }
}

/** At the same place of the log, before the documents were counted and after. */
async function countBoth(deps: CompareDeps): Promise<{ seq: number; counts: Record<EngineName, Counts> }> {
  const { engines, signal } = deps
  let differing: { seq: number; counts: Record<EngineName, Counts> } | null = null
  let differed = 0
  for (let tries = 0; tries < TRIES; tries++) {
    signal.throwIfAborted()
    const seq = placeOf(engines)
    if (seq !== null) {
      const counts = {
        embedded: await countsOf(engines.embedded, signal),
        opensearch: await countsOf(engines.opensearch, signal),
      }
      if (placeOf(engines) === seq) {
        if (isDeepStrictEqual(counts.embedded, counts.opensearch)) return { seq, counts }
        // What a cluster's index has taken shows a moment before it says so.
        differing = { seq, counts }
        if (++differed === DIFFERED) return differing
      }
    }
    await meet(engines)
    await sleep(BETWEEN_MS, undefined, { signal })
  }
  if (differing !== null) return differing
  throw new Error('documents are published faster than both engines could be counted at one place of the log')
}

function placeOf({ embedded, opensearch }: Engines): number | null {
  const [a, b] = [embedded.bare.status().position, opensearch.bare.status().position]
  return a !== null && a.epoch === b?.epoch && a.seq === b.seq ? a.seq : null
}

/** Who is behind gets a moment to come up. */
async function meet(engines: Engines): Promise<void> {
  for (const name of ENGINE_NAMES) {
    const other = engines[name === 'embedded' ? 'opensearch' : 'embedded'].bare.status().position
    if (other !== null) await engines[name].bare.waitFor(other, WAIT_MS).catch(() => {})
  }
}

async function countsOf(engine: RunningEngine, signal: AbortSignal): Promise<Counts> {
  return { ...(await engine.count(signal)), generation: engine.bare.status().generation }
}

async function askBoth(
  { engines, signal }: CompareDeps,
  { name, text, filter }: SampleQuestion,
  vector: Float32Array | null,
): Promise<Difference> {
  const query: IndexQuery = { text, vector, filter, limit: BEST }
  for (let tries = 0; ; tries++) {
    const [embedded, opensearch] = await Promise.all([
      engines.embedded.bare.search(query, signal),
      engines.opensearch.bare.search(query, signal),
    ])
    const same = embedded.position.seq === opensearch.position.seq
    if (same || tries === 5) return difference(name, idsOf(embedded), idsOf(opensearch))
    await meet(engines)
  }
}

const idsOf = ({ candidates }: IndexAnswer) => candidates.map(({ passageId }) => passageId)

export function difference(
  question: string,
  embedded: readonly number[],
  opensearch: readonly number[],
): Difference {
  const only = {
    embedded: embedded.filter((id) => !opensearch.includes(id)),
    opensearch: opensearch.filter((id) => !embedded.includes(id)),
  }
  const most = Math.max(embedded.length, opensearch.length)
  return { question, overlap: most === 0 ? 1 : (embedded.length - only.embedded.length) / most, only }
}

/** By words alone where the generation's embedder is not here, or does not answer. */
async function embedderOf({ db, embedders, signal }: CompareDeps, generation: number | null) {
  const { rows } = await db.query<{ digest: string }>(
    `SELECT ${EMBEDDER_DIGEST} AS digest FROM generations g WHERE g.id = $1`,
    [generation],
  )
  const embedder = rows[0] === undefined ? undefined : embedders.ofDigest(rows[0].digest)
  return async (text: string): Promise<Float32Array | null> => {
    signal.throwIfAborted()
    return (await embedder?.embed(text, 'query', signal).catch(() => null)) ?? null
  }
}
