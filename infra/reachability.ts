// A template interpreted as a network: who can open a connection to whom, by routes, security groups and addresses, with
// what AWS does where nothing is said. What it doesn't know how to interpret it refuses, rather than be wrong about it.
// Known and left out: network access lists (the VPC's own lets all pass) and the VPC's name service, time and metadata.

import type { Template, TemplateResource } from './cfn.ts'
import { contains, parseCidr } from './cidr.ts'
import { DEFAULT_GROUP, type Place, readPlaces } from './places.ts'
import { list, ofType, property, refersTo } from './reading.ts'

export interface Flow {
  /** `world`, or the logical id of a load balancer, group of servers or database instance. */
  readonly from: string
  readonly to: string
  readonly port: number
  /** `partly`: not from each zone to each zone. */
  readonly extent: 'all' | 'partly'
}

/** Some address that is nobody's (TEST-NET-3, RFC 5737): it stands for all of the internet. */
const SOMEWHERE = parseCidr('203.0.113.7/32')
/** Tried between all, beside every port that a rule names. */
const ALWAYS_TRIED = [22, 25, 53, 80, 443, 3389, 5432, 8080] as const

const KNOWN = new Set(
  [
    'EIP',
    'FlowLog',
    'InternetGateway',
    'LaunchTemplate',
    'NatGateway',
    'Route',
    'RouteTable',
    'SecurityGroup',
  ]
    .concat(['SecurityGroupEgress', 'SecurityGroupIngress', 'Subnet', 'SubnetRouteTableAssociation', 'VPC'])
    .concat(['VPCEndpoint', 'VPCGatewayAttachment'])
    .map((name) => `AWS::EC2::${name}`),
)

/**
 * Every connection that can be opened.
 * @param lostZone id of a zone of which nothing is left
 * @throws Error for what is not interpreted
 */
export function reachable(template: Template, lostZone?: string): readonly Flow[] {
  const network = new Network(template, lostZone)
  const ends = ['world', ...new Set(network.places.map(({ id }) => id))]
  const flows: Flow[] = []
  for (const from of ends)
    for (const to of ends)
      for (const port of network.ports) {
        if (from === 'world' && to === 'world') continue
        const ways = network.ways(from, to, port)
        const open = ways.filter(Boolean).length
        if (open > 0) flows.push({ from, to, port, extent: open === ways.length ? 'all' : 'partly' })
      }
  return flows
}

export const describeFlow = ({ from, to, port, extent }: Flow): string =>
  `${from} → ${to} :${port}${extent === 'partly' ? ' (partly)' : ''}`

interface SecurityRule {
  readonly peer: { readonly group: string } | { readonly range: string }
  readonly first: number
  readonly last: number
}
interface SecurityGroup {
  readonly ingress: SecurityRule[]
  readonly egress: SecurityRule[]
}
type Hop = 'internet' | 'nothing' | { readonly nat: string }

class Network {
  readonly places: readonly Place[]
  readonly ports: readonly number[]
  readonly #template: Template
  readonly #groups: ReadonlyMap<string, SecurityGroup>
  readonly #lostZone: string | undefined

