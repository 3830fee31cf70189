import { expect, test } from 'vitest'
import { type Finding, remaining } from './findings.ts'
import { templates } from './templates.ts'
import { WAIVERS } from './waivers.ts'

const found = (on: string, template: string, message = 'is wrong'): Finding => ({
  tool: 'guard',
  rule: 'no_default_port',
  on,
  template,
  message,
})
const waiver = {
  tool: 'guard',
  rule: 'no_default_port',
  on: ['Database'],
  because: 'it hides nothing',
} as const

test('a finding is said once for a resource, with its templates and everything that is wrong', () => {
  const findings = [found('Database', 'dev'), found('Database', 'prod', 'is 5432'), found('Other', 'prod')]
  expect(remaining(findings, [])).toEqual([
    'guard no_default_port on Database (dev, prod): is wrong; is 5432',
    'guard no_default_port on Other (prod): is wrong',
  ])
})

test('a waiver covers its rule of its tool on its resources, and nothing else', () => {
  const findings = [found('Database', 'dev'), found('Other', 'dev')]
  expect(remaining(findings, [waiver])).toEqual(['guard no_default_port on Other (dev): is wrong'])
  expect(remaining(findings, [{ ...waiver, tool: 'cfn-lint' }])).toContain(
    'guard no_default_port on Database (dev): is wrong',
  )
  expect(remaining(findings, [{ ...waiver, rule: 'another' }])).toContain(
    'guard no_default_port on Database (dev): is wrong',
  )
})

test('a waiver for some templates leaves the others', () => {
  const findings = [found('Database', 'dev'), found('Database', 'prod')]
  expect(remaining(findings, [{ ...waiver, in: ['dev'] }])).toEqual([
    'guard no_default_port on Database (prod): is wrong',
  ])
})

test('what waives nothing is an error: a waiver, one of its resources, one of its templates', () => {
  expect(remaining([], [waiver])).toEqual(['waivers.ts: guard no_default_port on Database waives nothing'])
  expect(remaining([found('Database', 'dev')], [{ ...waiver, on: ['Database', 'Gone'] }])).toEqual([
    'waivers.ts: guard no_default_port on Gone waives nothing',
  ])
  expect(remaining([found('Database', 'dev')], [{ ...waiver, in: ['dev', 'prod'] }])).toEqual([
    'waivers.ts: guard no_default_port in prod waives nothing',
  ])
})

test('each waiver is about something that is there, for a reason', () => {
  const made = templates()
  for (const { rule, on, in: where, because } of WAIVERS) {
    expect(because, rule).toMatch(/\S.{20}/)
    for (const name of where ?? []) expect([...made.keys()]).toContain(name)
    const ids = [...made].flatMap(([name, { Resources }]) =>
      (where?.includes(name) ?? true) ? Object.keys(Resources) : [],
    )
    for (const id of on) expect(['', ...ids], rule).toContain(id)
  }
})
