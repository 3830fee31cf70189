// Metrics as they are really written, read back as CloudWatch reads them.
import { type EmfLine, emfLines } from '../../contract/emf.schema.ts'
import type { MetricName } from '../../contract/metrics.ts'
import { createLog } from '../src/log.ts'
import { createMetrics, type Metrics } from '../src/metrics/metrics.ts'

export interface Written {
  /** What was written since the last time, after writing it now. */
  read(): Promise<EmfLine[]>
}

/** Of a stage of its own, apart from any server. */
export function testMetrics(options?: { patienceMs?: number }): Metrics & Written {
  const lines: string[] = []
  const log = createLog({ logLevel: 'silent', release: 'r1' }, 'api', { write: (line) => lines.push(line) })
  const metrics = createMetrics({ stage: 'test' }, log, options)
  return { ...metrics, ...writtenBy(metrics, lines) }
}

/** @param lines gets every line of the log */
export function writtenBy(metrics: Metrics, lines: string[]): Written {
  return {
    async read() {
      await metrics.write()
      return emfLines(lines.splice(0).join(''))
    },
  }
}

/** Every value of a metric, in all lines. */
export const valuesOf = (lines: readonly EmfLine[], name: MetricName) =>
  lines.flatMap(({ values }) => values.get(name) ?? [])

export const sumOf = (lines: readonly EmfLine[], name: MetricName) =>
  valuesOf(lines, name).reduce((sum, value) => sum + value, 0)
