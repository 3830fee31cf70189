// Objectives: what part of the things that people do has to go well, over 30 days, and alarms on how fast what may fail
// is used up. Why these numbers and this way: docs/decisions/0015-objectives.md.
import type { Alerts } from '../alerts.ts'
import type { Balanced } from '../balancing.ts'
import type { Stack } from '../cfn.ts'
import type { Tier } from '../environment.ts'
import {
  type Alarm,
  alarm,
  allOf,
  anyOf,
  inAlarm,
  type Metric,
  type Reckoned,
  type StateAlarm,
  stateAlarm,
} from './alarm.ts'
import { measured } from './application.ts'
import { unservedBy } from './ways.ts'

export interface Objective {
  readonly id: 'Requests' | 'Answers' | 'FirstTokens'
  /** Where one looks first when it is missed. */
  readonly tier: Tier
  readonly title: string
  /** Per cent that may not go well. */
  readonly budget: number
  /** What it means that it is missed. */
  readonly consequence: string
  readonly metrics: Readonly<Record<string, Metric>>
  /** How many went well, and how many did not: metric math over the metrics. */
  readonly good: string
  readonly bad: string
}

/** Milliseconds within which an answer begins. */
const SOON_MS = 5_000

/** @param stage its name, as servers are told it */
export function objectives(stage: string, web: Balanced): readonly Objective[] {
  const outside = (metric: string): Metric => ({
    namespace: 'AWS/ApplicationELB',
    metric,
    dimensions: { LoadBalancer: web.balancer.att('LoadBalancerFullName') },
    statistic: 'Sum',
  })
  const unserved = unservedBy(web)
  return [
    {
      id: 'Requests',
      tier: 'web',
      title: 'requests answered',
      budget: 0.5,
      consequence: 'People get errors, more than were promised.',
      // By code, because RequestCount leaves out those that found no server.
      metrics: {
        fine: outside('HTTPCode_Target_2XX_Count'),
        moved: outside('HTTPCode_Target_3XX_Count'),
        refused: outside('HTTPCode_Target_4XX_Count'),
        failed: outside('HTTPCode_Target_5XX_Count'),
        ...unserved.metrics,
      },
      good: 'FILL(fine, 0) + FILL(moved, 0) + FILL(refused, 0)',
      bad: `FILL(failed, 0) + ${unserved.sum}`,
    },
    {
      id: 'Answers',
      tier: 'api',
      title: 'answers to their end',
      budget: 1,
      consequence: 'Questions end without an answer, more than were promised.',
      metrics: {
        served: measured(stage, 'api', 'AnswersServed', 'Sum'),
        failed: measured(stage, 'api', 'AnswersFailed', 'Sum'),
      },
      good: 'FILL(served, 0)',
      bad: 'FILL(failed, 0)',
    },
    {
      id: 'FirstTokens',
      tier: 'api',
      title: `answers begun within ${SOON_MS / 1000} s`,
      budget: 5,
      consequence: 'Answers begin late, more than were promised.',
      metrics: {
        asked: measured(stage, 'api', 'TimeToFirstToken', 'SampleCount'),
        // Per cent of them, of values up to this one.
        soon: measured(stage, 'api', 'TimeToFirstToken', `PR(:${SOON_MS})`),
      },
      good: 'FILL(asked, 0) * FILL(soon, 0) / 100',
      bad: 'FILL(asked, 0) * (100 - FILL(soon, 0)) / 100',
    },
  ]
}

/**
 * Google's Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", for 30 days: so many times as
 * fast as the budget allows, over a long window and still in a short one. Both of these wake a person.
 */
const PAGES = [
  // 2 % of the budget in an hour.
  { name: 'Fast', rate: 14.4, windows: [3_600, 300] },
  // 5 % in six hours.
  { name: 'Steady', rate: 6, windows: [21_600, 1_800] },
] as const
/** 10 % in a day: to be looked at, tomorrow. The workbook's three days are more than a period of CloudWatch has. */
const TICKET = { rate: 3, seconds: 86_400 } as const
/** Fewer than these in the long window wake nobody, however few went well. */
const LEAST_BAD = 5

/** Per cent that did not go well; 0 while fewer than `least` did not, so also when nobody asks. */
function failing({ metrics, good, bad }: Objective, least: number): Reckoned {
  return {
    metrics,
    expressions: { good, bad, failing: `IF(bad >= ${least}, 100 * bad / (good + bad), 0)` },
  }
}

/** Per cent of the budget that is left, over the time that one looks at. */
export function left({ metrics, good, bad, budget }: Objective): Reckoned {
  return {
    metrics,
    expressions: { good, bad, left: `100 - 100 * (100 * bad / (good + bad)) / ${budget}` },
  }
}

export interface Burn {
  readonly tier: Tier
  readonly page: StateAlarm
  readonly ticket: Alarm
}

/** The alarms of one objective. What wakes does so through the state of its tier. */
export function objectiveAlarms(stack: Stack, objective: Objective, { tell }: Alerts): Burn {
  const { id, tier, budget, consequence } = objective
  const over = (
    name: string,
    seconds: number,
    rate: number,
    least: number,
    actions: Parameters<typeof alarm>[2],
  ) =>
    alarm(stack, `${id}${name}`, actions, consequence, 'objectives', {
      ...failing(objective, least),
      comparison: 'GreaterThanThreshold',
      // Rates are of hours: without this, 14.4 × 0.5 has a tail of digits.
      threshold: Number((rate * budget).toFixed(6)),
      // One period is the window: a ratio of sums, not a sum of ratios.
      periods: [1, 1],
      seconds,
      // Nobody asks, or nobody reports, which is for ApiMemory to tell.
      missing: 'notBreaching',
    })
  const both = PAGES.map(({ name, rate, windows: [long, short] }) =>
    allOf(
      inAlarm(over(`${name}Long`, long, rate, LEAST_BAD, [])),
      inAlarm(over(`${name}Short`, short, rate, 1, [])),
    ),
  )
  return {
    tier,
    page: stateAlarm(stack, `${id}Burn`, tell, consequence, 'objectives', anyOf(...both)),
    ticket: over('Slow', TICKET.seconds, TICKET.rate, LEAST_BAD, tell),
  }
}
