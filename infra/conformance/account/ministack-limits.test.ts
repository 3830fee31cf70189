import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { sample } from '../../samples.ts'
import { HOLLOW, isRefused, without } from './ministack-limits.ts'

test('what refers to something that went goes too, however deep; what only waits for it stays', () => {
  const resource = (Properties: object, DependsOn?: string[]) => ({
    Type: 'AWS::SNS::Topic',
    ...(DependsOn && { DependsOn }),
    Properties: { ...Properties },
  })
  const template = {
    Description: '',
    Resources: {
      Panel: resource({ Body: { 'Fn::Sub': ['${V0}', { V0: { Ref: 'Alarm' } }] } }),
      Alarm: resource({ Dimensions: [{ Value: { 'Fn::GetAtt': ['Route', 'Id'] } }] }),
      Nat: { Type: 'AWS::EC2::NatGateway', Properties: {} },
      Route: resource({ NatGatewayId: { Ref: 'Nat' } }),
      Waiting: resource({}, ['Nat', 'Free']),
      Free: resource({ Name: 'Nat' }),
    },
    Outputs: {
      Gone: { Description: '', Value: { Ref: 'Route' } },
      There: { Description: '', Value: { Ref: 'Free' } },
    },
  }
  const left = without(template, ({ Type }) => Type === 'AWS::EC2::NatGateway')
  expect(Object.keys(left.Resources)).toEqual(['Waiting', 'Free'])
  expect(left.Resources.Waiting?.DependsOn).toEqual(['Free'])
  expect(Object.keys(left.Outputs)).toEqual(['There'])
})

test('what is left of a stage has nothing that is refused, and says so of every reference', () => {
  const { Resources } = without(sample('prod').template, isRefused)
  expect(Object.values(Resources).filter(isRefused)).toEqual([])
  expect([Resources.BalancerErrors, Resources.WebErrors?.Type]).toEqual([undefined, 'AWS::CloudWatch::Alarm'])
  const text = JSON.stringify(Resources)
  for (const [, id = ''] of text.matchAll(/"(?:Ref|Fn::GetAtt)":\[?"([^":]+)"/g))
    expect(Object.keys(Resources), id).toContain(id)
})

test('no test asks the emulator for what it only pretends', () => {
  const tests = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.aws.test.ts'))
  expect(tests.length).toBeGreaterThan(2)
  for (const name of tests) {
    const text = readFileSync(path.join(import.meta.dirname, name), 'utf8')
    for (const { operations } of HOLLOW)
      for (const operation of operations) expect(text, name).not.toContain(operation)
  }
})
