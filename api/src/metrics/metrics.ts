// What this server measures of itself, for the alarms and the dashboard of its stage: contract/metrics.ts says what and
// in which unit. Once a minute it becomes lines of the log (contract/emf.ts), which say nothing of what people wrote, and of
// nobody. Without TERRACE_STAGE nothing is kept and nothing written; with it LOG_LEVEL does not silence them.
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { metricLines } from '../../../contract/emf.ts'
import type { MetricName } from '../../../contract/metrics.ts'
import type { Config } from '../config.ts'

/** What is added up between two lines. Of each there is a number in every minute: nothing is 0. */
const COUNTERS = ['AnswersServed', 'AnswersFailed'] as const
export type Counter = (typeof COUNTERS)[number]
/** What has a value each time it happens. */
export type Timing = 'TimeToFirstToken'
export type Gauge = Exclude<MetricName, Counter | Timing>

/** What could not be found out is null, or left out: no number, which is not 0. */
export type Readings = Partial<Record<Gauge, number | null>>

export interface Metrics {
  /** @param times how often it happened. Default 1 */
  count(name: Counter, times?: number): void
  /** @param value in the metric's unit */
  value(name: Timing, value: number): void
  /** Read whenever lines are written. What it throws is logged, and costs its own numbers only. */
  gauge(read: () => Readings | Promise<Readings>): void
  /** Begins to write, now and then once a minute. */
  start(): void
  /** Writes what came since the last time. Never throws. */
  write(): Promise<void>
  /** Writes what was counted, at once: gauges are not read any more, and those that are being read not waited for. */
  close(): Promise<void>
}

/** Where nothing is measured. */
export const NO_METRICS: Metrics = {
  count() {},
  value() {},
  gauge() {},
  start() {},
  async write() {},
  async close() {},
}

const EVERY_MS = 60_000
/** What has not been read by then is left out of this minute's line. */
const PATIENCE_MS = 20_000

interface Source {
  readonly read: () => Readings | Promise<Readings>
  /** Still being read: a disk that hangs is not asked again and again, each time by another thread. */
  busy: boolean
}

/** @param patienceMs milliseconds for gauges. Default 20,000 */
export function createMetrics(
  config: Pick<Config, 'stage'>,
  log: Logger,
  { patienceMs = PATIENCE_MS } = {},
): Metrics {
  const { stage } = config
  if (stage === undefined) return NO_METRICS
  // The same output and the same fields as every line, at a level of its own.
  const lines = log.child({}, { level: 'info' })
  const sources: Source[] = []
  let counts = new Map<Counter, number>()
  let timings: number[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> | null = null
  const closing = new AbortController()

  async function readSource(source: Source): Promise<Readings> {
    if (source.busy) return {}
    source.busy = true
    const reading = (async () => source.read())()
      .catch((err: unknown) => {
        log.warn({ err }, 'something could not be measured')
        return {}
      })
      .finally(() => {
        source.busy = false
      })
    const given = new AbortController()
    const signal = AbortSignal.any([given.signal, closing.signal])
    const late = sleep(patienceMs, {}, { signal, ref: false }).catch(() => ({}))
    try {
      return await Promise.race([reading, late])
    } finally {
      given.abort()
    }
  }

  function put(readings: readonly Readings[]): void {
    if (stage === undefined) return
    const gauges = readings.flatMap((read) => Object.entries(read).filter(([, value]) => value !== null))
    const values = {
      ...Object.fromEntries(gauges),
      ...Object.fromEntries(COUNTERS.map((name) => [name, counts.get(name) ?? 0])),
      TimeToFirstToken: timings,
    }
    counts = new Map()
    timings = []
    for (const line of metricLines({ Stage: stage, Tier: 'api' }, Date.now(), values))
      lines.info(line, 'metrics')
  }

  function write(): Promise<void> {
    writing ??= Promise.all(sources.map(readSource))
      .then(put)
      .finally(() => {
        writing = null
      })
    return writing
  }

  return {
    count: (name, times = 1) => void counts.set(name, (counts.get(name) ?? 0) + times),
    value: (_name, value) => void timings.push(value),
    gauge: (read) => void sources.push({ read, busy: false }),
    start() {
      timer ??= setInterval(() => void write(), EVERY_MS).unref()
      void write()
    },
    write,
    async close() {
      clearInterval(timer)
      closing.abort()
      await writing
      put([])
    },
  }
}
