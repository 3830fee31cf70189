// What `npm run engine` does. It writes what is wished into the database and waits for the servers, which do it, whether or not
// somebody waits: a command that is ended leaves nothing half done, and `status`, `switch` and `cancel` go on from there.
import { setTimeout as sleep } from 'node:timers/promises'
import { type DatabaseConfig, type Pool, transaction } from '../../database/pool.ts'
import { ENGINE_NAMES, type EngineName } from '../../engine-names.ts'
import { orderCheck, readCheck } from './checks.ts'
import { beginBuilding, beginDropping, type Choice, exchange, readChoice } from './choice.ts'
import { readGate } from './gate.ts'
import { type OperatorLock, takeOperatorLock } from './operator-lock.ts'
import { enoughAlike, sayComparison, sayProgress, sayStatus } from './say.ts'
import { liveServers, type ServerState } from './servers.ts'

const POLL_MS = 500
const CHANGED = 'Something else was changed meanwhile. See: npm run engine -- status'

/** For the operator, as it is. */
export class EngineProblem extends Error {}

export interface Surroundings {
  readonly config: DatabaseConfig
  readonly pool: Pool
  readonly say: (line: string) => void
  /** Whether the operator agrees; rejects where there is nobody to ask. */
  readonly agree: (question: string) => Promise<boolean>
  readonly signal: AbortSignal
}

export interface SwitchOptions {
  /** Passages a second that a cluster is filled with at most. Default: as it was, or without limit. */
  readonly rate?: number | undefined
  /** Questions to compare by. */
  readonly sample: number
  /** Switches although the engines differ more than they should. */
  readonly accept: boolean
}

export async function status({ pool, say }: Surroundings): Promise<void> {
  const choice = await readChoice(pool)
  for (const line of sayStatus(choice, await liveServers(pool))) say(line)
}

/** @throws EngineProblem; the signal's reason: the servers go on with what they build */
export async function switchTo(around: Surroundings, to: EngineName, options: SwitchOptions): Promise<void> {
  await using _lock = await lock(around)
  const { pool, say } = around
  const from = await present(pool)
  if (from.engine === to) {
    if (from.beside?.phase === 'building')
      throw new EngineProblem(
        `${to} answers, and ${from.beside.engine} is being built beside it. To give that up: npm run engine -- cancel`,
      )
    say(`${to} answers already.`)
    return
  }
  const built = await wish(around, from, to, options.rate)
  const choice = await whenOpen(around, built)
  await compare(around, options)
  await agreed(around, `Let ${to} answer from now on?`)
  await change(around, choice)
  say(
    `${from.engine} is kept up to date for the way back (npm run engine -- back) until you type: npm run engine -- finish`,
  )
}

/** The engine before answers again. @throws EngineProblem */
export async function back(around: Surroundings): Promise<void> {
  await using _lock = await lock(around)
  const choice = await inPhase(around, 'way-back', 'There is no way back: only one engine is kept.')
  await change(around, choice)
}

/** What is built is given up. @throws EngineProblem */
export async function cancel(around: Surroundings): Promise<void> {
  await using _lock = await lock(around)
  const choice = await inPhase(around, 'building', 'Nothing is being built.')
  await drop(around, choice)
}

/** The engine before is given up, with its copy of the index. @throws EngineProblem */
export async function finish(around: Surroundings): Promise<void> {
  await using _lock = await lock(around)
  const choice = await inPhase(around, 'way-back', 'Only one engine is kept: there is nothing to finish.')
  await agreed(
    around,
    `Remove the copy of ${choice.beside?.engine}? To switch back later, it has to be built again.`,
  )
  await drop(around, choice)
}

async function lock({ config }: Surroundings): Promise<OperatorLock> {
  const taken = await takeOperatorLock(config)
  if (typeof taken === 'string')
    throw new EngineProblem(
      `Somebody else is at it: ${taken}. Wait until that has ended; meanwhile: npm run engine -- status`,
    )
  return taken
}

/** What answers now; where nobody has switched before, by what the servers say. */
async function present(pool: Pool): Promise<Choice> {
  const choice = await readChoice(pool)
  if (choice !== null) return choice
  const servers = await liveServers(pool)
  const engines = ENGINE_NAMES.filter((name) => servers.some(({ answers }) => answers === name))
  const [engine] = engines
  if (engine === undefined)
    throw new EngineProblem(
      'No API server runs that could say which engine answers. Start one, and try again.',
    )
  if (engines.length > 1)
    throw new EngineProblem(
      `The servers do not agree on INDEX_ENGINE: ${servers.map(({ name, answers }) => `${name}: ${answers}`).join(', ')}. Nothing was changed.`,
    )
  return { engine, beside: null, rate: null, number: 0 }
}

