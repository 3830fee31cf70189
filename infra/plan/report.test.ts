// What a plan says of a stage as a whole.
import { expect, test } from 'vitest'
import { sample } from '../samples.ts'
import { report } from './report.ts'

/** Of a plan's lines, those of the tiers: how many resources, and how many of what. */
function tiersOf(...of: Parameters<typeof sample>) {
  const { stage, template } = sample(...of)
  const text = report(of[0], stage, template, undefined)
  const total = Number(/^(\d+) resources$/m.exec(text)?.[1])
  const lines = [...text.matchAll(/^ *(\d+) {2}(web tier|API tier|database tier|for all tiers): (.*)$/gm)]
  const rooms = (words = '') =>
    Object.fromEntries(
      [...words.matchAll(/(\d+) ([A-Za-z ]+)/g)].map(([, count, room = '']) => [room, Number(count)]),
    )
  return {
    total,
    expected: Object.keys(template.Resources).length,
    tiers: Object.fromEntries(
      lines.map(([, count, tier = '', words]) => [tier, { count: Number(count), of: rooms(words) }]),
    ),
  }
}

test('every resource is in one tier, or for all of them', () => {
  for (const found of [
    tiersOf('dev'),
    tiersOf('staging'),
    tiersOf('prod'),
    tiersOf('prod', { fleet: 'none' }),
  ]) {
    expect(found.total).toBe(found.expected)
    const counts = Object.values(found.tiers)
    expect(counts).toHaveLength(4)
    expect(counts.reduce((sum, { count }) => sum + count, 0)).toBe(found.total)
    for (const { count, of } of counts)
      expect(Object.values(of).reduce((sum, number) => sum + number, 0)).toBe(count)
  }
})

test('a tier has its servers, its load balancer, its rights and what watches it', () => {
  const { tiers } = tiersOf('prod')
  // A template, a group, two policies.
  expect(tiers['web tier']?.of).toMatchObject({ servers: 4, 'load balancers': 4, identities: 2 })
  expect(tiers['API tier']?.of).toMatchObject({ servers: 4, 'load balancers': 3, identities: 2 })
  // Primary, replica, their subnets, parameters and events; whoever migrates.
  expect(tiers['database tier']?.of).toMatchObject({ database: 5, identities: 2 })
  expect(tiers['for all tiers']?.of).toMatchObject({ storage: 4 })
  expect(Object.keys(tiers['for all tiers']?.of ?? {})).not.toContain('servers')
})

test('what an entrance by a hosted zone has more is the web tier’s', () => {
  const of = (name: 'staging' | 'prod') => tiersOf(name).tiers['web tier']?.of['load balancers'] ?? 0
  expect(of('staging')).toBe(of('prod') + 2)
})
