import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { monthlyCost, promisedAvailability, together } from './cost.ts'
import { drawStack } from './diagram.ts'
import { documents } from './documents.ts'
import { INSTANCE_TYPES, type InstanceTypeName, steadyFamilies } from './instance-types.ts'
import { report } from './plan/report.ts'
import { change, type Draft } from './rules/rule.ts'
import { SAMPLE_SEARCH, sample } from './samples.ts'
import { STAGES } from './stages.ts'

const ROOT = path.dirname(import.meta.dirname)
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8')

test('what docs/ shows is what the table says: else `npm run diagram`', () => {
  for (const [file, text] of documents(read)) expect(read(file)).toBe(text)
})

test('a page without a place for a table is not overwritten', () => {
  expect(() => documents(() => '# On AWS')).toThrow('docs/aws.md has no place for costs')
})

describe('costs', () => {
  const cost = (...[name, changes]: Parameters<typeof sample>) => {
    const { stage, template } = sample(name, changes)
    return Object.fromEntries(
      monthlyCost(stage, template).map(({ what, usd }) => [
        what,
        usd === undefined ? usd : Number(usd.toFixed(2)),
      ]),
    )
  }

  test('of prod, reckoned by hand', () => {
    expect(cost('prod')).toMatchObject({
      // 2 × (0.045 + 0.005) × 730
      'NAT gateways: 2': 73,
      // (2 × (0.0225 + 0.008) + 2 × 0.005) × 730
      'Load balancers: 2': 51.83,
      // 2 × ((0.0416 + 0.005) × 730 + 16 × 0.08)
      'Web servers: 2 × t3.medium': 70.6,
      // 2 × (0.1008 × 730 + 60 × 0.08)
      'API servers: 2 × m7i.large': 156.77,
      // 2 × (0.168 × 730 + 100 × 0.115)
      'Database: db.m7g.large and its standby': 268.28,
      'Read replica: db.m7g.large': 134.14,
      // 33 on one metric each, one on 4, 5 windows of 8 + 2 + 2 metrics, 2 × 2 of Auto Scaling's own; 6 over others
      'Alarms: 49, and 6 over them': (33 + 4 + 5 * 12 + 4) / 10 + 6 * 0.5,
      // 10 of the API, 3 of the web tier
      'Metrics that servers write: 13': 3.9,
      Dashboard: 3,
      // 3 × 0.40 + 1
      'Secrets and key': 2.2,
    })
  })

  test('follow from the stage', () => {
    expect(Object.keys(cost('prod', { fleet: 'none' })).join()).not.toMatch(/servers/i)
    expect(cost('prod', { nat: 'one' })['NAT gateways: 1']).toBe(36.5)
    // Without 2 × 0.005 × 730.
    expect(cost('prod', { webPlacement: 'private' })['Web servers: 2 × t3.medium']).toBe(63.3)
  })
})

describe('a class whose price nobody could find', () => {
  const { stage, template } = sample('prod')
  const unpriced = { ...stage, database: { ...stage.database, instanceClass: 'db.m7i.large' } } as const

  test('costs what is not known, and the rest at least', () => {
    const lines = monthlyCost(unpriced, template)
    expect(lines.filter(({ usd }) => usd === undefined).map(({ what }) => what)).toEqual([
      'Database: db.m7i.large and its standby',
      'Read replica: db.m7i.large',
    ])
    const known = monthlyCost(stage, template).filter(({ what }) => !/atabase|eplica/.test(what))
    expect(together(lines)).toBeCloseTo(together(known), 6)
  })

  test('is said by a plan, which adds up the rest only', () => {
    const text = report('prod', unpriced, template, undefined)
    expect(text).toMatch(/^ {7}\? {2}Database: db\.m7i\.large and its standby: no price in the table$/m)
    expect(text).toContain('database  db.m7i.large: 8 GiB; no price in the table')
    expect(text).toMatch(/^ +\d+ {2}together, and what has no price here$/m)
    expect(report('prod', stage, template, undefined)).toMatch(/^ +\d+ {2}together$/m)
  })
})

test('a plan says what a stage runs on', () => {
  const { stage, template } = sample('prod', {
    api: { ...STAGES.prod.api, instanceType: 'c7a.2xlarge' },
  })
  const text = report('prod', stage, template, undefined)
  expect(text).toContain(
    'api  2 to 8 × c7a.2xlarge: 8 vCPU, 16 GiB, 3.125 Gbit/s at any time; price of January 2026',
  )
  expect(text).toContain('web  2 to 6 × t3.medium: 2 vCPU with credits, 4 GiB, 0.256 Gbit/s at any time')
})

