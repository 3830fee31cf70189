// The queues and what a job of each carries. Queue rows are made at the start of whichever process comes first.
// How often a file may be tried is counted on its version (`crashes`), never by the queue: a hand-back at
// shutdown, a killed server or a database that was away is no try of the file's.
import type { Queue } from 'pg-boss'

export interface JobData {
  /** A version's file becomes passages that can be found by words. */
  ingest: { readonly versionId: string }
  /** The passages of a version get their vectors. */
  embed: { readonly versionId: string }
  /** Rows and blobs of what was deleted go. */
  purge: { readonly documentId: string } | { readonly collectionId: string }
}
export type QueueName = keyof JobData

/** Jobs of small files and of large ones are fetched by different workers, so that neither waits for the other. */
export const PRIORITY = { large: 0, small: 1 } as const

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
