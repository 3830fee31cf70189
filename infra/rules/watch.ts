// Rules for what watches: alarms, and who is told.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { at, list, property, refersTo } from '../reading.ts'
import { change, each, type Rule } from './rule.ts'

const RUNBOOKS = path.join(import.meta.dirname, '../../docs/runbooks')
const ALARM = 'AWS::CloudWatch::Alarm'

/** Metrics that there are none of while there is nothing to count, or on a certificate's first day. */
const QUIET = [
  'DaysToExpiry',
  'ErrorPortAllocation',
  'HTTPCode_ELB_5XX_Count',
  'HTTPCode_Target_5XX_Count',
  'TargetResponseTime',
  'UnHealthyHostCount',
]

/** The page that an alarm names, when it is there and has a heading. */
function runbookOf(description: unknown): string | undefined {
  const [, name] = /docs\/runbooks\/([a-z-]+)\.md$/.exec(String(description)) ?? []
  const file = path.join(RUNBOOKS, `${name}.md`)
  return name !== undefined && existsSync(file) && readFileSync(file, 'utf8').startsWith('# ')
    ? name
    : undefined
}

export const WATCH_RULES: readonly Rule[] = [
  {
    holds: 'an alarm says what it means and what to do, and does something',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const actions = list(property(alarm, 'AlarmActions'))
        if (actions.length === 0) return 'tells nobody'
        if (actions.some((action) => template.Resources[refersTo(action) ?? ''] === undefined))
          return 'tells what is not there'
        if (property(alarm, 'ActionsEnabled') === false) return 'is switched off'
        if (!/^[A-Z].{15,}\. What to do: /.test(String(property(alarm, 'AlarmDescription'))))
          return 'says nothing'
        return runbookOf(property(alarm, 'AlarmDescription')) === undefined && 'has no runbook'
      }),
    breaks: {
      'no action': (draft) => change(draft, 'ApiErrors', 'AlarmActions', []),
      'an action that is not there': (draft) =>
        change(draft, 'ApiErrors', 'AlarmActions', [{ Ref: 'Nobody' }]),
      off: (draft) => change(draft, 'ApiErrors', 'ActionsEnabled', false),
      silence: (draft) => change(draft, 'ApiErrors', 'AlarmDescription', 'docs/runbooks/errors.md'),
      'no page': (draft) =>
        change(
          draft,
          'ApiErrors',
          'AlarmDescription',
          'Everything fails for everyone. What to do: docs/runbooks/none.md',
        ),
    },
  },
  {
    holds:
      'what no data means is decided for every alarm: nothing where there may be no requests, the worst elsewhere',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const missing = property(alarm, 'TreatMissingData')
        return (
          missing !==
            (QUIET.includes(String(property(alarm, 'MetricName'))) ? 'notBreaching' : 'breaching') &&
          `takes silence as ${String(missing)}`
        )
      }),
    breaks: {
      unsaid: (draft) => change(draft, 'DatabaseCpu', 'TreatMissingData', undefined),
      'silence is fine': (draft) => change(draft, 'ApiNoHealthyHostA', 'TreatMissingData', 'notBreaching'),
      'no requests is an alarm': (draft) => change(draft, 'WebErrors', 'TreatMissingData', 'breaching'),
    },
  },
  {
    holds: 'alarms and database events can be sent: the topic’s policy and its key let both services in',
    violations: (template) => {
      const lets = (policy: unknown, service: string) =>
        list(at(policy, 'Statement')).some(
          (statement) =>
            at(statement, 'Effect') === 'Allow' && at(statement, 'Principal.Service') === service,
        )
      const key = refersTo(property(template.Resources.Alerts, 'KmsMasterKeyId'))
      if (key === undefined) return ['Alerts: is not encrypted with a key of its own']
      return ['cloudwatch.amazonaws.com', 'events.rds.amazonaws.com'].flatMap((service) => [
        ...(lets(property(template.Resources.AlertsPolicy, 'PolicyDocument'), service)
          ? []
          : [`AlertsPolicy: keeps ${service} out`]),
        ...(lets(property(template.Resources[key], 'KeyPolicy'), service)
          ? []
          : [`${key}: keeps ${service} out`]),
      ])
    },
    breaks: {
      'AWS’s key': (draft) => change(draft, 'Alerts', 'KmsMasterKeyId', 'alias/aws/sns'),
      'the topic': (draft) => {
        delete draft.Resources.AlertsPolicy
      },
      'the key': (draft) => change(draft, 'AlertsKey', 'KeyPolicy.Statement', []),
    },
  },
  {
    holds: 'the dashboard is JSON, fits its grid, and shows resources that are there',
    violations: (template) =>
      each(template, 'AWS::CloudWatch::Dashboard', (dashboard) => {
        const body = property(dashboard, 'DashboardBody')
        const [text, values] = list(at(body, 'Fn::Sub'))
        const missing = Object.values(values ?? {}).filter(
          (value) => template.Resources[refersTo(value) ?? ''] === undefined,
        )
        if (missing.length > 0) return `shows ${JSON.stringify(missing[0])}, which is not there`
        const widgets = widgetsOf(text ?? body)
        if (widgets === undefined) return 'is no JSON'
        if (widgets.some(({ x, width }) => x + width > 24 || !Number.isInteger(x)))
          return 'is wider than its grid'
        const covers = (a: Widget, b: Widget) =>
          a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
        return (
          widgets.some((a, index) => widgets.some((b, other) => other > index && covers(a, b))) &&
          'covers itself'
        )
      }),
    breaks: {
      'no JSON': (draft) => change(draft, 'Dashboard', 'DashboardBody', '{ "widgets": [ }'),
      'nothing in it': (draft) => change(draft, 'Dashboard', 'DashboardBody', '{}'),
      'what is not there': (draft) => {
        delete draft.Resources.DatabaseReplica
      },
      width: (draft) => change(draft, 'Dashboard', 'DashboardBody', widgetsText([{ x: 20, width: 6 }])),
      'one over another': (draft) =>
        change(
          draft,
          'Dashboard',
          'DashboardBody',
          widgetsText([
            { x: 0, width: 6 },
            { x: 5, width: 6 },
          ]),
        ),
    },
  },
]

interface Widget {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}
function widgetsOf(text: unknown): readonly Widget[] | undefined {
  try {
    const { widgets } = JSON.parse(String(text)) as { widgets?: Widget[] }
    return Array.isArray(widgets) && widgets.length > 0 ? widgets : undefined
  } catch {
    return undefined
  }
}
const widgetsText = (widgets: readonly { x: number; width: number }[]) =>
  JSON.stringify({ widgets: widgets.map((one) => ({ ...one, y: 0, height: 6 })) })
