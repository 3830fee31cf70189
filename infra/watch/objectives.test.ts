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
const requests = (fine: number, failed: number, unserved = 0) =>
  hourly({
    'HTTPCode_Target_2XX_Count Sum': fine,
    'HTTPCode_Target_5XX_Count Sum': failed,
    'HTTPCode_ELB_5XX_Count Sum': unserved,
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
    ['14.5 times, by the load balancer', requests(9_275, 0, 725), FAST],
    ['all, and no server was there to answer', requests(0, 0, 10_000), FAST],
  ] as const)('%s', ([, seen, expected]) => {
    expect(on('Requests', seen)).toEqual(expected)
  })
  test('what was refused was answered', () => {
    expect(on('Requests', hourly({ 'HTTPCode_Target_4XX_Count Sum': 10_000 }))).toEqual([])
  })
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
