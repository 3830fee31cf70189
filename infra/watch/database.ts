// Alarms of the database, which is there before any server. A failover is an event and no state: RDS itself tells of it,
// by the event subscription of infra/database.ts.
import type { Alerts } from '../alerts.ts'
import type { Stack } from '../cfn.ts'
import type { Database } from '../database.ts'
import { DATABASE_CLASSES } from '../instance-types.ts'
import type { Stage } from '../stage-schema.ts'
import { type Alarm, alarm } from './alarm.ts'

export interface DatabaseAlarms
  extends Readonly<Record<'cpu' | 'storage' | 'memory' | 'connections', Alarm>> {
  readonly lag?: Alarm
}

const GIB = 1024 ** 3
/** RDS's own default: a connection for every 9,531,392 bytes, 5,000 at most. */
const maxConnections = (stage: Stage): number =>
  Math.min(5_000, (DATABASE_CLASSES[stage.database.instanceClass].memoryGiB * GIB) / 9_531_392)

export function databaseAlarms(
  stack: Stack,
  stage: Stage,
  database: Database,
  { tell }: Alerts,
): DatabaseAlarms {
  const of = (instance: Database['primary']) =>
    ({
      namespace: 'AWS/RDS',
      dimensions: { DBInstanceIdentifier: instance.ref },
      // RDS reports every minute; silence means that it is not there.
      missing: 'breaching',
    }) as const
  const primary = of(database.primary)
  const always = {
    cpu: alarm(stack, 'DatabaseCpu', tell, 'Answers and lists get slow.', 'database-load', {
      ...primary,
      metric: 'CPUUtilization',
      statistic: 'Average',
      comparison: 'GreaterThanThreshold',
      threshold: 85,
      periods: [10, 15],
    }),
    storage: alarm(
      stack,
      'DatabaseStorage',
      tell,
      'A full disk stops every upload and every answer.',
      'database-storage',
      {
        ...primary,
        metric: 'FreeStorageSpace',
        statistic: 'Minimum',
        comparison: 'LessThanThreshold',
        // RDS makes room by itself at a tenth; this is when it did not.
        threshold: Math.max(2, stage.database.storageGiB * 0.07) * GIB,
        periods: [5, 5],
      },
    ),
    memory: alarm(
      stack,
      'DatabaseMemory',
      tell,
      'Memory runs out: answers get slow, then PostgreSQL restarts.',
      'database-load',
      {
        ...primary,
        metric: 'FreeableMemory',
        statistic: 'Minimum',
        comparison: 'LessThanThreshold',
        threshold: 0.15 * GIB,
        periods: [5, 5],
      },
    ),
    connections: alarm(
      stack,
      'DatabaseConnections',
      tell,
      'The next server finds no connection, and stays unready.',
      'database-load',
      {
        ...primary,
        metric: 'DatabaseConnections',
        statistic: 'Maximum',
        comparison: 'GreaterThanThreshold',
        threshold: Math.floor(0.8 * maxConnections(stage)),
        periods: [5, 5],
      },
    ),
  }
  if (!database.replica) return always
  const lag = alarm(
    stack,
    'DatabaseReplicaLag',
    tell,
    'Lists are read on the primary, which gets slower.',
    'replica-lag',
    {
      ...of(database.replica),
      metric: 'ReplicaLag',
      statistic: 'Maximum',
      comparison: 'GreaterThanThreshold',
      threshold: 30,
      periods: [5, 5],
    },
  )
  return { ...always, lag }
}
