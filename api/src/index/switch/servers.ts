// What running servers say of their engines, in the database: an operator's command reaches nothing else. A server that says
// nothing for a while counts as gone. All times are the database's own.
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { BRIEF_MS, type Queryable, within } from '../../database/pool.ts'
import { ENGINE_NAMES, type EngineName } from '../../engine-names.ts'

/** Some beats at the slower pace: one that was late is no death. */
export const GONE_SECONDS = 20

/** How far a copy is that is filled: passages of all, and passages a second of late. */
const filling = z.object({ done: z.number(), total: z.number(), perSecond: z.number() })
export type Filling = z.infer<typeof filling>

const engineState = z.object({
  ready: z.boolean(),
  epoch: z.string().nullable(),
  seq: z.number().nullable(),
  passages: z.number(),
  vectors: z.number(),
  generation: z.number().nullable(),
  /** Only by the server that fills it. */
  filling: filling.nullable(),
  /** Why it is not ready, in a sentence. */
  trouble: z.string().nullable(),
})
export type EngineState = z.infer<typeof engineState>

export type EngineStates = Readonly<Partial<Record<EngineName, EngineState>>>
const engineStates = z.partialRecord(z.enum(ENGINE_NAMES), engineState)

export interface ServerState {
  /** One per process. */
  readonly id: string
  /** For people: its machine. */
  readonly name: string
  /** Number of the choice that it goes by; 0 without one. */
  readonly heard: number
  readonly answers: EngineName
  /** Whether it has OPENSEARCH_URL. */
  readonly hasCluster: boolean
  readonly engines: EngineStates
}

export const newServerId = randomUUID

export async function announce(db: Queryable, server: ServerState): Promise<void> {
  await db.query(
    within(BRIEF_MS, {
      name: 'search-engine-announce',
      text: `INSERT INTO search_engine_servers (id, name, heard, answers, has_cluster, engines)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET heard = $3, answers = $4, engines = $6, seen_at = clock_timestamp()`,
      values: [
        ...[server.id, server.name, server.heard, server.answers, server.hasCluster],
        JSON.stringify(server.engines),
      ],
    }),
  )
}

/** Also of others that have ended without a word an hour ago. */
export async function leave(db: Queryable, id: string): Promise<void> {
  await db.query(
    within(BRIEF_MS, {
      text: "DELETE FROM search_engine_servers WHERE id = $1 OR seen_at < now() - interval '1 hour'",
      values: [id],
    }),
  )
}

/** Those that live, by name. */
export async function liveServers(db: Queryable): Promise<ServerState[]> {
  const { rows } = await db.query<{
    id: string
    name: string
    heard: string
    answers: EngineName
    has_cluster: boolean
    engines: unknown
  }>(
    within(BRIEF_MS, {
      text: `SELECT id, name, heard, answers, has_cluster, engines FROM search_engine_servers
             WHERE seen_at > clock_timestamp() - make_interval(secs => ${GONE_SECONDS}) ORDER BY name, id`,
    }),
  )
  return rows.map(({ id, name, heard, answers, has_cluster, engines }) => ({
    ...{ id, name, heard: Number(heard), answers, hasCluster: has_cluster },
    // Of another build it may say more, or less.
    engines: engineStates.safeParse(engines).data ?? {},
  }))
}
