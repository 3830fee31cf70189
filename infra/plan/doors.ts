// Who comes to what holds data, by security groups: from what template to what template there are more. Things are looked
// at, not groups: whoever is given a group that is let in comes in by it, too.
import type { Template, TemplateResource } from '../cfn.ts'
import { contains, parseCidr } from '../cidr.ts'
import { at, list, ofType, property, refersTo } from '../reading.ts'
import { canonical, mentions } from './mentions.ts'

const GROUP = 'AWS::EC2::SecurityGroup'
const INGRESS = 'AWS::EC2::SecurityGroupIngress'
const EGRESS = 'AWS::EC2::SecurityGroupEgress'
/** What holds data and has security groups. */
const STORES: readonly string[] = ['AWS::RDS::DBInstance', 'AWS::OpenSearchService::Domain']
const isStore = (resource: TemplateResource | undefined) => STORES.includes(resource?.Type ?? '')
const BALANCER = 'AWS::ElasticLoadBalancingV2::LoadBalancer'
/** Names groups, and is in none. */
const IN_NO_GROUP = /^AWS::(EC2::SecurityGroup|SSM::|CloudWatch::)/
/** What the rule of a group that lets nothing out names. */
const NOWHERE = '255.255.255.255/32'
const WORLD = 'the internet'

interface Rule {
  /** Of the resource that says it. */
  readonly by: string
  readonly group: string
  readonly text: unknown
}
interface Door {
  readonly to: string
  readonly from: string
  /** From what group to what group; undefined for addresses. */
  readonly pair: string | undefined
  /** What says so together; of these one has changed when the door is new. */
  readonly by: readonly string[]
}

/** @returns what gets worse, in words, by the ids of what changes it */
export function doorsOpened(before: Template, after: Template): [id: string, reason: string][] {
  const differs = (id: string) => canonical(before.Resources[id]) !== canonical(after.Resources[id])
  const known = new Set(doors(before).map(({ to, from }) => `${from} ${to}`))
  const groups = new Set(rulesOf(before, INGRESS).map(pairOf))
  const opened = doors(after)
    // What is new holds nothing yet.
    .filter(({ to, from }) => before.Resources[to] !== undefined && !known.has(`${from} ${to}`))
    // What is there to be reached by everyone.
    .filter(({ to, from }) => !(from === WORLD && facesTheInternet(after.Resources[to])))
    // The first servers of a tier that has always been let in.
    .filter(
      ({ from, pair }) => before.Resources[from] !== undefined || pair === undefined || !groups.has(pair),
    )
    .map(({ to, from, by }): [string, string] => [
      by.find(differs) ?? to,
      `lets ${from} in to ${to}${isStore(after.Resources[to]) ? ', which holds data' : ''}`,
    ])
  return [...opened, ...waysOut(before, after)]
}

/** Doors to databases, and from the internet to anything. */
function doors(template: Template): Door[] {
  return rulesOf(template, INGRESS).flatMap(({ by, group, text }) =>
    membersOf(template, group).flatMap((to) =>
      sourcesOf(template, text)
        .filter(({ from }) => isStore(template.Resources[to]) || from === WORLD)
        .map(({ from, group: source }) => ({
          to,
          from,
          pair: pairOf({ group, text }),
          by: [by, to, from, group, source],
        })),
    ),
  )
}

/** Rules of their own, and those that stand in a group. */
function rulesOf(template: Template, type: typeof INGRESS | typeof EGRESS): Rule[] {
  const inside = type === INGRESS ? 'SecurityGroupIngress' : 'SecurityGroupEgress'
  return [
    ...ofType(template, type).map(([by, { Properties: text }]) => ({ by, group: named(text.GroupId), text })),
    ...ofType(template, GROUP).flatMap(([group, { Properties }]) =>
      list(Properties[inside]).map((text) => ({ by: group, group, text })),
    ),
  ]
}

const sourceOf = (rule: unknown) => at(rule, 'SourceSecurityGroupId') ?? at(rule, 'SourceSecurityGroupName')
/** Undefined for addresses. */
const pairOf = ({ group, text }: Pick<Rule, 'group' | 'text'>): string | undefined =>
  sourceOf(text) === undefined ? undefined : `${named(sourceOf(text))} ${group}`
const named = (value: unknown): string => refersTo(value) ?? canonical(value ?? '')

function membersOf(template: Template, group: string): string[] {
  return Object.entries(template.Resources)
    .filter(([, { Type, Properties }]) => !IN_NO_GROUP.test(Type) && mentions(Properties, group))
    .map(([id]) => id)
}

function sourcesOf(template: Template, rule: unknown): { from: string; group: string }[] {
  const source = sourceOf(rule)
  if (source !== undefined) {
    const group = named(source)
    const members = membersOf(template, group)
    return (members.length > 0 ? members : [group]).map((from) => ({ from, group }))
  }
  const range = at(rule, 'CidrIp')
  const inside = ofType(template, 'AWS::EC2::VPC').some(([, vpc]) =>
    isWithin(range, property(vpc, 'CidrBlock')),
  )
  return [{ from: inside ? `addresses ${String(range)}` : WORLD, group: '' }]
}

/** Of what is no range of IPv4, it can't be said. */
function isWithin(range: unknown, block: unknown): boolean {
  try {
    return contains(parseCidr(String(block)), parseCidr(String(range)))
  } catch {
    return false
  }
}

/** Without a scheme it does. */
const facesTheInternet = (resource: TemplateResource | undefined): boolean =>
  resource?.Type === BALANCER && property(resource, 'Scheme') !== 'internal'

function waysOut(before: Template, after: Template): [string, string][] {
  const unpinned = ofType(after, GROUP).filter(
    ([id, group]) =>
      list(property(before.Resources[id], 'SecurityGroupEgress')).length > 0 &&
      list(property(group, 'SecurityGroupEgress')).length === 0,
  )
  const known = new Set(rulesOf(before, EGRESS).map(canonical))
  const isDatabase = (template: Template, group: string) =>
    membersOf(template, group).some((id) => isStore(template.Resources[id]))
  const fromData = rulesOf(after, EGRESS).filter(
    (rule) =>
      isDatabase(before, rule.group) &&
      isDatabase(after, rule.group) &&
      at(rule.text, 'CidrIp') !== NOWHERE &&
      !known.has(canonical(rule)),
  )
  return [
    ...unpinned.map(([id]): [string, string] => [id, 'would let everything out: SecurityGroupEgress']),
    ...fromData.map(({ by, group }): [string, string] => [by, `lets data out of ${group}`]),
  ]
}
