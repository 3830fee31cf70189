// Whether the fleet is ready for the other engine: asked while a command waits, and once more in the transaction that switches.
import { BRIEF_MS, type Queryable, within } from '../../database/pool.ts'
import type { EngineName } from '../../engine-names.ts'
import type { Choice } from './choice.ts'
import { liveServers, type ServerState } from './servers.ts'

/** Entries of the log that a copy may lack: what is said of it is a second old. */
const BEHIND_ENTRIES = 200

export interface Head {
  readonly epoch: string
  readonly seq: number
}

export async function readHead(db: Queryable): Promise<Head> {
  const { rows } = await db.query<{ epoch: string; seq: string }>(
    within(BRIEF_MS, { text: 'SELECT epoch, seq FROM index_head WHERE id = 1' }),
  )
  const [row] = rows
  if (row === undefined) throw new Error('index_head has no row: the first migration did not run')
  return { epoch: row.epoch, seq: Number(row.seq) }
}

/** What the servers say, and what keeps them from answering by the engine beside. */
export async function readGate(
  db: Queryable,
  choice: Choice,
): Promise<{ servers: ServerState[]; why: string | null }> {
  const servers = await liveServers(db)
  const wanted = choice.beside?.engine
  return {
    servers,
    why: wanted === undefined ? 'nothing is built' : closed(choice, wanted, servers, await readHead(db)),
  }
}

/** One sentence's worth of why they can't yet; null when they can. */
export function closed(
  choice: Choice,
  wanted: EngineName,
  servers: readonly ServerState[],
  head: Head,
): string | null {
  if (servers.length === 0) return 'no API server runs'
  for (const server of servers) {
    const why = lacks(choice, wanted, server, head)
    if (why !== null) return `${server.name}: ${why}`
  }
  return null
}

function lacks(choice: Choice, wanted: EngineName, server: ServerState, head: Head): string | null {
  if (server.heard < choice.number) return 'has not heard of it yet'
  const state = server.engines[wanted]
  if (state === undefined) return `${wanted} is being started`
  if (state.trouble !== null) return state.trouble
  if (!state.ready || state.seq === null) return `${wanted} is not filled yet`
  if (state.epoch !== head.epoch) return `${wanted} has not come to this epoch of the log yet`
  if (head.seq - state.seq > BEHIND_ENTRIES)
    return `${wanted} is ${head.seq - state.seq} entries of the log behind`
  const active = server.engines[choice.engine]?.generation ?? null
  if (active !== null && state.generation !== active) return `${wanted} has vectors of another search model`
  return null
}
