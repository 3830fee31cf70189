// GET /readyz (DESIGN §10): fails only for causes of this server's own, since a database that is away is away for
// every server, and taking them all out would help nobody. The database, storage and models are reported, not judged.
import type { Config } from '../config.ts'
import { missingMigrations } from '../database/migrate.ts'
import { type Pool, within } from '../database/pool.ts'
import type { Replica, ReplicaStatus } from '../database/replica.ts'
import type { Index } from '../index/port.ts'
import type { Embedders } from '../models/embedders.ts'
import type { Reranking } from '../retrieval/rerank.ts'
import type { BlobStore } from '../storage/port.ts'

/**
 * Milliseconds. Promise P4: a server that is further behind than this leaves the target group. What it needs to apply a
 * large document does not count as long as it gets on: all servers are at it, and would leave together.
 */
export const BEHIND_LIMIT_MS = 15_000
const PATIENCE_MS = 2_000

export interface Readiness {
  readonly ready: boolean
  /** Why not: words for the operator. */
  readonly reasons: readonly string[]
  readonly release: string
  readonly database: 'ok' | 'unreachable'
  /** `none`: not configured. Where it is behind or away the primary is read, so it never makes a server unready. */
  readonly replica: 'none' | ReplicaStatus['state']
  readonly storage: 'ok' | 'unreachable'
  /** `reranker` is `none` where none is configured, and `failing` while passages stay in the order of the search. */
  readonly models: { readonly embedder: string | null; readonly reranker: 'none' | 'ok' | 'failing' }
  readonly index: {
    readonly engine: string
    readonly passages: number
    readonly vectors: number
    readonly seq: number | null
    /** For alarms: everything counts. */
    readonly behindMs: number | null
  }
}

export interface ReadinessDependencies {
  readonly config: Config
  readonly pool: Pool
  readonly index: Pick<Index, 'status'>
  readonly blobs: Pick<BlobStore, 'check'>
  readonly embedders: Pick<Embedders, 'first'>
  readonly replica: Pick<Replica, 'status'> | null
  readonly reranking?: Pick<Reranking, 'status'> | null
}

export interface ReadinessCheck {
  check(): Promise<Readiness>
  /** From now on unready: the balancer sends nobody here any more. */
  drain(): void
  readonly draining: boolean
}

export function createReadiness(deps: ReadinessDependencies): ReadinessCheck {
  const { config, pool, index, blobs, embedders, replica, reranking } = deps
  let draining = false
  // Migrations are never taken back, so once nothing was missing nothing will be.
  let migrated = false

  async function database(): Promise<{ missing: string[]; headSeq: number } | null> {
    try {
      return await inTime(
        (async () => {
          const missing = migrated ? [] : await missingMigrations(pool)
          migrated = missing.length === 0
          if (!migrated) return { missing, headSeq: 0 }
          // Asked every few seconds, it would take one connection after the other of a database that says nothing.
          const { rows } = await pool.query<{ seq: string }>(
            within(PATIENCE_MS, {
              name: 'readiness-head',
              text: 'SELECT seq FROM index_head WHERE id = 1',
            }),
          )
          return { missing, headSeq: Number(rows[0]?.seq ?? 0) }
        })(),
      )
    } catch {
      return null
    }
  }

  async function storage(): Promise<boolean> {
    try {
      await inTime(blobs.check(AbortSignal.timeout(PATIENCE_MS)))
      return true
    } catch {
      return false
    }
  }

  return {
    get draining() {
      return draining
    },
    drain() {
      draining = true
    },
    async check() {
      const [read, stored] = await Promise.all([database(), storage()])
      const status = index.status()
      const seq = status.position?.seq ?? null
      const reasons: string[] = []
      if (draining) reasons.push('draining')
      if (read !== null && read.missing.length > 0)
        reasons.push(`migrations missing: ${read.missing.join(', ')}`)
      if (!status.ready) reasons.push(status.trouble ?? 'the index is not loaded')
      else if (read !== null && read.headSeq > (seq ?? 0) && (status.stalledMs ?? 0) > BEHIND_LIMIT_MS)
        reasons.push(`the index is ${Math.round((status.behindMs ?? 0) / 1000)} s behind the log`)
      return {
        ready: reasons.length === 0,
        reasons,
        release: config.release,
        database: read === null ? 'unreachable' : 'ok',
        replica: replica?.status().state ?? 'none',
        storage: stored ? 'ok' : 'unreachable',
        models: {
          embedder: embedders.first?.identity.model ?? null,
          reranker: reranking?.status() ?? 'none',
        },
        index: {
          engine: status.engine,
          passages: status.passages,
          vectors: status.vectors,
          seq,
          behindMs: status.behindMs,
        },
      }
    },
  }
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), PATIENCE_MS)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
