// What the alarms on objectives make of numbers: CloudWatch's metric math is worked out here, from the template.
import { describe, expect, test } from 'vitest'
import { property } from '../reading.ts'
import { sample } from '../samples.ts'
import { isOn, type Seen } from './evaluation.ts'

const { Resources } = sample('prod').template

/** The same rate all the time: so many an hour. */
const hourly =
  (counts: Readonly<Record<string, number>>): Seen =>
  (metric, statistic, seconds) => {
    const count = counts[`${metric} ${statistic}`]
    return count === undefined || statistic.startsWith('PR') ? count : (count * seconds) / 3_600
  }
const answers = (served: number, failed: number) =>
  hourly({ 'AnswersServed Sum': served, 'AnswersFailed Sum': failed })
/** @param unserved by the load balancer itself, by their codes; what it counts of all of its 5xx goes with them */
const requests = (fine: number, failed: number, unserved: Readonly<Record<number, number>> = {}) =>
  hourly({
    'HTTPCode_Target_2XX_Count Sum': fine,
    'HTTPCode_Target_5XX_Count Sum': failed,
    ...Object.fromEntries(
      Object.entries(unserved).map(([code, count]) => [`HTTPCode_ELB_${code}_Count Sum`, count]),
    ),
    'HTTPCode_ELB_5XX_Count Sum': Object.values(unserved).reduce((sum, count) => sum + count, 0),
  })
const firstTokens = (asked: number, soon: number) =>
  hourly({ 'TimeToFirstToken SampleCount': asked, 'TimeToFirstToken PR(:5000)': soon })

const WINDOWS = ['FastLong', 'FastShort', 'SteadyLong', 'SteadyShort', 'Slow']
const on = (id: string, seen: Seen) => WINDOWS.filter((name) => isOn(Resources[`${id}${name}`], seen))

const FAST = WINDOWS
const STEADY = ['SteadyLong', 'SteadyShort', 'Slow']

describe('1 % of answers may fail', () => {
  test.for([
    ['none fails', 10_000, 0, []],
    ['as many as may', 9_900, 100, []],
    ['2.9 times as many', 9_710, 290, []],
    ['3.1 times', 9_690, 310, ['Slow']],
    ['5.9 times', 9_410, 590, ['Slow']],
    ['6.1 times', 9_390, 610, STEADY],
    ['14.3 times', 8_570, 1_430, STEADY],
    ['14.5 times', 8_550, 1_450, FAST],
    ['all', 0, 10_000, FAST],
  ] as const)('%s', ([, served, failed, expected]) => {
    expect(on('Answers', answers(served, failed))).toEqual(expected)
  })
})

describe('0.5 % of requests may be answered with 5xx', () => {
  test.for([
    ['as many as may', requests(9_950, 50), []],
    ['3.1 times', requests(9_845, 155), ['Slow']],
    ['6.1 times', requests(9_695, 305), STEADY],
    ['14.5 times, by servers', requests(9_275, 725), FAST],
    ['14.5 times, by an error of the load balancer', requests(9_275, 0, { 500: 725 }), FAST],
    ['14.5 times, because servers broke off', requests(9_275, 0, { 502: 725 }), FAST],
    ['14.5 times, because servers were too slow', requests(9_275, 0, { 504: 725 }), FAST],
    ['14.5 times, some of each', requests(9_275, 145, { 500: 145, 502: 145, 503: 145, 504: 145 }), FAST],
    ['all, and no server was there to answer', requests(0, 0, { 503: 10_000 }), FAST],
    ['what load balancers don’t speak', requests(100, 0, { 501: 5_000, 505: 5_000 }), []],
  ] as const)('%s', ([, seen, expected]) => {
    expect(on('Requests', seen)).toEqual(expected)
  })
  test('what was refused was answered', () => {
    expect(on('Requests', hourly({ 'HTTPCode_Target_4XX_Count Sum': 10_000 }))).toEqual([])
  })
})

test('errors of the load balancer are told, whichever; what it does not speak is not', () => {
  const inAMinute =
    (counts: Readonly<Record<number, number>>): Seen =>
    (metric) =>
      counts[Number(/^HTTPCode_ELB_(\d+)_Count$/.exec(metric)?.[1])]
  const isTold = (counts: Readonly<Record<number, number>>) =>
    isOn(Resources.BalancerErrors, inAMinute(counts))
  const told = (code: number) => isTold({ [code]: 6 })
  expect([500, 502, 503, 504].map(told)).toEqual([true, true, true, true])
  expect([501, 505, 561].map(told)).toEqual([false, false, false])
  expect(isTold({ 502: 2, 504: 3 })).toBe(false)
  expect(isTold({ 502: 3, 504: 3 })).toBe(true)
})

describe('5 % of answers may begin after five seconds', () => {
  test.for([
    ['as many as may', 95, []],
    ['3.1 times', 84.5, ['Slow']],
    ['6.1 times', 69.5, STEADY],
    ['14.5 times', 27.5, FAST],
  ] as const)('%s', ([, soon, expected]) => {
    expect(on('FirstTokens', firstTokens(1_000, soon))).toEqual(expected)
  })
})

describe.each(['Requests', 'Answers', 'FirstTokens'])('%s', (id) => {
  test('nobody asks: silence', () => {
    expect(on(id, () => undefined)).toEqual([])
    expect(on(id, () => 0)).toEqual([])
  })
  test('windows are those of the workbook', () => {
    const window = (name: string) => property(Resources[`${id}${name}`], 'Metrics.0.MetricStat.Period')
    expect(WINDOWS.map(window)).toEqual([3_600, 300, 21_600, 1_800, 86_400])
  })
})

test('few questions: four that fail wake nobody, five do', () => {
  const once: (failed: number) => Seen = (failed) => (metric) => (metric === 'AnswersFailed' ? failed : 0)
  expect(on('Answers', once(4))).toEqual(['FastShort', 'SteadyShort'])
  expect(on('Answers', once(5))).toEqual(FAST)
})

test('what is over does not page: the short window is quiet', () => {
  const anHourAgo: Seen = (metric, _statistic, seconds) =>
    metric === 'AnswersFailed' ? (seconds > 1_800 ? 100 : 0) : 20
  expect(on('Answers', anHourAgo)).toEqual(['FastLong', 'SteadyLong', 'Slow'])
})

test('promises are made where people rely on them', () => {
  const names = (template: ReturnType<typeof sample>['template']) =>
    Object.keys(template.Resources).filter((id) => /Burn$/.test(id))
  expect(names(sample('prod').template)).toEqual(['RequestsBurn', 'AnswersBurn', 'FirstTokensBurn'])
  expect(names(sample('staging').template)).toHaveLength(3)
  expect(names(sample('dev').template)).toEqual([])
  expect(names(sample('prod', { fleet: 'none' }).template)).toEqual([])
})
