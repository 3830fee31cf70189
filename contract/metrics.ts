// What servers measure of themselves: the names under which programs write it and alarms read it. Written as CloudWatch
// embedded metrics, that is, as lines of the log (AWS: "Specification: embedded metric format"); `TERRACE_STAGE` says
// for which stage, and without it nothing is written.

export const METRIC_NAMESPACE = 'Terrace'

/** Each metric has exactly these, so that a number of a tier is the same whichever of its servers wrote it. */
export interface MetricDimensions {
  readonly Stage: string
  readonly Tier: 'api' | 'web'
}

interface Metric {
  readonly unit: 'Milliseconds' | 'Seconds' | 'Count' | 'Percent' | 'None'
  readonly tiers: readonly MetricDimensions['Tier'][]
}

export const METRICS = {
  /**
   * From the question's acceptance to the first words of its answer that a reader can see. One value an answer that has
   * words; of an answer that a program takes in one piece, none.
   */
  TimeToFirstToken: { unit: 'Milliseconds', tiers: ['api'] },
  /** Answers that ended in a way that a person asked for: done or stopped. 0 is written too. */
  AnswersServed: { unit: 'Count', tiers: ['api'] },
  /**
   * Answers that failed or were interrupted, and were not taken up by another server. 0 is written too. Neither served nor
   * failed: what a budget or a right refused, and answers whose page, program or chat went away meanwhile.
   */
  AnswersFailed: { unit: 'Count', tiers: ['api'] },
  /** Answer and event streams that a server holds open for pages. */
  OpenStreams: { unit: 'Count', tiers: ['api'] },
  /** How far a server's index is behind the head of the log. Not written while that is not known: without the database. */
  IndexLag: { unit: 'Seconds', tiers: ['api'] },
  /**
   * Age of the oldest document that waits for its next stage; 0 when none does. Of one that is worked on, the time since its
   * last progress. Each server tells the same.
   */
  IngestQueueAge: { unit: 'Seconds', tiers: ['api'] },
  /**
   * What failed for good in the last 24 hours and waits for somebody to look: jobs, and files that were given up after an
   * error nobody expected. Of what was given up before, an alarm has told.
   * Each server tells the same.
   */
  DeadLetters: { unit: 'Count', tiers: ['api'] },
  /** Of the machine's memory, what can't be had without swapping. */
  MemoryUsed: { unit: 'Percent', tiers: ['api', 'web'] },
  /** Of the disk that the programs write to; of the fullest one, where there are several. */
  DiskUsed: { unit: 'Percent', tiers: ['api', 'web'] },
  /** Days since the server's image was made. Not written where the image does not say. */
  ImageAge: { unit: 'None', tiers: ['api', 'web'] },
} as const satisfies Record<string, Metric>

export type MetricName = keyof typeof METRICS