/** Makes the servers build it, unless they are at it already. */
async function wish(
  { pool, say }: Surroundings,
  from: Choice,
  to: EngineName,
  rate: number | undefined,
): Promise<Choice> {
  const { beside } = from
  if (beside?.phase === 'dropping')
    throw new EngineProblem(`The former copy of ${beside.engine} is being removed. Try again in a minute.`)
  if (beside?.phase === 'way-back') {
    say(`${to} is kept up to date: nothing has to be built.`)
    return from
  }
  const lacking = (await liveServers(pool)).filter(({ hasCluster }) => to === 'opensearch' && !hasCluster)
  if (lacking.length > 0)
    throw new EngineProblem(
      `These servers have no OPENSEARCH_URL: ${lacking.map(({ name }) => name).join(', ')}. Set it, start them again, and try again. Nothing was changed.`,
    )
  if (beside !== null && (rate === undefined || rate === from.rate)) {
    say(`${to} is being built; going on.`)
    return from
  }
  const choice = await beginBuilding(pool, from, to, rate ?? null)
  if (choice === null) throw new EngineProblem(CHANGED)
  say(`The servers build ${to} beside ${from.engine}, which goes on answering.`)
  return choice
}

/** Until all servers could answer by the engine beside. Says how far they are. */
async function whenOpen({ pool, say, signal }: Surroundings, choice: Choice): Promise<Choice> {
  for (let said = ''; ; await sleep(POLL_MS, undefined, { signal })) {
    signal.throwIfAborted()
    const now = await readChoice(pool)
    if (now?.number !== choice.number) throw new EngineProblem(CHANGED)
    const { servers, why } = await readGate(pool, choice)
    if (why === null) return choice
    const line = sayProgress(choice, servers, why)
    if (line !== said) say(line)
    said = line
  }
}

async function compare(
  { pool, say, signal }: Surroundings,
  { sample, accept }: SwitchOptions,
): Promise<void> {
  const id = await orderCheck(pool, sample)
  say(`Comparing both engines by ${sample} questions …`)
  for (;;) {
    signal.throwIfAborted()
    const comparison = await readCheck(pool, id)
    if (comparison === null) {
      await sleep(POLL_MS, undefined, { signal })
      continue
    }
    for (const line of sayComparison(comparison)) say(line)
    const why = enoughAlike(comparison)
    if (why === null) return
    if (!accept)
      throw new EngineProblem(
        `${why} Nothing was switched; the new engine is kept up to date. To switch all the same: --accept. To give it up: npm run engine -- cancel`,
      )
    say(`${why} Accepted.`)
    return
  }
}

async function agreed({ agree }: Surroundings, question: string): Promise<void> {
  if (!(await agree(question))) throw new EngineProblem('Nothing was changed.')
}

/** Switches in one transaction, in which the servers are asked once more, and waits until all of them go by it. */
async function change(around: Surroundings, choice: Choice): Promise<void> {
  const { pool, say, signal } = around
  for (;;) {
    await whenOpen(around, choice)
    const changed = await transaction(pool, async (client) => {
      await client.query('SELECT FROM search_engine WHERE id = 1 FOR UPDATE')
      const { why } = await readGate(client, choice)
      return why === null ? { now: await exchange(client, choice) } : null
    })
    if (changed === null) continue
    const { now } = changed
    if (now === null) throw new EngineProblem(CHANGED)
    const count = await whenHeard(around, now, ({ answers }) => answers === now.engine)
    say(`${now.engine} answers on all ${count} servers.`)
    signal.throwIfAborted()
    return
  }
}

async function drop(around: Surroundings, choice: Choice): Promise<void> {
  const { pool, say, signal } = around
  const engine = choice.beside?.engine
  const dropping = await beginDropping(pool, choice)
  if (dropping === null) throw new EngineProblem(CHANGED)
  say(`The servers end ${engine} and remove its copy of the index …`)
  while ((await readChoice(pool))?.number === dropping.number) {
    signal.throwIfAborted()
    await sleep(POLL_MS, undefined, { signal })
  }
  say(`Done: ${choice.engine} is the only engine.`)
}

/** @returns how many servers there are */
async function whenHeard(
  { pool, signal }: Surroundings,
  choice: Choice,
  suits: (server: ServerState) => boolean,
): Promise<number> {
  for (;;) {
    const servers = await liveServers(pool)
    if (servers.every((server) => server.heard >= choice.number && suits(server))) return servers.length
    await sleep(POLL_MS, undefined, { signal })
  }
}

async function inPhase({ pool }: Surroundings, phase: string, else_: string): Promise<Choice> {
  const choice = await readChoice(pool)
  if (choice?.beside?.phase === phase) return choice
  throw new EngineProblem(`${else_} See: npm run engine -- status`)
}
