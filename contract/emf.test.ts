import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readEmf } from './emf.schema.ts'
import { type MetricValues, metricLines } from './emf.ts'
import { METRICS, type MetricName } from './metrics.ts'

const AT = 1_790_000_000_000
const API = { Stage: 'prod', Tier: 'api' } as const
const lines = (values: MetricValues) => metricLines(API, AT, values).map((line) => JSON.stringify(line))

test('a line says what it is about, where, when and in which unit', () => {
  expect(metricLines(API, AT, { IndexLag: 1.5, AnswersServed: 0 })).toEqual([
    {
      _aws: {
        Timestamp: AT,
        CloudWatchMetrics: [
          {
            Namespace: 'Terrace',
            Dimensions: [['Stage', 'Tier']],
            Metrics: [
              { Name: 'IndexLag', Unit: 'Seconds' },
              { Name: 'AnswersServed', Unit: 'Count' },
            ],
          },
        ],
      },
      Stage: 'prod',
      Tier: 'api',
      IndexLag: 1.5,
      AnswersServed: 0,
    },
  ])
})

test('any values become lines that AWS takes, each finite one once and in order', () => {
  const names = Object.keys(METRICS) as MetricName[]
  const value = fc.oneof(fc.double(), fc.integer(), fc.constant(Number.NaN))
  const values = fc.dictionary(
    fc.constantFrom(...names),
    fc.oneof(value, fc.array(value, { maxLength: 350 })),
  )
  fc.assert(
    fc.property(values, (given: MetricValues) => {
      const read = lines(given).map(readEmf)
      for (const name of names) {
        const finite = [given[name] ?? []].flat().filter(Number.isFinite)
        // JSON knows no -0.
        expect(read.flatMap((line) => line.values.get(name) ?? [])).toEqual(finite.map((one) => one + 0))
      }
    }),
  )
})

test('more than a hundred values go on in further lines, which repeat nothing', () => {
  const timings = Array.from({ length: 201 }, (_, i) => i)
  const read = lines({ TimeToFirstToken: timings, AnswersServed: 201 }).map(readEmf)
  expect(read.map(({ values }) => values.get('TimeToFirstToken')?.length)).toEqual([100, 100, 1])
  expect(read.map(({ values }) => values.get('AnswersServed'))).toEqual([[201], undefined, undefined])
})

test('nothing to say is no line', () => {
  expect(lines({})).toEqual([])
  expect(lines({ TimeToFirstToken: [], IndexLag: Number.NaN })).toEqual([])
})

test('the schema that other tests go by refuses what AWS or the contract does not have', () => {
  const [good = ''] = lines({ IndexLag: 1 })
  expect(readEmf(good).values).toEqual(new Map([['IndexLag', [1]]]))
  for (const [part, instead] of [
    ['"Unit":"Seconds"', '"Unit":"seconds"'],
    ['"Unit":"Seconds"', '"Unit":"Count"'],
    ['"Stage":"prod"', '"Stage":""'],
    [',"Tier":"api"', ''],
    ['[["Stage","Tier"]]', '[["Stage"]]'],
    ['"IndexLag":1}', '"IndexLag":"1"}'],
    ['"IndexLag":1}', '"IndexLag":[]}'],
    ['"IndexLag":1}', `"IndexLag":[${Array(101).fill(1)}]}`],
    ['"IndexLag":1}', '"Other":1}'],
    [`"Timestamp":${AT}`, '"Timestamp":1790000000'],
    ['"Namespace":"Terrace"', '"Namespace":"terrace"'],
    ['"Tier":"api"', '"Tier":"web"'],
  ] as const) {
    expect(good).toContain(part)
    expect(() => readEmf(good.replace(part, instead)), `${part} → ${instead}`).toThrow()
  }
})
