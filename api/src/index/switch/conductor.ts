// A server's side of switching: it goes by the choice in the database, which it hears of by notification and asks for every
// second; says how its engines are; removes what is dropped; and compares the two when that is ordered. Whatever is done for all
// servers is done by one, under a lock or a claim that ends with it, and by another one when it was killed.
import os from 'node:os'
import type { Logger } from 'pino'
import type { Config } from '../../config.ts'
import { keepListening } from '../../database/listening.ts'
import type { Pool } from '../../database/pool.ts'
import { ENGINE_NAMES, type EngineName } from '../../engine-names.ts'
import type { Embedders } from '../../models/embedders.ts'
import { Bell } from '../bell.ts'
import { claimCheck, finishCheck, RENEW_MS, renewCheck } from './checks.ts'
import { CHOICE_CHANNEL, type Choice, readChoice, runs } from './choice.ts'
import { compareEngines, type Engines } from './compare.ts'
import { dropCopy } from './drop.ts'
import {
  announce,
  type EngineState,
  type EngineStates,
  leave,
  newServerId,
  type ServerState,
} from './servers.ts'
import type { SwitchingIndex } from './switching-index.ts'

const POLL_MS = 1_000
/** While there is one engine, nobody waits for news of it. */
const QUIET_MS = 5_000
const AGAIN_MS = 30_000

export interface ConductorOptions {
  readonly config: Config
  readonly pool: Pool
  readonly index: SwitchingIndex
  /** As the server has read it before it opened an engine. */
  readonly choice: Choice | null
  readonly embedders: () => Promise<Pick<Embedders, 'ofDigest'>>
  readonly log: Logger
  /** Told of each change first. */
  readonly heard: (choice: Choice | null) => void
  /** For tests. Default: the machine's. */
  readonly name?: string | undefined
}

export class Conductor {
  readonly #options: ConductorOptions
  readonly #id = newServerId()
  readonly #stop = new AbortController()
  readonly #bell = new Bell()
  #choice: Choice | null
  #announcedAt = Number.NEGATIVE_INFINITY
  #appliedAt = Number.NEGATIVE_INFINITY
  #chore: Promise<void> | null = null
  #finished: Promise<unknown> = Promise.resolve()

  constructor(options: ConductorOptions) {
    this.#options = options
    this.#choice = options.choice
  }

