// What the API process and its index process say to each other (IPC, structured clone). A batch of questions is one
// message and its answers another: at a dozen questions at once the messages would cost more than the words.
import type { Config } from '../config.ts'
import type { Candidate, IndexQuery } from './port.ts'
import type { LogPosition } from './state.ts'

/** All it is told of the configuration: no secret but the database's. */
export type IndexConfig = Pick<
  Config,
  'databaseUrl' | 'databaseReplicaUrl' | 'databaseCa' | 'databaseAuth' | 'indexDir' | 'logLevel' | 'release'
>

export type ToIndex =
  /** `verified`: files of checkpoints whose hash is known. */
  | { readonly type: 'start'; readonly config: IndexConfig; readonly verified: readonly string[] }
  | { readonly type: 'search'; readonly batch: number; readonly queries: readonly IndexQuery[] }
  /** There is something in the log that somebody waits for. */
  | { readonly type: 'wake' }
  /** To `fetch`: files of a checkpoint that is in the folder now, each hashed; none when none was brought. */
  | { readonly type: 'fetched'; readonly verified: readonly string[] }
  /** It is the one that answers from now on, so checkpoints are its to write. */
  | { readonly type: 'serve' }
  | { readonly type: 'stop'; readonly checkpoint: boolean }

export interface IndexReport {
  readonly ready: boolean
  readonly position: LogPosition | null
  /** Date.now() when it last had everything that the log held then. */
  readonly caughtUpAt: number | null
  /** Milliseconds since `caughtUpAt` that went into applying what has come, up to the last portion. */
  readonly busyMs: number
  readonly passages: number
  readonly vectors: number
  readonly documents: number
  /** Id of the one that its vectors are of. */
  readonly generation: number | null
  readonly dimensions: number | null
}

export type FromIndex =
  | { readonly type: 'hello'; readonly engine: string }
  | {
      readonly type: 'answers'
      readonly batch: number
      readonly position: LogPosition
      readonly answers: readonly Float64Array[]
    }
  /** Not loaded (any more): ask again when it reports ready. */
  | { readonly type: 'not-ready'; readonly batch: number }
  | { readonly type: 'failed'; readonly batch: number; readonly reason: string }
  | ({ readonly type: 'report' } & IndexReport)
  | { readonly type: 'session'; readonly userId: string }
  /** There is a new one in the folder. */
  | { readonly type: 'checkpoint' }
  /** All checkpoints in the folder were refused: is there a shared one? */
  | { readonly type: 'fetch' }
  /** It has lost memory or become untidy: a new process from the checkpoint should take over. */
  | { readonly type: 'worn'; readonly why: string }

const FIELDS = 5

/** Candidates as numbers: one array instead of an object each. */
export function packCandidates(candidates: readonly Candidate[]): Float64Array {
  const packed = new Float64Array(candidates.length * FIELDS)
  for (const [i, { passageId, score, cosine, words, withoutVector }] of candidates.entries())
    packed.set([passageId, score, cosine ?? Number.NaN, words, withoutVector ? 1 : 0], i * FIELDS)
  return packed
}

export function unpackCandidates(packed: Float64Array): Candidate[] {
  const candidates: Candidate[] = []
  for (let at = 0; at < packed.length; at += FIELDS) {
    const cosine = packed[at + 2] ?? Number.NaN
    candidates.push({
      passageId: packed[at] ?? 0,
      score: packed[at + 1] ?? 0,
      cosine: Number.isNaN(cosine) ? null : cosine,
      words: packed[at + 3] ?? 0,
      withoutVector: packed[at + 4] === 1,
    })
  }
  return candidates
}