  constructor(template: Template, lostZone: string | undefined) {
    for (const [id, { Type }] of Object.entries(template.Resources))
      if (Type.startsWith('AWS::EC2::') && !KNOWN.has(Type))
        throw new Error(`${id}: ${Type} is not interpreted`)
    this.#template = template
    this.#lostZone = lostZone
    this.#groups = readGroups(template)
    this.places = readPlaces(template).filter(({ zone }) => zone !== lostZone)
    const named = [...this.#groups.values()]
      .flatMap(({ ingress, egress }) => [...ingress, ...egress])
      .flatMap(({ first, last }) => [first, last])
    this.ports = [...new Set([...ALWAYS_TRIED, ...named])]
      .filter((port) => port > 0 && port < 65_535)
      .sort((a, b) => a - b)
  }

  /** For each pair of places that the two names stand for: whether the one can connect to the other. */
  ways(from: string, to: string, port: number): boolean[] {
    const [sources, targets] = [this.#at(from), this.#at(to)]
    if (from === 'world') return targets.map((target) => this.#fromWorld(target, port))
    if (to === 'world') return sources.map((source) => this.#toWorld(source, port))
    return sources.flatMap((source) => targets.map((target) => this.#inside(source, target, port)))
  }

  #at(id: string): Place[] {
    return this.places.filter((place) => place.id === id)
  }

  /** Inside a VPC everything has a route to everything: security groups alone decide. */
  #inside(source: Place, target: Place, port: number): boolean {
    const lets = (rules: readonly SecurityRule[], other: Place) =>
      rules.some(
        ({ peer, first, last }) =>
          first <= port &&
          port <= last &&
          ('group' in peer
            ? other.groups.includes(peer.group)
            : contains(parseCidr(peer.range), this.#addressesOf(other.subnet))),
      )
    return (
      source.groups.some((id) => lets(this.#group(id).egress, target)) &&
      target.groups.some((id) => lets(this.#group(id).ingress, source))
    )
  }

  #fromWorld(target: Place, port: number): boolean {
    return (
      target.hasPublicAddress &&
      this.#hop(target.subnet) === 'internet' &&
      target.groups.some((id) => letsSomewhere(this.#group(id).ingress, port))
    )
  }

  #toWorld(source: Place, port: number): boolean {
    if (!source.groups.some((id) => letsSomewhere(this.#group(id).egress, port))) return false
    const hop = this.#hop(source.subnet)
    if (hop === 'nothing') return false
    if (hop === 'internet') return source.hasPublicAddress
    // A NAT gateway is somewhere itself, and needs an address and a way out there.
    const nat = this.#resource(hop.nat)
    const subnet = refersTo(property(nat, 'SubnetId')) ?? ''
    return (
      refersTo(property(nat, 'AllocationId')) !== undefined &&
      this.#zoneOf(subnet) !== this.#lostZone &&
      this.#hop(subnet) === 'internet'
    )
  }

  /** Where a subnet sends what is for the internet. Without a table of its own it has the VPC's, which leads nowhere. */
  #hop(subnet: string): Hop {
    const association = ofType(this.#template, 'AWS::EC2::SubnetRouteTableAssociation').find(
      ([, { Properties }]) => refersTo(Properties.SubnetId) === subnet,
    )
    const table = refersTo(association?.[1].Properties.RouteTableId)
    const routes = ofType(this.#template, 'AWS::EC2::Route')
      .filter(([, { Properties }]) => table !== undefined && refersTo(Properties.RouteTableId) === table)
      .map(([id, route]) => ({ id, route, range: parseCidr(String(route.Properties.DestinationCidrBlock)) }))
      .filter(({ range }) => contains(range, SOMEWHERE))
      // The narrowest route decides.
      .sort((a, b) => b.range.bits - a.range.bits)
    const [first] = routes
    if (first === undefined) return 'nothing'
    const nat = refersTo(first.route.Properties.NatGatewayId)
    if (nat !== undefined) return { nat }
    const gateway = refersTo(first.route.Properties.GatewayId)
    if (this.#resource(gateway)?.Type !== 'AWS::EC2::InternetGateway')
      throw new Error(`${first.id}: where it leads is not interpreted`)
    const isAttached = ofType(this.#template, 'AWS::EC2::VPCGatewayAttachment').some(
      ([, { Properties }]) => refersTo(Properties.InternetGatewayId) === gateway,
    )
    return isAttached ? 'internet' : 'nothing'
  }

  #resource(id: string | undefined): TemplateResource | undefined {
    return this.#template.Resources[id ?? '']
  }
  #zoneOf(subnet: string): string {
    return String(property(this.#resource(subnet), 'AvailabilityZoneId'))
  }
  #addressesOf(subnet: string) {
    return parseCidr(String(property(this.#resource(subnet), 'CidrBlock')))
  }
  #group(id: string): SecurityGroup {
    const found = this.#groups.get(id)
    if (found === undefined) throw new Error(`there is no security group ${id}`)
    return found
  }
}

const letsSomewhere = (rules: readonly SecurityRule[], port: number): boolean =>
  rules.some(
    ({ peer, first, last }) =>
      'range' in peer && first <= port && port <= last && contains(parseCidr(peer.range), SOMEWHERE),
  )

const ALL_PORTS = { first: 0, last: 65_535 } as const

function readGroups(template: Template): Map<string, SecurityGroup> {
  const groups = new Map<string, SecurityGroup>([
    [
      DEFAULT_GROUP,
      {
        ingress: [{ peer: { group: DEFAULT_GROUP }, ...ALL_PORTS }],
        egress: [{ peer: { range: '0.0.0.0/0' }, ...ALL_PORTS }],
      },
    ],
  ])
  for (const [id, group] of ofType(template, 'AWS::EC2::SecurityGroup')) {
    const own = (name: string, peer: string) =>
      list(property(group, name)).flatMap((rule) => readRule(id, rule as Rule, peer))
    const egress = list(property(group, 'SecurityGroupEgress'))
    groups.set(id, {
      ingress: own('SecurityGroupIngress', 'SourceSecurityGroupId'),
      // A group made without a rule for what goes out is given one for everything.
      egress:
        egress.length === 0
          ? [{ peer: { range: '0.0.0.0/0' }, ...ALL_PORTS }]
          : own('SecurityGroupEgress', 'DestinationSecurityGroupId'),
    })
  }
  for (const [direction, peer] of [
    ['Ingress', 'SourceSecurityGroupId'],
    ['Egress', 'DestinationSecurityGroupId'],
  ] as const)
    for (const [id, { Properties }] of ofType(template, `AWS::EC2::SecurityGroup${direction}`)) {
      const group = groups.get(refersTo(Properties.GroupId) ?? '')
      if (group === undefined) throw new Error(`${id}: its group is not interpreted`)
      group[direction === 'Ingress' ? 'ingress' : 'egress'].push(...readRule(id, Properties, peer))
    }
  return groups
}

type Rule = Readonly<Record<string, unknown>>
function readRule(id: string, rule: Rule, peerName: string): SecurityRule[] {
  const { IpProtocol, FromPort, ToPort, CidrIp } = rule
  if (IpProtocol !== 'tcp' && IpProtocol !== '-1') return []
  const ports = IpProtocol === '-1' ? ALL_PORTS : { first: Number(FromPort), last: Number(ToPort) }
  const group = refersTo(rule[peerName])
  if (group !== undefined) return [{ peer: { group }, ...ports }]
  if (typeof CidrIp === 'string') return [{ peer: { range: CidrIp }, ...ports }]
  throw new Error(`${id}: whom it is about is not interpreted`)
}
