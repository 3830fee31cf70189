// Rules for alarms: each says something, tells somebody, has a page, and was asked what silence means. What they reckon:
// reckoning.ts.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { METRIC_NAMESPACE, METRICS } from '../../contract/metrics.ts'
import type { Template, TemplateResource } from '../cfn.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { change, type Draft, each, type Rule } from './rule.ts'

const RUNBOOKS = path.join(import.meta.dirname, '../../docs/runbooks')
const ALARM = 'AWS::CloudWatch::Alarm'
const STATE = 'AWS::CloudWatch::CompositeAlarm'

/** What silence of a metric means that is no alarm, and why. Of every other metric silence is the worst. */
const QUIET: Readonly<Record<string, string>> = {
  DaysToExpiry: 'none on a certificate’s first day',
  ErrorPortAllocation: 'nothing goes out',
  HTTPCode_Target_5XX_Count: 'counted only when there are some',
  TargetResponseTime: 'nobody asks',
  UnHealthyHostCount: 'no server; HealthyHostCount tells',
  TimeToFirstToken: 'nobody asks',
  AnswersFailed: 'no server reports; MemoryUsed tells',
  DiskUsed: 'no server reports; MemoryUsed tells',
  ImageAge: 'no server reports; MemoryUsed tells',
  IngestQueueAge: 'the database can’t be asked; its own alarms tell',
  'ClusterStatus.yellow': 'the domain says nothing; ClusterStatus.red tells',
  ClusterIndexWritesBlocked: 'the domain says nothing; ClusterStatus.red tells',
  JVMMemoryPressure: 'the domain says nothing; ClusterStatus.red tells',
  AutomatedSnapshotFailure: 'the domain says nothing; ClusterStatus.red tells',
  '5xx': 'nothing failed, or nobody asks',
  DeadLetters: 'the database can’t be asked; its own alarms tell',
}

/** Of what servers measure, what has no alarm of its own, and why. */
const WITHOUT_ALARM: Readonly<Record<string, string>> = {
  AnswersServed: 'good news; the objectives reckon with it',
  OpenStreams: 'as many as there are people; what too many of them cost has alarms',
}

/** CloudWatch's limits: characters of a rule, alarms in one, characters of an alarm's name. */
const LIMITS = { rule: 10_240, children: 100, name: 255 } as const

const alarmsOf = (template: Template) => [...ofType(template, ALARM), ...ofType(template, STATE)]

/** The page that an alarm names, when it is there and has a heading. */
export function runbookOf(alarm: TemplateResource): string | undefined {
  const [, name] = /docs\/runbooks\/([a-z-]+)\.md$/.exec(String(property(alarm, 'AlarmDescription'))) ?? []
  const file = path.join(RUNBOOKS, `${name}.md`)
  const text = name !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : ''
  return text.startsWith('# ') ? text : undefined
}

/** What a state is made of: the alarms in its rule. */
const childrenOf = (state: TemplateResource): string[] =>
  list(property(state, 'AlarmRule.Fn::Join.1')).flatMap((part) => refersTo(part) ?? [])

/** Whether somebody learns of it: by itself, or by a state that it is part of. */
function isHeard(template: Template, id: string, alarm: TemplateResource): boolean {
  if (list(property(alarm, 'AlarmActions')).length > 0) return true
  return ofType(template, STATE).some(
    ([state, made]) => state !== id && childrenOf(made).includes(id) && isHeard(template, state, made),
  )
}

/** The metrics that an alarm looks at, by itself or by metric math. */
export const metricsOf = (alarm: TemplateResource): string[] =>
  [
    property(alarm, 'MetricName'),
    ...list(property(alarm, 'Metrics')).map((query) => at(query, 'MetricStat.Metric.MetricName')),
  ].filter((name) => typeof name === 'string')

/** One line for each alarm or state of which something does not hold. */
const everyAlarm = (
  template: Template,
  wrong: (alarm: TemplateResource, id: string) => string | false | undefined,
) => [...each(template, ALARM, wrong), ...each(template, STATE, wrong)]

/** What only servers can keep quiet. */
const NEEDS_SERVERS = /^(Terrace|AWS\/AutoScaling)$/
const needsServers = (alarm: TemplateResource) =>
  NEEDS_SERVERS.test(String(property(alarm, 'Namespace'))) ||
  JSON.stringify(alarm.Properties).includes('TargetGroup') ||
  metricsOf(alarm).some((name) => name.startsWith('HTTPCode_'))