  start(): void {
    const ring = () => this.#bell.ring()
    const listening = keepListening({
      ...{ config: this.#options.config, name: 'terrace-engine-listen', channel: CHOICE_CHANNEL },
      ...{ signal: this.#stop.signal, heard: ring, connected: ring },
    })
    this.#finished = Promise.all([this.#live(), listening])
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#bell.ring()
    await this.#finished
    await this.#chore
    await leave(this.#options.pool, this.#id).catch((err: unknown) =>
      this.#options.log.debug({ err }, 'the server is missed until it counts as gone'),
    )
  }

  async #live(): Promise<void> {
    const { signal } = this.#stop
    const { log } = this.#options
    let trouble = ''
    while (!signal.aborted) {
      this.#bell.silence()
      try {
        await this.#once()
        trouble = ''
      } catch (error) {
        const sentence = error instanceof Error ? error.message : String(error)
        // Searches go on with what is known: nothing is answered without the database anyway.
        if (sentence !== trouble && !signal.aborted)
          log.warn({ err: error }, 'which search engine is to answer could not be asked for')
        trouble = sentence
      }
      await this.#bell.wait(POLL_MS, signal)
    }
  }

  async #once(): Promise<void> {
    const { pool, index, heard } = this.#options
    const choice = await readChoice(pool)
    const changed = choice?.number !== this.#choice?.number
    if (changed || this.#appliedAt === Number.NEGATIVE_INFINITY || this.#isTroubled()) {
      this.#appliedAt = performance.now()
      heard(choice)
      await this.#announce(this.#choice)
      await index.apply(...wishesOf(choice, this.#options.config.indexEngine))
      this.#choice = choice
    }
    const pause = choice?.beside == null ? QUIET_MS : 0
    if (changed || performance.now() - this.#announcedAt >= pause) await this.#announce(choice)
    this.#chore ??= this.#work(choice).finally(() => {
      this.#chore = null
    })
  }

  /** What could not be opened is tried again now and then. */
  #isTroubled(): boolean {
    const troubled = ENGINE_NAMES.some((name) => this.#options.index.trouble(name) !== null)
    return troubled && performance.now() - this.#appliedAt > AGAIN_MS
  }

  async #announce(choice: Choice | null): Promise<void> {
    const { pool, index, config, name } = this.#options
    const state: ServerState = {
      ...{ id: this.#id, name: name ?? os.hostname(), heard: choice?.number ?? 0, answers: index.answers },
      ...{ hasCluster: config.openSearchUrl !== undefined, engines: this.#states() },
    }
    await announce(pool, state)
    this.#announcedAt = performance.now()
  }

  #states(): EngineStates {
    const { index } = this.#options
    return Object.fromEntries(
      ENGINE_NAMES.flatMap((name): [EngineName, EngineState][] => {
        const running = index.running(name)
        const trouble = index.trouble(name)
        if (running === null && trouble === null) return []
        const status = running?.bare.status()
        return [
          [
            name,
            {
              ...{ ready: status?.ready ?? false, trouble, filling: running?.filling() ?? null },
              ...{ epoch: status?.position?.epoch ?? null, seq: status?.position?.seq ?? null },
              ...{ passages: status?.passages ?? 0, vectors: status?.vectors ?? 0 },
              generation: status?.generation ?? null,
            },
          ],
        ]
      }),
    )
  }

  /** Chores that take long. What fails is tried again. */
  async #work(choice: Choice | null): Promise<void> {
    const { pool, index, config, log } = this.#options
    const { signal } = this.#stop
    try {
      if (choice?.beside?.phase === 'dropping') {
        await index.settled()
        if (await dropCopy({ config, pool, log, signal }, choice, choice.beside.engine))
          log.info({ engine: choice.beside.engine }, 'the copy of a search engine was removed')
      } else await this.#compare()
    } catch (err) {
      if (!signal.aborted) log.warn({ err }, 'a chore of switching search engines failed and is tried again')
    }
  }

  async #compare(): Promise<void> {
    const engines = this.#both()
    if (engines === null) return
    const { pool, embedders, log } = this.#options
    const check = await claimCheck(pool, this.#id)
    if (check === null) return
    const renewing = setInterval(() => {
      renewCheck(pool, check.id, this.#id).catch((err: unknown) =>
        log.debug({ err }, 'a claim was not renewed'),
      )
    }, RENEW_MS)
    try {
      const deps = { db: pool, engines, embedders: await embedders(), signal: this.#stop.signal }
      await finishCheck(pool, check.id, { result: await compareEngines(deps, check.sample) })
    } catch (error) {
      // A server that stops leaves it to another one.
      if (this.#stop.signal.aborted) return
      log.warn({ err: error }, 'the search engines could not be compared')
      await finishCheck(pool, check.id, { trouble: error instanceof Error ? error.message : String(error) })
    } finally {
      clearInterval(renewing)
    }
  }

  #both(): Engines | null {
    const { index } = this.#options
    const [embedded, opensearch] = [index.running('embedded'), index.running('opensearch')]
    if (embedded?.bare.status().ready !== true || opensearch?.bare.status().ready !== true) return null
    return { embedded, opensearch }
  }
}

/** Without a choice in the database the configuration says it. */
export function wishesOf(
  choice: Choice | null,
  configured: EngineName,
): [EngineName, ReadonlySet<EngineName>] {
  if (choice === null) return [configured, new Set([configured])]
  return [choice.engine, new Set(ENGINE_NAMES.filter((name) => runs(choice, name)))]
}
