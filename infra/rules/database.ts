// Rules for how PostgreSQL is run: what it is told, what it tells, and where the replica stands.
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { change, type Draft, each, type Rule } from './rule.ts'

const INSTANCE = 'AWS::RDS::DBInstance'

/** What PostgreSQL is told, and what goes wrong without it. */
const PARAMETERS: Readonly<Record<string, readonly [value: RegExp, without: string]>> = {
  shared_preload_libraries: [/\bpg_stat_statements\b/, 'nobody can see which statement takes the time'],
  'pg_stat_statements.track': [/^top$/, 'nobody can see which statement takes the time'],
  hot_standby_feedback: [/^1$/, 'the primary clears away what readers of the replica still need'],
  max_standby_streaming_delay: [/^30000$/, 'one long query may hold the replica up for ever'],
  autovacuum_vacuum_scale_factor: [/^0\.0[1-9]\d*$/, 'the log and chunk tables swell'],
  autovacuum_analyze_scale_factor: [/^0\.0[1-9]\d*$/, 'plans are made for tables as they were'],
  idle_in_transaction_session_timeout: [/^[1-9]\d*$/, 'a forgotten transaction holds locks for ever'],
  log_min_duration_statement: [/^[1-9]\d*$/, 'slow statements leave no trace, or every one does'],
  log_parameter_max_length: [/^0$/, 'text of documents stands in the log'],
  log_lock_waits: [/^1$/, 'who waits for whom leaves no trace'],
  log_autovacuum_min_duration: [/^\d+$/, 'what vacuum does leaves no trace'],
}
const parametersOf = (draft: Draft) =>
  draft.Resources.DatabaseParameters?.Properties.Parameters as Record<string, string>

export const DATABASE_RULES: readonly Rule[] = [
  {
    holds:
      'PostgreSQL is told what a replica, tables that change all day, and whoever looks for a cause need',
    violations: (template) =>
      each(template, 'AWS::RDS::DBParameterGroup', (group) => {
        const set = Object.entries(property(group, 'Parameters') ?? {})
        const wrong = Object.entries(PARAMETERS).find(
          ([name, [value]]) => !set.some(([key, is]) => key === name && value.test(String(is))),
        )
        return wrong !== undefined && `${wrong[0]}: ${wrong[1][1]}`
      }),
    breaks: {
      ...Object.fromEntries(
        Object.keys(PARAMETERS).map((name) => [
          `${name} unsaid`,
          (draft: Draft) => {
            delete parametersOf(draft)[name]
          },
        ]),
      ),
      'feedback off': (draft) => Object.assign(parametersOf(draft), { hot_standby_feedback: '0' }),
      'replay that waits for ever': (draft) =>
        Object.assign(parametersOf(draft), { max_standby_streaming_delay: '-1' }),
      'values in the log': (draft) => Object.assign(parametersOf(draft), { log_parameter_max_length: '-1' }),
    },
  },
  {
    holds: 'primary and replica can be looked into: insights, and their logs',
    violations: (template) =>
      each(template, INSTANCE, (db) => {
        if (property(db, 'EnablePerformanceInsights') !== true) return 'has no insights'
        const logs = list(property(db, 'EnableCloudwatchLogsExports'))
        return !(logs.includes('postgresql') && logs.includes('upgrade')) && 'keeps its logs to itself'
      }),
    breaks: {
      insights: (draft) => change(draft, 'DatabaseReplica', 'EnablePerformanceInsights', undefined),
      logs: (draft) => change(draft, 'Database', 'EnableCloudwatchLogsExports', ['upgrade']),
      'the replica’s': (draft) => change(draft, 'DatabaseReplica', 'EnableCloudwatchLogsExports', undefined),
    },
  },
  {
    holds: 'the replica stands in the zone that the stage says, and the primary in whichever it likes',
    violations: (template, stage) =>
      each(template, INSTANCE, (db) => {
        const zone = property(db, 'AvailabilityZone')
        if (property(db, 'SourceDBInstanceIdentifier') === undefined) return zone !== undefined && 'is pinned'
        const subnet = template.Resources[refersTo(zone) ?? '']
        const isOurs = at(zone, 'Fn::GetAtt.1') === 'AvailabilityZone' && subnet?.Type === 'AWS::EC2::Subnet'
        return (
          !(isOurs && property(subnet, 'AvailabilityZoneId') === stage.zones[stage.database.replicaZone]) &&
          'stands wherever it falls'
        )
      }),
    breaks: {
      wherever: (draft) => change(draft, 'DatabaseReplica', 'AvailabilityZone', undefined),
      'the other one': (draft) =>
        change(draft, 'DatabaseReplica', 'AvailabilityZone', {
          'Fn::GetAtt': ['DatabaseSubnetA', 'AvailabilityZone'],
        }),
      'a pinned primary': (draft) =>
        change(draft, 'Database', 'AvailabilityZone', {
          'Fn::GetAtt': ['DatabaseSubnetA', 'AvailabilityZone'],
        }),
    },
  },
  {
    holds: 'what happens to any database of the stage is told',
    violations: (template) => {
      const told = ofType(template, 'AWS::RDS::EventSubscription').flatMap(([, events]) =>
        property(events, 'Enabled') !== false && property(events, 'SourceType') === 'db-instance'
          ? list(property(events, 'SourceIds')).map(refersTo)
          : [],
      )
      return ofType(template, INSTANCE).flatMap(([id]) => (told.includes(id) ? [] : [`${id}: in silence`]))
    },
    breaks: {
      nothing: (draft) => {
        delete draft.Resources.DatabaseEvents
      },
      off: (draft) => change(draft, 'DatabaseEvents', 'Enabled', false),
      'the replica': (draft) => change(draft, 'DatabaseEvents', 'SourceIds', [{ Ref: 'Database' }]),
    },
  },
]