export const ALARM_RULES: readonly Rule[] = [
  {
    holds: 'an alarm says what it means and what to do, and does something, or is part of one that does',
    violations: (template) =>
      everyAlarm(template, (alarm, id) => {
        if (!isHeard(template, id, alarm)) return 'tells nobody'
        if (
          list(property(alarm, 'AlarmActions')).some(
            (action) => template.Resources[refersTo(action) ?? ''] === undefined,
          )
        )
          return 'tells what is not there'
        if (property(alarm, 'ActionsEnabled') === false) return 'is switched off'
        if (!/^[A-Z].{15,}\. What to do: /.test(String(property(alarm, 'AlarmDescription'))))
          return 'says nothing'
        return runbookOf(alarm) === undefined && 'has no runbook'
      }),
    breaks: {
      'no action': (draft) => change(draft, 'ApiErrors', 'AlarmActions', []),
      'a part of nothing': (draft) => change(draft, 'AnswersBurn', 'AlarmRule', 'FALSE'),
      'a state that tells nobody': (draft) => change(draft, 'WebState', 'AlarmActions', []),
      'an action that is not there': (draft) =>
        change(draft, 'ApiErrors', 'AlarmActions', [{ Ref: 'Nobody' }]),
      off: (draft) => change(draft, 'ApiErrors', 'ActionsEnabled', false),
      'a state that is off': (draft) => change(draft, 'DatabaseState', 'ActionsEnabled', false),
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
    holds: 'whoever opens the page that an alarm names finds that alarm on it',
    violations: (template) =>
      everyAlarm(
        template,
        (alarm, id) => !(runbookOf(alarm) ?? '').includes(`\`${id}\``) && 'is not on its page',
      ),
    breaks: {
      'another page': (draft) =>
        change(
          draft,
          'ApiErrors',
          'AlarmDescription',
          'Questions, uploads and lists fail. What to do: docs/runbooks/nat.md',
        ),
      'another name': (draft) => {
        const { ApiErrors } = draft.Resources
        if (ApiErrors) draft.Resources.ApiMistakes = ApiErrors
      },
    },
  },
  {
    holds:
      'what no data means is decided for every alarm: nothing where there is a reason, the worst elsewhere',
    violations: (template) =>
      each(template, ALARM, (alarm) => {
        const missing = property(alarm, 'TreatMissingData')
        // Reckoned over time: nobody asks, or nobody reports, which is for MemoryUsed to tell.
        const isQuiet = property(alarm, 'Metrics') !== undefined
        const metric = String(property(alarm, 'MetricName'))
        return (
          missing !== (isQuiet || QUIET[metric] !== undefined ? 'notBreaching' : 'breaching') &&
          `takes silence as ${String(missing)}`
        )
      }),
    breaks: {
      unsaid: (draft) => change(draft, 'DatabaseCpu', 'TreatMissingData', undefined),
      'silence is fine': (draft) => change(draft, 'ApiNoHealthyHostA', 'TreatMissingData', 'notBreaching'),
      'no server reports': (draft) => change(draft, 'ApiMemory', 'TreatMissingData', 'notBreaching'),
      'no index can say': (draft) => change(draft, 'ApiIndexLag', 'TreatMissingData', 'notBreaching'),
      'no requests is an alarm': (draft) => change(draft, 'WebErrors', 'TreatMissingData', 'breaching'),
      'no questions is an alarm': (draft) =>
        change(draft, 'AnswersFastLong', 'TreatMissingData', 'breaching'),
    },
  },
  {
    holds: 'what servers measure has an alarm for each tier that writes it, by the names it is written under',
    violations: (template, stage) =>
      stage.fleet === 'none'
        ? []
        : Object.entries(METRICS).flatMap(([name, { tiers }]) =>
            tiers.flatMap((tier) => {
              const has = ofType(template, ALARM).some(
                ([, alarm]) =>
                  property(alarm, 'Namespace') === METRIC_NAMESPACE &&
                  property(alarm, 'MetricName') === name &&
                  dimension(alarm, 'Tier') === tier &&
                  dimension(alarm, 'Stage') !== undefined,
              )
              return has || WITHOUT_ALARM[name] !== undefined ? [] : [`${tier} ${name}: nobody is told`]
            }),
          ),
    breaks: {
      ...Object.fromEntries(
        ['FirstToken', 'AnswersFailing', 'IndexLag', 'IngestQueueAge', 'DeadLetters', 'Memory', 'Disk'].map(
          (name) => [name, (draft: Draft) => change(draft, `Api${name}`, 'MetricName', 'Other')],
        ),
      ),
      'of the other tier': (draft) => change(draft, 'WebImageAge', 'Dimensions.1.Value', 'api'),
      'another namespace': (draft) => change(draft, 'ApiIndexLag', 'Namespace', 'Terraces'),
      'another dimension': (draft) => change(draft, 'ApiIndexLag', 'Dimensions.0.Name', 'stage'),
    },
  },
  {
    holds: 'a state is made of alarms that are there, not of itself, and no longer than CloudWatch takes it',
    violations: (template) =>
      each(template, STATE, (state, id) => {
        const children = childrenOf(state)
        if (children.length === 0) return 'is made of nothing'
        const gone = children.filter((child) => !alarmsOf(template).some(([known]) => known === child))
        if (gone.length > 0) return `is made of ${gone.join(', ')}`
        if (reaches(template, id, id)) return 'is made of itself'
        const words = list(property(state, 'AlarmRule.Fn::Join.1')).filter((part) => typeof part === 'string')
        // Names are CloudFormation's own; this is the longest that they can be.
        const length = words.join('').length + children.length * LIMITS.name
        return (length > LIMITS.rule || children.length > LIMITS.children) && 'is too long'
      }),
    breaks: {
      nothing: (draft) => change(draft, 'DatabaseState', 'AlarmRule', 'TRUE'),
      'what is not there': (draft) => {
        delete draft.Resources.DatabaseMemory
      },
      'no alarm': (draft) =>
        change(draft, 'DatabaseState', 'AlarmRule', {
          'Fn::Join': ['', ['ALARM("', { Ref: 'Alerts' }, '")']],
        }),
      itself: (draft) =>
        change(draft, 'RequestsBurn', 'AlarmRule', {
          'Fn::Join': ['', ['ALARM("', { Ref: 'WebState' }, '")']],
        }),
      'too long': (draft) =>
        change(draft, 'DatabaseState', 'AlarmRule', {
          'Fn::Join': ['', Array.from({ length: 50 }, () => ({ Ref: 'DatabaseMemory' }))],
        }),
    },
  },
  {
    holds:
      'the database, and each tier that there is, has a state that wakes a person and says when it is over',
    violations: (template, stage) => {
      const states = ['DatabaseState', ...(stage.fleet === 'none' ? [] : ['ApiState', 'WebState'])]
      return states.flatMap((id) => {
        const actions = (name: string) => list(property(template.Resources[id], name)).map(refersTo)
        return actions('AlarmActions').includes('Pages') && actions('OKActions').includes('Pages')
          ? []
          : [`${id}: lets everyone sleep`]
      })
    },
    breaks: {
      'a tier': (draft) => {
        delete draft.Resources.ApiState
      },
      mail: (draft) => change(draft, 'WebState', 'AlarmActions', [{ Ref: 'Alerts' }]),
      'no end': (draft) => change(draft, 'DatabaseState', 'OKActions', undefined),
    },
  },
  {
    holds: 'before there are servers there is no alarm that only servers keep quiet',
    violations: (template) =>
      template.Resources.ApiGroup === undefined
        ? each(template, ALARM, (alarm) => needsServers(alarm) && 'would be the first thing to be heard')
        : [],
    breaks: {
      'an alarm without servers': (draft) => {
        delete draft.Resources.ApiGroup
      },
    },
  },
]

const dimension = (alarm: TemplateResource, name: string): unknown =>
  list(property(alarm, 'Dimensions'))
    .filter((one) => at(one, 'Name') === name)
    .map((one) => at(one, 'Value'))[0]

/** Whether a state leads to another one, over however many. */
function reaches(template: Template, from: string, to: string, seen: readonly string[] = []): boolean {
  const state = template.Resources[from]
  if (state === undefined || seen.includes(from)) return false
  return childrenOf(state).some((child) => child === to || reaches(template, child, to, [...seen, from]))
}
