// What would go on unseen: a network whose traffic nobody notes any more, a topic that nobody reads.
import type { Template } from '../cfn.ts'
import { ofType, property } from '../reading.ts'
import { canonical } from './mentions.ts'

const FLOW_LOG = 'AWS::EC2::FlowLog'
const SUBSCRIPTION = 'AWS::SNS::Subscription'

/** @returns what is no longer seen, in words, by the ids of what goes */
export function silenced(before: Template, after: Template): [id: string, reason: string][] {
  const gone = (type: string) => ofType(before, type).filter(([id]) => after.Resources[id]?.Type !== type)
  const others = (type: string, name: string) =>
    new Set(ofType(after, type).map(([, resource]) => canonical(property(resource, name) ?? '')))
  const noted = others(FLOW_LOG, 'ResourceId')
  const read = others(SUBSCRIPTION, 'TopicArn')
  const isLeft = (found: ReadonlySet<string>, resource: Parameters<typeof property>[0], name: string) =>
    found.has(canonical(property(resource, name) ?? ''))
  return [
    ...gone(FLOW_LOG)
      .filter(([, log]) => !isLeft(noted, log, 'ResourceId'))
      .map(([id]): [string, string] => [id, 'goes, and nothing would note the network’s traffic']),
    ...gone(SUBSCRIPTION)
      .filter(([, subscription]) => !isLeft(read, subscription, 'TopicArn'))
      .map(([id]): [string, string] => [id, 'goes, and nobody would read what is told']),
  ]
}