describe('instance types', () => {
  const rows = Object.entries(INSTANCE_TYPES)

  // A slip of the pen in a table of this length is found by what is so for all of AWS's types.
  test.for(rows)(
    '%s is what its name says',
    ([name, { architecture, vcpus, memoryGiB, burstable, price }]) => {
      const [family = '', size = ''] = name.split('.')
      expect(architecture).toBe(/^[a-z]\dg/.test(family) ? 'arm64' : 'x86_64')
      expect(burstable).toBe(family.startsWith('t'))
      const steps = { small: -2, medium: -1, large: 0, xlarge: 1, '2xlarge': 2, '4xlarge': 3 }
      const doubled = 2 ** (steps[size as keyof typeof steps] ?? Number.NaN)
      expect(memoryGiB).toBe(({ c: 4, m: 8, r: 16, t: 8 }[family[0] ?? ''] ?? 0) * doubled)
      expect(vcpus).toBe(family.startsWith('t') ? Math.max(2, 2 * doubled) : 2 * doubled)
      const large = INSTANCE_TYPES[`${family}.large` as InstanceTypeName].price?.[0] ?? Number.NaN
      expect(price?.[0]).toBeCloseTo(large * doubled, 6)
    },
  )

  test('for the API there are steady ones of both architectures', () => {
    expect(steadyFamilies('x86_64')).toEqual(['m6i', 'm7i', 'm7a', 'c6i', 'c7i', 'c7a', 'r6i', 'r7i'])
    expect(steadyFamilies('arm64')).toEqual(['m7g', 'c7g', 'r7g'])
  })
})

test('what AWS promises is the product of what a question passes', () => {
  expect(promisedAvailability(STAGES.prod)).toBeCloseTo(0.9999 ** 4 * 0.9995, 12)
  expect(promisedAvailability(STAGES.dev)).toBeCloseTo(0.9999 ** 2 * 0.995 ** 3, 12)
})

describe('the picture', () => {
  const { template } = sample('prod')

  test('has a box for what stands in each zone, and the ways out', () => {
    const svg = drawStack(template)
    const count = (words: string) => svg.split(`>${words}</text>`).length - 1
    expect(
      ['Web servers', 'API servers', 'PostgreSQL*', 'Read replica', 'Internal load balancer'].map(count),
    ).toEqual([2, 2, 2, 1, 1])
    expect(svg).toContain('API servers → internet :443 by 2 NAT gateways, one in each zone')
    expect(svg).toContain('Web servers → internet :443 by their own addresses')
    expect(drawStack(sample('prod', { webPlacement: 'private', nat: 'one' }).template)).toContain(
      'Web servers → internet :443 by one NAT gateway',
    )
  })

  test('hides nothing that is open', () => {
    const draft: Draft = JSON.parse(JSON.stringify(template))
    change(draft, 'DatabaseSecurityGroup', 'SecurityGroupEgress', undefined)
    change(draft, 'ApiSecurityGroup', 'SecurityGroupIngress', [
      { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, CidrIp: '10.0.0.0/8' },
    ])
    const svg = drawStack(JSON.parse(JSON.stringify(draft)))
    expect(svg).toContain('also open: PostgreSQL → External load balancer :443')
    expect(svg).toContain('also open: PostgreSQL → API servers :22')
  })
})

test('a search domain costs its nodes, their disks and its managers; without one nothing is said of it', () => {
  const { stage, template } = sample('prod', { search: SAMPLE_SEARCH })
  const [nodes, managers] = monthlyCost(stage, template).filter(({ what }) =>
    what.startsWith('Search domain'),
  )
  expect(nodes?.what).toBe('Search domain: 2 × r7g.large.search, 100 GiB each')
  expect(nodes?.usd).toBeCloseTo(2 * (0.178 * 730 + 100 * 0.122))
  expect(managers?.what).toBe('Search domain’s managers: 3 × m7g.medium.search')
  expect(managers?.usd).toBeCloseTo(3 * 0.068 * 730)
  const plain = sample('prod')
  expect(JSON.stringify(monthlyCost(plain.stage, plain.template))).not.toContain('Search')
})
