// The queues and what a job of each carries. Queue rows are made at the start of whichever process comes first.
// How often a file may be tried is counted on its version (`crashes`), never by the queue: a hand-back at
// shutdown, a killed server or a database that was away is no try of the file's.
import type { Queue } from 'pg-boss'

export interface VersionJob {
  readonly versionId: string
  /** Which of its person's uploads belong together, as the one who uploads tells (turns.ts). */
  readonly drop?: string
  /** Its tries that failed (failing.ts). Absent: none. */
  readonly failed?: number
}

export interface JobData {
  /** A version's file becomes passages that can be found by words. */
  ingest: VersionJob
  /** The passages of a version get their vectors. */
  embed: VersionJob
  /** Rows and blobs of what was deleted go. */
  purge: { readonly documentId: string } | { readonly collectionId: string }
}
export type QueueName = keyof JobData

/** Queues whose jobs take turns (turns.ts). */
export type TurnQueue = 'ingest' | 'embed'

/**
 * Jobs of small files, those of large ones and those that keep failing are fetched by different workers, so that none
 * waits behind the others. A lane is a range of priorities: a job's is `first` minus its turn. Before there were turns,
 * 1 was every small job's priority: such jobs are the first of their lane.
 */
export const LANES = {
  small: { first: 1, last: -999_999_999 },
  large: { first: -1_000_000_000, last: -1_499_999_999 },
  /** Where jobs go that fail again and again (failing.ts): for a server of the release before, the large lane's end. */
  failing: { first: -1_500_000_000, last: -2_000_000_000 },
} as const
export type Lane = keyof typeof LANES

const queue: Omit<Queue, 'name'> = {
  policy: 'standard',
  // The sender's transaction wakes a worker the moment it commits.
  notify: true,
  // A worker that was killed is noticed after this long, and its jobs are given to another.
  heartbeatSeconds: 10,
  expireInSeconds: 24 * 3600 - 1,
  retryLimit: 1_000_000,
  retryDelay: 2,
  retryBackoff: true,
  retryDelayMax: 60,
  retentionSeconds: 365 * 24 * 3600,
  deleteAfterSeconds: 3600,
}

export const QUEUES: Readonly<Record<QueueName, Omit<Queue, 'name'>>> = {
  ingest: queue,
  embed: queue,
  purge: queue,
}
