// Entrances without encryption, and what would go on unseen.
import { describe, expect, test } from 'vitest'
import { change, type Draft } from '../rules/rule.ts'
import { sample } from '../samples.ts'
import { type Case, changed, PROD, reasons } from './pairs.ts'

const FORWARD = [{ Type: 'forward', TargetGroupArn: { Ref: 'WebTargets' } }]
const add = (id: string, type: string, Properties: Record<string, unknown>) => (draft: Draft) => {
  draft.Resources[id] = { Type: `AWS::ElasticLoadBalancingV2::${type}`, Properties }
}

describe('people come without encryption', () => {
  test.for<Case>([
    [
      'where they were sent to encryption',
      (draft) => change(draft, 'HttpListener', 'DefaultActions', FORWARD),
      'HttpListener lets people in to ExternalBalancer without encryption',
    ],
    [
      'by a port of their own',
      add('Door', 'Listener', {
        LoadBalancerArn: { Ref: 'ExternalBalancer' },
        Port: 8080,
        Protocol: 'HTTP',
        DefaultActions: FORWARD,
      }),
      'Door lets people in to ExternalBalancer without encryption',
    ],
    [
      'by a rule for some of them',
      add('Some', 'ListenerRule', { ListenerArn: { Ref: 'HttpListener' }, Priority: 1, Actions: FORWARD }),
      'Some lets people in to ExternalBalancer without encryption',
    ],
    [
      'by the listener that had it',
      (draft) => change(draft, 'HttpsListener', 'Protocol', 'HTTP'),
      'HttpsListener no longer encrypts on the way: Protocol; lets people in to ExternalBalancer without encryption',
    ],
  ])('%s', ([, edit, reason]) => {
    const after = changed(PROD, edit)
    expect(reasons(PROD, after)).toEqual([reason])
    expect(reasons(after, PROD)).toEqual([])
  })

  test('a stage that loses its certificate', () => {
    const plain = sample('prod', { entrance: { kind: 'plain-http' } }).template
    expect(reasons(PROD, plain)).toEqual([
      'HttpListener lets people in to ExternalBalancer without encryption',
    ])
  })

  test('a stage that never had one may have a second port', () => {
    const dev = sample('dev').template
    const after = changed(
      dev,
      add('Door', 'Listener', {
        LoadBalancerArn: { Ref: 'ExternalBalancer' },
        Port: 8080,
        Protocol: 'HTTP',
        DefaultActions: FORWARD,
      }),
    )
    expect(reasons(dev, after)).toEqual([])
  })

  test('the internal load balancer never had it', () => {
    const after = changed(
      PROD,
      add('Inside', 'Listener', {
        LoadBalancerArn: { Ref: 'InternalBalancer' },
        Port: 81,
        Protocol: 'HTTP',
        DefaultActions: FORWARD,
      }),
    )
    expect(reasons(PROD, after)).toEqual([])
  })
})

describe('nobody sees', () => {
  const without = (...ids: string[]) =>
    changed(PROD, (draft) => {
      for (const id of ids) delete draft.Resources[id]
    })

  test('the network’s traffic any more', () => {
    expect(reasons(PROD, without('FlowLog'))).toEqual([
      'FlowLog goes, and nothing would note the network’s traffic',
    ])
    expect(reasons(without('FlowLog'), PROD)).toEqual([])
    const other = changed(PROD, (draft) => {
      const { FlowLog, ...rest } = draft.Resources
      if (FlowLog) draft.Resources = { ...rest, Traffic: FlowLog }
    })
    expect(reasons(PROD, other)).toEqual([])
  })

  test('some of the traffic', () => {
    const after = changed(PROD, (draft) => change(draft, 'FlowLog', 'TrafficType', 'REJECT'))
    expect(reasons(PROD, after)).toEqual(['FlowLog would no longer note all of the traffic: TrafficType'])
  })

  test('what is told any more', () => {
    expect(reasons(PROD, without('AlertsTo1'))).toEqual([
      'AlertsTo1 goes, and nobody would read what is told',
    ])
    const two = changed(PROD, (draft) => {
      const one = draft.Resources.AlertsTo1
      if (one) draft.Resources.AlertsTo2 = structuredClone(one)
    })
    expect(reasons(two, PROD)).toEqual([])
  })
})
