// How people come in: from what template to what template an entrance lets them come without encryption.
import type { Template } from '../cfn.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'

const LISTENER = 'AWS::ElasticLoadBalancingV2::Listener'
const RULE = 'AWS::ElasticLoadBalancingV2::ListenerRule'
const ENCRYPTED = ['HTTPS', 'TLS']

/** @returns what gets worse, in words, by the ids of what changes it */
export function unencryptedEntrances(before: Template, after: Template): [id: string, reason: string][] {
  const known = new Set(plainly(before).map(({ to }) => to))
  return (
    plainly(after)
      // What is new is nobody's way in yet.
      .filter(({ to }) => before.Resources[to] !== undefined && !known.has(to))
      .map(({ by, to }) => [by, `lets people in to ${to} without encryption`])
  )
}

/** Listeners, or rules of them, that pass on what came without encryption to a load balancer that faces the internet. */
function plainly(template: Template): { by: string; to: string }[] {
  const plain = ofType(template, LISTENER).flatMap(([id, listener]) => {
    const to = refersTo(property(listener, 'LoadBalancerArn')) ?? ''
    const isInside = property(template.Resources[to], 'Scheme') === 'internal'
    return isInside || ENCRYPTED.includes(String(property(listener, 'Protocol')))
      ? []
      : [{ id, to, listener }]
  })
  const passesOn = (actions: unknown) => list(actions).some((action) => at(action, 'Type') === 'forward')
  return plain.flatMap(({ id, to, listener }) => [
    ...(passesOn(property(listener, 'DefaultActions')) ? [{ by: id, to }] : []),
    ...ofType(template, RULE)
      .filter(([, rule]) => refersTo(property(rule, 'ListenerArn')) === id)
      .filter(([, rule]) => passesOn(property(rule, 'Actions')))
      .map(([by]) => ({ by, to })),
  ])
}
