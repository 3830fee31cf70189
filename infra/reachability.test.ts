import { describe, expect, test } from 'vitest'
import type { Template } from './cfn.ts'
import { describeFlow, reachable } from './reachability.ts'
import { change, type Draft } from './rules/rule.ts'
import { SAMPLE_SEARCH, sample } from './samples.ts'
import { STAGES } from './stages.ts'

const flows = (template: Template, lostZone?: string) =>
  reachable(template, lostZone).map(describeFlow).sort()

/** All that can be opened in a stage; nothing else can, on any port. */
const people = ['world → ExternalBalancer :80', 'world → ExternalBalancer :443']
const inside = [
  'ExternalBalancer → WebGroup :3000',
  'WebGroup → InternalBalancer :80',
  'InternalBalancer → ApiGroup :4000',
]
const data = ['ApiGroup → Database :5432', 'ApiGroup → DatabaseReplica :5432']
const out = ['ApiGroup → world :443', 'WebGroup → world :443']
/** Whoever may go anywhere by HTTPS may also go to the door that is open to everyone. */
const round = ['ApiGroup → ExternalBalancer :443', 'WebGroup → ExternalBalancer :443']
const EVERYTHING = [...people, ...inside, ...data, ...out, ...round].sort()
const [zoneA, zoneB] = STAGES.prod.zones

describe('prod', () => {
  const { template } = sample('prod')

  test('is open where it is meant to be, and nowhere else', () => {
    expect(flows(template)).toEqual(EVERYTHING)
  })

  test('without its first zone it is as open', () => {
    expect(flows(template, zoneA)).toEqual(EVERYTHING)
  })

  test('without its second zone it lacks the replica that stood there, and nothing else', () => {
    expect(flows(template, zoneB)).toEqual(EVERYTHING.filter((flow) => !flow.includes('Replica')))
  })
})

test('a search domain is reached by API servers, and reaches nothing', () => {
  const { template } = sample('prod', { search: SAMPLE_SEARCH })
  const all = [...EVERYTHING, 'ApiGroup → Search :443'].sort()
  expect(flows(template)).toEqual(all)
  for (const lost of [zoneA, zoneB]) expect(flows(template, lost)).toContain('ApiGroup → Search :443')
})

test('web servers in private subnets change nothing about it, in either zone', () => {
  const { template } = sample('prod', { webPlacement: 'private' })
  for (const lost of [undefined, zoneA]) expect(flows(template, lost)).toEqual(EVERYTHING)
})

test('with one NAT gateway, losing its zone takes the API’s way out, and only that', () => {
  const { template } = sample('prod', { nat: 'one' })
  expect(flows(template)).toEqual(EVERYTHING)
  expect(flows(template, zoneA)).toEqual(EVERYTHING.filter((flow) => flow !== 'ApiGroup → world :443'))
})

test('dev takes people without HTTPS, and has no replica', () => {
  expect(flows(sample('dev').template)).toEqual(
    EVERYTHING.filter((flow) => !/Replica|Balancer :443/.test(flow)),
  )
})

test('before there are servers, nothing reaches anything but the load balancer', () => {
  expect(flows(sample('prod', { fleet: 'none' }).template)).toEqual([...people].sort())
})

