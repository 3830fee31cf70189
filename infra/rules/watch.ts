// Rules for how people come to know: the topics, and the dashboard. What alarms say: alarms.ts.
import { METRICS } from '../../contract/metrics.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { change, each, type Rule } from './rule.ts'

const ALARM = 'AWS::CloudWatch::Alarm'
const STATE = 'AWS::CloudWatch::CompositeAlarm'
const SENDERS = [
  ['Alerts', ['cloudwatch.amazonaws.com', 'events.rds.amazonaws.com']],
  ['Pages', ['cloudwatch.amazonaws.com']],
] as const
/** Without either of them a message to an encrypted topic is lost, and nobody is told. */
const KEY_USE = ['kms:Decrypt', 'kms:GenerateDataKey']
const isTopic = (id: string | undefined) => SENDERS.some(([topic]) => topic === id)

export const WATCH_RULES: readonly Rule[] = [
  {
    holds: 'alarms and database events can be sent: each topic’s policy and their key let in who sends to it',
    violations: (template) => {
      const lets = (policy: unknown, service: string, actions: readonly string[], topic?: string) =>
        list(at(policy, 'Statement')).some(
          (statement) =>
            at(statement, 'Effect') === 'Allow' &&
            at(statement, 'Principal.Service') === service &&
            actions.every((action) => list(at(statement, 'Action')).includes(action)) &&
            (topic === undefined
              ? at(statement, 'Resource') === '*'
              : refersTo(at(statement, 'Resource')) === topic),
        )
      return SENDERS.flatMap(([topic, services]) => {
        const key = refersTo(property(template.Resources[topic], 'KmsMasterKeyId'))
        if (key === undefined) return [`${topic}: is not encrypted with a key of its own`]
        const policy = template.Resources[`${topic}Policy`]
        if (!list(property(policy, 'Topics')).map(refersTo).includes(topic))
          return [`${topic}: has no policy`]
        return services.flatMap((service) => [
          ...(lets(property(policy, 'PolicyDocument'), service, ['sns:Publish'], topic)
            ? []
            : [`${topic}Policy: keeps ${service} out`]),
          ...(lets(property(template.Resources[key], 'KeyPolicy'), service, KEY_USE)
            ? []
            : [`${key}: keeps ${service} out`]),
        ])
      })
    },
    breaks: {
      'AWS’s key': (draft) => change(draft, 'Alerts', 'KmsMasterKeyId', 'alias/aws/sns'),
      'the topic': (draft) => {
        delete draft.Resources.AlertsPolicy
      },
      'the topic of pages': (draft) => {
        delete draft.Resources.PagesPolicy
      },
      'the key': (draft) => change(draft, 'AlertsKey', 'KeyPolicy.Statement', []),
      'half of the key': (draft) =>
        change(draft, 'AlertsKey', 'KeyPolicy.Statement.1.Action', ['kms:Decrypt']),
      'another topic': (draft) => change(draft, 'PagesPolicy', 'Topics', [{ Ref: 'Alerts' }]),
      'not to publish': (draft) =>
        change(draft, 'AlertsPolicy', 'PolicyDocument.Statement.0.Action', ['sns:Subscribe']),
    },
  },
  {
    holds: 'who is told of alarms gets the pages too',
    violations: (template, stage) =>
      stage.alerts.flatMap((address) =>
        ['Alerts', 'Pages'].flatMap((topic) =>
          ofType(template, 'AWS::SNS::Subscription').some(
            ([, { Properties: p }]) => refersTo(p.TopicArn) === topic && p.Endpoint === address,
          )
            ? []
            : [`${topic}: does not reach ${address}`],
        ),
      ),
    breaks: {
      alarms: (draft) => {
        delete draft.Resources.AlertsTo1
      },
      pages: (draft) => change(draft, 'PagesTo1', 'TopicArn', { Ref: 'Alerts' }),
    },
  },
  {
    holds: 'a failover of the database is told of, and so is a disk that can’t grow',
    violations: (template) =>
      each(template, 'AWS::RDS::EventSubscription', (events) => {
        const told = list(property(events, 'EventCategories'))
        const untold = ['availability', 'failover', 'failure', 'low storage'].filter(
          (one) => !told.includes(one),
        )
        if (refersTo(property(events, 'SnsTopicArn')) !== 'Alerts') return 'tells nobody'
        return untold.length > 0 && `says nothing of ${untold.join(', ')}`
      }),
    breaks: {
      failover: (draft) => change(draft, 'DatabaseEvents', 'EventCategories', ['availability', 'failure']),
      nobody: (draft) => change(draft, 'DatabaseEvents', 'SnsTopicArn', { Ref: 'Nobody' }),
    },
  },
  {
    holds: 'the dashboard shows everything that servers measure, every state, and every alarm that tells',
    violations: (template, stage) => [
      ...(ofType(template, 'AWS::CloudWatch::Dashboard').length === 1 ? [] : ['there is no one dashboard']),
      ...each(template, 'AWS::CloudWatch::Dashboard', (dashboard) => {
        const [text, values] = list(at(property(dashboard, 'DashboardBody'), 'Fn::Sub'))
        const shown = Object.values(values ?? {}).map(refersTo)
        const unshown = [ALARM, STATE].flatMap((type) =>
          ofType(template, type).flatMap(([id, one]) =>
            list(property(one, 'AlarmActions')).some((action) => isTopic(refersTo(action))) &&
            !shown.includes(id)
              ? [id]
              : [],
          ),
        )
        const unmeasured =
          stage.fleet === 'none'
            ? []
            : Object.keys(METRICS).filter((name) => !String(text).includes(`"Terrace","${name}"`))
        return [...unshown, ...unmeasured].length > 0 && `lacks ${[...unshown, ...unmeasured].join(', ')}`
      }),
    ],
    breaks: {
      'no dashboard': (draft) => {
        delete draft.Resources.Dashboard
      },
      'a metric': (draft) => {
        const body = draft.Resources.Dashboard?.Properties.DashboardBody as { 'Fn::Sub': [string, object] }
        body['Fn::Sub'][0] = body['Fn::Sub'][0].replaceAll('IndexLag', 'IndexLead')
      },
      'an alarm': (draft) => {
        draft.Resources.Another = { Type: ALARM, Properties: { AlarmActions: [{ Ref: 'Alerts' }] } }
      },
      'a state': (draft) => {
        draft.Resources.Another = { Type: STATE, Properties: { AlarmActions: [{ Ref: 'Pages' }] } }
      },
    },
  },
  {
    holds: 'the dashboard is JSON, fits its grid, and shows and reckons with what is there',
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
        const unknown = widgets.flatMap(unknownNames)
        if (unknown.length > 0) return `reckons with ${unknown[0]}, which it does not have`
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
      'what it reckons with': (draft) => {
        const body = draft.Resources.Dashboard?.Properties.DashboardBody as { 'Fn::Sub': [string, object] }
        body['Fn::Sub'][0] = body['Fn::Sub'][0].replace(
          '"id":"requests_unserved502"',
          '"id":"requests_other"',
        )
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
/** Names in the expressions of a widget that nothing in it has. */
function unknownNames(widget: unknown): string[] {
  const drawn = list(at(widget, 'properties.metrics')).map((line) => list(line).at(-1))
  const ids = drawn.map((one) => at(one, 'id'))
  return drawn.flatMap((one) =>
    [...String(at(one, 'expression') ?? '').matchAll(/\b[a-z]\w*/g)]
      .map(([word]) => word)
      .filter((word) => !ids.includes(word)),
  )
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
