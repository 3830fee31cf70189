// The two engines as a server opens them, and the index over both. What the database wishes reaches a cluster that is filled (its
// rate) and who writes it (whether it is wanted at all).
import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import type { Pool } from '../../database/pool.ts'
import type { Embedders } from '../../models/embedders.ts'
import { startEmbeddedIndex } from '../engines/embedded.ts'
import type { Index } from '../port.ts'
import { createCourier } from '../shared/courier.ts'
import { type Choice, readChoice } from './choice.ts'
import { Conductor, wishesOf } from './conductor.ts'
import type { Filling } from './servers.ts'
import { type RunningEngine, SwitchingIndex } from './switching-index.ts'

/** A question waits so long for a cluster that is away; then it goes by words in PostgreSQL, as those after it. */
const AWAY_PATIENCE_MS = 1_500

export interface SwitchedSurroundings {
  readonly pool: Pool
  readonly log: Logger
  /** A person's sessions have changed: what is cached of them has to go. */
  readonly onSession?: (userId: string) => void
  /** Asked for when the engines are compared. */
  readonly embedders: () => Promise<Pick<Embedders, 'ofDigest'>>
  /** Of this server, as operators see it. Default: the machine's. */
  readonly name?: string
  /** `exact`: the embedded engine without FAISS. */
  readonly engine?: 'exact'
  /** For tests: in the cluster's place. */
  readonly cluster?: () => Promise<RunningEngine>
}

/** The index of a server: of the engine that the database says, or INDEX_ENGINE, and beside it another one while that is wished. */
export async function startSwitchedIndex(
  config: Config,
  around: SwitchedSurroundings,
): Promise<SwitchingIndex> {
  const { pool, log, embedders, name } = around
  let choice = await readChoice(pool)
  if (choice !== null && choice.engine !== config.indexEngine)
    log.info(
      { engine: choice.engine, configured: config.indexEngine },
      'another search engine was switched to than INDEX_ENGINE names: npm run engine',
    )
  const current = () => choice
  const [answers, wanted] = wishesOf(choice, config.indexEngine)
  const index = new SwitchingIndex(answers, {
    open(name) {
      if (name === 'embedded') return openEmbedded(config, around)
      return around.cluster?.() ?? openCluster(config, around, current)
    },
    log,
  })
  const heard = (now: Choice | null) => {
    choice = now
  }
  const conductor = new Conductor({ config, pool, index, choice, embedders, log, heard, name })
  index.alongside(() => conductor.close())
  void index.apply(answers, wanted)
  conductor.start()
  await index.started()
  return index
}

async function openEmbedded(
  config: Config,
  { pool, log, onSession, engine }: SwitchedSurroundings,
): Promise<RunningEngine> {
  const courier = createCourier(config, pool, log)
  const heard = onSession === undefined ? {} : { onSession }
  const index = await startEmbeddedIndex(config, log, {
    courier,
    ...heard,
    ...(engine === undefined ? {} : { engine }),
  })
  return embeddedEngine(index, async () => {
    await index.close()
    await courier.close()
  })
}

/** Of an index in a process of this server: it knows what it holds, and nobody fills it. */
export function embeddedEngine(index: Index, close: () => Promise<void>): RunningEngine {
  return {
    ...{ index, bare: index },
    async count() {
      const { documents = 0, passages, vectors } = index.status()
      return { documents, passages, vectors }
    },
    filling: () => null,
    close,
  }
}

async function openCluster(
  config: Config,
  { log, onSession }: SwitchedSurroundings,
  choice: () => Choice | null,
): Promise<RunningEngine> {
  const { openSearchUrl: url, indexEngine } = config
  if (url === undefined)
    throw new Error(
      'OpenSearch is to answer, and this server has no OPENSEARCH_URL: set it and start the server again, or type: npm run engine -- back',
    )
  // Its client takes as long to load as the rest of the index, and most servers have no cluster.
  const { startOpenSearchIndex } = await import('../engines/opensearch/opensearch.ts')
  const { withWords } = await import('../words/words.ts')
  const speed = new Speed()
  const own = startOpenSearchIndex(config, url, log, {
    ...(onSession === undefined ? {} : { onSession }),
    patienceMs: AWAY_PATIENCE_MS,
    wanted: async (db) => wishesOf(await readChoice(db), indexEngine)[1].has('opensearch'),
    rate: () => choice()?.rate ?? null,
    progress: (progress) => speed.note(progress),
  })
  const index = withWords(own, config, log)
  return {
    ...{ index, bare: own },
    count: (signal) => own.count(signal),
    filling: () => speed.filling,
    close: () => index.close(),
  }
}

const WINDOW_MS = 2_000

/** Of late: over the last window that is complete, or all that there was. */
class Speed {
  filling: Filling | null = null
  #from = { at: 0, done: 0 }

  note(progress: { readonly done: number; readonly total: number } | null): void {
    if (progress === null) {
      this.filling = null
      return
    }
    const now = performance.now()
    if (this.filling === null) this.#from = { at: now, done: progress.done }
    const perSecond = this.filling?.perSecond ?? 0
    const ms = now - this.#from.at
    const measured = ms > 100 ? ((progress.done - this.#from.done) * 1_000) / ms : perSecond
    this.filling = { ...progress, perSecond: measured }
    if (ms > WINDOW_MS) this.#from = { at: now, done: progress.done }
  }
}