describe('what a change of the template opens or closes is seen', () => {
  const changed = (change: (draft: Draft) => void) => {
    const draft: Draft = JSON.parse(JSON.stringify(sample('prod').template))
    change(draft)
    const now = flows(JSON.parse(JSON.stringify(draft)))
    return {
      opened: now.filter((flow) => !EVERYTHING.includes(flow)),
      closed: EVERYTHING.filter((flow) => !now.includes(flow)),
    }
  }
  const remove = (id: string) => (draft: Draft) => {
    delete draft.Resources[id]
  }

  test('a group that loses its own rule for what goes out lets everything out', () => {
    const { opened, closed } = changed((draft) =>
      change(draft, 'ApiSecurityGroup', 'SecurityGroupEgress', undefined),
    )
    expect(opened).toContain('ApiGroup → world :22')
    expect(closed).toEqual([])
  })

  test('such a group of the database opens our own front door to it, and not the world: there is no route', () => {
    const { opened } = changed((draft) =>
      change(draft, 'DatabaseSecurityGroup', 'SecurityGroupEgress', undefined),
    )
    expect(opened.filter((flow) => !/^Database.* → ExternalBalancer :(80|443)$/.test(flow))).toEqual([])
    expect(opened).not.toEqual([])
  })

  test('a server with an address in a public subnet still hears its load balancer only', () => {
    const { opened } = changed((draft) => {
      change(draft, 'ApiTemplate', 'LaunchTemplateData.NetworkInterfaces.0.AssociatePublicIpAddress', true)
      change(draft, 'ApiGroup', 'VPCZoneIdentifier', [{ Ref: 'PublicSubnetA' }, { Ref: 'PublicSubnetB' }])
    })
    expect(opened).toEqual([])
  })

  test('a server without an address gets nowhere from a public subnet', () => {
    const { closed } = changed((draft) =>
      change(draft, 'WebTemplate', 'LaunchTemplateData.NetworkInterfaces.0.AssociatePublicIpAddress', false),
    )
    expect(closed).toEqual(['WebGroup → world :443'])
  })

  test('the narrowest route decides', () => {
    const { closed } = changed((draft) => {
      draft.Resources.Narrow = {
        Type: 'AWS::EC2::Route',
        Properties: {
          RouteTableId: { Ref: 'AppARoutes' },
          DestinationCidrBlock: '203.0.113.0/24',
          GatewayId: { Ref: 'InternetGateway' },
        },
      }
    })
    expect(closed).toEqual(['ApiGroup → world :443'])
  })

  test('and the whole world as soon as its group lets it', () => {
    const { opened } = changed((draft) => {
      change(draft, 'WebSecurityGroup', 'SecurityGroupIngress', [
        { IpProtocol: 'tcp', FromPort: 22, ToPort: 22, CidrIp: '0.0.0.0/0' },
      ])
    })
    expect(opened).toEqual(['world → WebGroup :22'])
  })

  test('a database in public subnets with a public address', () => {
    const { opened } = changed((draft) => {
      change(draft, 'Database', 'PubliclyAccessible', true)
      change(draft, 'DatabaseSubnets', 'SubnetIds', [{ Ref: 'PublicSubnetA' }, { Ref: 'PublicSubnetB' }])
      change(draft, 'DatabaseReplica', 'AvailabilityZone', undefined)
      change(draft, 'ApiToDatabaseIn', 'SourceSecurityGroupId', undefined)
      change(draft, 'ApiToDatabaseIn', 'CidrIp', '0.0.0.0/0')
    })
    expect(opened).toEqual(['world → Database :5432'])
  })

  test('web servers that may talk to the database', () => {
    const { opened } = changed((draft) => {
      for (const [id, group, peer] of [
        ['In', 'DatabaseSecurityGroup', ['SourceSecurityGroupId', 'WebSecurityGroup']],
        ['Out', 'WebSecurityGroup', ['DestinationSecurityGroupId', 'DatabaseSecurityGroup']],
      ] as const)
        draft.Resources[`X${id}`] = {
          Type: `AWS::EC2::SecurityGroup${id === 'In' ? 'Ingress' : 'Egress'}`,
          Properties: {
            GroupId: { 'Fn::GetAtt': [group, 'GroupId'] },
            IpProtocol: 'tcp',
            FromPort: 5432,
            ToPort: 5432,
            [peer[0]]: { 'Fn::GetAtt': [peer[1], 'GroupId'] },
          },
        }
    })
    expect(opened).toEqual(['WebGroup → Database :5432', 'WebGroup → DatabaseReplica :5432'])
  })

  test('load balancers past each other: web servers in the API’s group', () => {
    const { opened } = changed((draft) =>
      change(draft, 'WebTemplate', 'LaunchTemplateData.NetworkInterfaces.0.Groups', [
        { 'Fn::GetAtt': ['WebSecurityGroup', 'GroupId'] },
        { 'Fn::GetAtt': ['ApiSecurityGroup', 'GroupId'] },
      ]),
    )
    expect(opened).toContain('WebGroup → Database :5432')
  })

  test.for<[string, string[]]>([
    ['AppBDefaultRoute', ['ApiGroup → world :443']],
    ['PublicDefaultRoute', [...people, ...out]],
    ['InternetGatewayAttachment', [...people, ...out]],
    ['PublicSubnetARoutes', [...people, ...out]],
    ['WebToInternalIn', ['WebGroup → InternalBalancer :80']],
    ['WebToInternalOut', ['WebGroup → InternalBalancer :80']],
    ['ApiToDatabaseOut', data],
    ['ApiToWorldOut', ['ApiGroup → world :443', 'ApiGroup → ExternalBalancer :443']],
  ])('without %s something is closed, wholly or in one zone', ([id, expected]) => {
    const { closed, opened } = changed(remove(id))
    expect(closed).toEqual([...expected].sort())
    expect(opened.every((flow) => flow.endsWith('(partly)'))).toBe(true)
  })

  test('both zones behind one private route table would depend on one zone', () => {
    const draft: Draft = JSON.parse(JSON.stringify(sample('prod').template))
    change(draft, 'AppSubnetBRoutes', 'RouteTableId', { Ref: 'AppARoutes' })
    const template = JSON.parse(JSON.stringify(draft))
    expect(flows(template)).toEqual(EVERYTHING)
    expect(flows(template, zoneA)).not.toContain('ApiGroup → world :443')
  })

  test('a thing without a security group is in the VPC’s own, which nothing of ours lets in', () => {
    const { opened, closed } = changed((draft) =>
      change(draft, 'ApiTemplate', 'LaunchTemplateData.NetworkInterfaces.0.Groups', undefined),
    )
    expect(opened).toContain('ApiGroup → ApiGroup :22')
    expect(closed).toContain('InternalBalancer → ApiGroup :4000')
  })

  test.for<[string, (draft: Draft) => void]>([
    [
      'an access list',
      (draft) => {
        draft.Resources.Acl = { Type: 'AWS::EC2::NetworkAcl', Properties: {} }
      },
    ],
    ['a route to somewhere else', (draft) => change(draft, 'PublicDefaultRoute', 'GatewayId', 'tgw-1')],
    [
      'a rule for a prefix list',
      (draft) => {
        change(draft, 'ApiToWorldOut', 'CidrIp', undefined)
        change(draft, 'ApiToWorldOut', 'DestinationPrefixListId', 'pl-1')
      },
    ],
  ])('%s is refused rather than guessed at', ([, breakIt]) => {
    expect(() => changed(breakIt)).toThrow('not interpreted')
  })
})
