// What is watched of the search domain, if there is one. None of it pages: while it is away, documents are safe and the
// API says what it can't do; what people notice of that, the states of the tiers see.
import type { Alerts } from '../alerts.ts'
import type { Stack } from '../cfn.ts'
import type { Search } from '../search.ts'
import type { Stage } from '../stage-schema.ts'
import { type Alarm, alarm } from './alarm.ts'

/** Metrics know a domain by its name and its account. */
export const searchMetric = (stage: Stage, { domain }: Search, metric: string, statistic: string) => ({
  namespace: 'AWS/ES',
  metric,
  dimensions: { DomainName: domain.ref, ClientId: stage.account },
  statistic,
})

export function searchAlarms(
  stack: Stack,
  stage: Stage,
  search: Search | undefined,
  { tell }: Alerts,
): Alarm[] {
  if (search === undefined || stage.search === undefined) return []
  const on = (
    id: string,
    consequence: string,
    [metric, statistic]: readonly [string, string],
    bounds: Pick<Parameters<typeof alarm>[5], 'comparison' | 'threshold' | 'periods' | 'missing' | 'seconds'>,
  ) =>
    alarm(stack, id, tell, consequence, 'search', {
      ...searchMetric(stage, search, metric, statistic),
      ...bounds,
    })
  const above = { comparison: 'GreaterThanThreshold', missing: 'notBreaching' } as const
  return [
    on(
      'SearchRed',
      'A part of the search index is missing: questions fail, or find less.',
      ['ClusterStatus.red', 'Maximum'],
      {
        ...above,
        // A domain that is there reports every minute; of what is only counted when it happens, silence is good.
        ...{ threshold: 0, periods: [3, 5], missing: 'breaching' },
      },
    ),
    on(
      'SearchYellow',
      'A copy of the search index is missing: one more loss takes a part of it.',
      ['ClusterStatus.yellow', 'Maximum'],
      {
        ...above,
        ...{ threshold: 0, periods: [60, 60] },
      },
    ),
    on(
      'SearchStorage',
      'The domain soon takes no more: new documents are not found.',
      ['FreeStorageSpace', 'Minimum'],
      {
        ...{ comparison: 'LessThanThreshold', missing: 'breaching' },
        // MiB, of the fullest node.
        ...{ threshold: stage.search.volumeGiB * 1024 * 0.25, periods: [5, 5] },
      },
    ),
    on(
      'SearchWritesBlocked',
      'The domain takes nothing: new documents are not found, deleted ones wait there unseen.',
      ['ClusterIndexWritesBlocked', 'Maximum'],
      {
        ...above,
        ...{ threshold: 0, periods: [1, 1], seconds: 300 },
      },
    ),
    on(
      'SearchMemory',
      'The domain’s memory runs out: searches get slow, then nodes fall away.',
      ['JVMMemoryPressure', 'Maximum'],
      {
        ...above,
        ...{ threshold: 92, periods: [3, 3] },
      },
    ),
    on('SearchCpu', 'Searches get slow.', ['CPUUtilization', 'Average'], {
      ...above,
      ...{ threshold: 80, periods: [3, 3], seconds: 900, missing: 'breaching' },
    }),
    on('SearchErrors', 'The domain fails requests of servers, which try again.', ['5xx', 'Sum'], {
      ...above,
      ...{ threshold: 5, periods: [3, 5] },
    }),
    on(
      'SearchSnapshot',
      'AWS could not take its hourly snapshot of the domain: mostly since it is red.',
      ['AutomatedSnapshotFailure', 'Maximum'],
      {
        ...above,
        ...{ threshold: 0, periods: [1, 1] },
      },
    ),
  ]
}
